"""The names under which a call's details are kept: OpenTelemetry's conventions for generative AI.

They are still called development there, and change; what was written under an older version keeps its names.
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
# Ours: where in the question stands what outsiders wrote, as pairs of positions (from, up to) in characters.
UNTRUSTED_SPANS = "crm.outside_spans"
# Ours: what a screen shows of a question that a person has asked, and of the facts that answer it.
CHAT_TURN = "crm.chat"

# What stays when a row's texts are erased: names of machines and numbers, nothing that anybody has written.
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
