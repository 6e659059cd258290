"""The keys of a call's metadata, from OpenTelemetry's semantic conventions for generative AI.

The conventions are still in development and change; stored rows keep the names of the version they were written with.
https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

SEMCONV_VERSION = "1.37.0"

SCHEMA = "otel.schema_url"
SCHEMA_URL = f"https://opentelemetry.io/schemas/{SEMCONV_VERSION}"
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
AGENT = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions"
OUTPUT_TYPE = "gen_ai.output.type"
REQUEST_MODEL = "gen_ai.request.model"
TEMPERATURE = "gen_ai.request.temperature"
MAX_TOKENS = "gen_ai.request.max_tokens"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
ERROR_TYPE = "error.type"
# Our own key: the positions of untrusted content in the question, as pairs of characters (start, end).
UNTRUSTED_SPANS = "crm.outside_spans"
# Our own key: what a screen shows of a user's question and the facts in the answer.
CHAT_TURN = "crm.chat"

# Keys that stay when the texts of a row are erased: technical names and numbers, no text by people or models.
KEPT_WHEN_ERASED = (
    SCHEMA,
    OPERATION,
    PROVIDER,
    AGENT,
    OUTPUT_TYPE,
    REQUEST_MODEL,
    TEMPERATURE,
    MAX_TOKENS,
    RESPONSE_MODEL,
    FINISH_REASONS,
    INPUT_TOKENS,
    OUTPUT_TOKENS,
    ERROR_TYPE,
)
