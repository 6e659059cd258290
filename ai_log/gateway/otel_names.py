"""The names under which a call's details are kept: OpenTelemetry's conventions for generative AI.

They are still called development there, and change; what was written under an older version keeps its names.
https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

VERSION = "1.37.0"

SCHEMA = "otel.schema_url"
SCHEMA_URL = f"https://opentelemetry.io/schemas/{VERSION}"
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
AGENT = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
SYSTEM = "gen_ai.system_instructions"
OUTPUT_TYPE = "gen_ai.output.type"
ASKED_MODEL = "gen_ai.request.model"
TEMPERATURE = "gen_ai.request.temperature"
MOST_TOKENS = "gen_ai.request.max_tokens"
ANSWERING_MODEL = "gen_ai.response.model"
ANSWER_ID = "gen_ai.response.id"
FINISH = "gen_ai.response.finish_reasons"
TOKENS_IN = "gen_ai.usage.input_tokens"
TOKENS_OUT = "gen_ai.usage.output_tokens"
ERROR = "error.type"
# Ours: where in the question stands what outsiders wrote, as pairs of positions (from, up to) in characters.
OUTSIDE = "crm.outside_spans"
# Ours: what a screen shows of a question that a person has asked, and of the facts that answer it.
CHAT = "crm.chat"

# What stays when a row's texts are erased: names of machines and numbers, nothing that anybody has written.
KEPT = (
    SCHEMA,
    OPERATION,
    PROVIDER,
    AGENT,
    OUTPUT_TYPE,
    ASKED_MODEL,
    TEMPERATURE,
    MOST_TOKENS,
    ANSWERING_MODEL,
    FINISH,
    TOKENS_IN,
    TOKENS_OUT,
    ERROR,
)
