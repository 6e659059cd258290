"""What can be suggested, told to people and to models: each type with its content, from its one definition.

Not imported by `suggestions.kinds` itself, whose registry it reads.
"""

import sys
from typing import Any

from suggestions.kinds import KINDS, Kind
from suggestions.models import SuggestionType

# What only our own screens know what to do with.
OUR_HINTS = ("widget", "choices", "blank", "readonly", "record")


def schema_of(kind: type[Kind]) -> dict[str, Any]:
    """JSON Schema (2020-12) of the content of `kind`, without what is meant for our own screens."""
    schema = kind.Payload.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    for part in parts:
        part["properties"] = {
            name: {key: value for key, value in told.items() if key not in OUR_HINTS}
            for name, told in part.get("properties", {}).items()
        }
    return {**schema, "title": kind.type, "description": description_of(kind)}


def description_of(kind: type[Kind]) -> str:
    """The first line of the module in which `kind` stands, without the type's name."""
    words = (sys.modules[kind.__module__].__doc__ or "").strip()
    return words.partition("\n")[0].removeprefix(f"{kind.type}: ").capitalize()


def entry(kind: type[Kind]) -> dict[str, Any]:
    """Everything that is to be known of `kind` before one is proposed, as JSON."""
    return {
        "type": str(kind.type),
        "label": SuggestionType(kind.type).label,
        "description": description_of(kind),
        "outward": kind.outward,
        "harmless": kind.harmless,
        "permission": kind.permission,
        "expires_after_days": kind.expires_after.days,
        "cannot_be_undone": kind.cannot_be_undone,
        "content": schema_of(kind),
    }


def catalogue() -> list[dict[str, Any]]:
    """An entry for each type, by its name."""
    return [entry(KINDS[name]) for name in sorted(KINDS)]
