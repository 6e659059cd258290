"""The catalogue of suggestion types, for people and for models: each type and its content, from one definition."""

import sys
from typing import Any

from django.utils.text import capfirst

from suggestions.kinds import Kind, offered_kinds
from suggestions.models import SuggestionType

# The hints that only our own screens understand.
SCREEN_HINTS = ("widget", "choices", "blank", "readonly", "record")


def content_schema(kind: type[Kind]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the content of `kind`, without the hints for our own screens."""
    schema = kind.Payload.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    for part in parts:
        part["properties"] = {
            name: {key: value for key, value in field_schema.items() if key not in SCREEN_HINTS}
            for name, field_schema in part.get("properties", {}).items()
        }
    return {**schema, "title": kind.type, "description": describe_kind(kind)}


def describe_kind(kind: type[Kind]) -> str:
    """Return the first line of the docstring of the module of `kind`, without the type."""
    words = (sys.modules[kind.__module__].__doc__ or "").strip()
    return capfirst(words.partition("\n")[0].removeprefix(f"{kind.type}: "))


def catalogue_entry(kind: type[Kind]) -> dict[str, Any]:
    """Return as JSON what an agent must know of `kind` to propose one."""
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
    """Return an entry for each type that can be suggested here, sorted by name."""
    return [catalogue_entry(kind) for _, kind in sorted(offered_kinds().items())]
