"""What can be suggested, told to people and to models: each type with its content, from its one definition.

Not imported by `suggestions.kinds` itself, whose registry it reads.
"""

import sys
from typing import Any

from suggestions.kinds import KINDS, Kind
from suggestions.models import SuggestionType

# What only our own screens know what to do with.
SCREEN_HINTS = ("widget", "choices", "blank", "readonly", "record")


def content_schema(kind: type[Kind]) -> dict[str, Any]:
    """JSON Schema (2020-12) of the content of `kind`, without what is meant for our own screens."""
    schema = kind.Payload.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    for part in parts:
        part["properties"] = {
            name: {key: value for key, value in field_schema.items() if key not in SCREEN_HINTS}
            for name, field_schema in part.get("properties", {}).items()
        }
    return {**schema, "title": kind.type, "description": describe_kind(kind)}


def describe_kind(kind: type[Kind]) -> str:
    """The first line of the module in which `kind` stands, without the type's name."""
    words = (sys.modules[kind.__module__].__doc__ or "").strip()
    return words.partition("\n")[0].removeprefix(f"{kind.type}: ").capitalize()


def catalogue_entry(kind: type[Kind]) -> dict[str, Any]:
    """Everything that is to be known of `kind` before one is proposed, as JSON."""
    return {
        "type": str(kind.type),
        "label": SuggestionType(kind.type).label,
        "description": describe_kind(kind),
        "outward": kind.is_outward,
        "harmless": kind.is_harmless,
        "permission": kind.permission,
        "expires_after_days": kind.expires_after.days,
        "cannot_be_undone": kind.irreversible_reason,
        "content": content_schema(kind),
    }


def build_catalogue() -> list[dict[str, Any]]:
    """An entry for each type, by its name."""
    return [catalogue_entry(KINDS[name]) for name in sorted(KINDS)]
