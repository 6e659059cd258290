"""What a schema file holds: custom fields and decided requests, sorted, with nothing that differs by database."""

import json
from datetime import datetime
from typing import Any

from crm.exceptions import InvalidInput
from crm.models import CustomField, CustomFieldKind, CustomFieldTable, SchemaChange, SchemaChangeState, SchemaDecision
from crm.models.schema_change import UNDECIDED_STATES, JsonColumn
from crm.records.custom_fields.rights import role_names
from crm.runtime.lazy_module import LazyModule

jsonschema = LazyModule("jsonschema")

FORMAT = 1
FIELD_COLUMNS = (
    "table",
    "key",
    "label",
    "help_text",
    "kind",
    "choices",
    "is_required",
    "default_value",
    "is_on_list",
    "is_filterable",
    "position",
    "is_active",
)
# Roles have other keys in another database, so the file has their names. A file of an earlier version has none.
EDITORS = "editors"
CHANGE_COLUMNS = (
    "table",
    "column",
    "key",
    "proposed",
    "why",
    "expected_use",
    "decision",
    "decision_reason",
    "kind",
)
USER_COLUMNS, DATE_COLUMNS = ("requested_by", "decided_by"), ("created_at", "decided_at")
APPLIED, UNDONE, NOTHING = "applied", "undone", "nothing"
# What becomes of a change, whatever a job or a person does with it at the moment.
OUTCOMES = {
    SchemaChangeState.DECIDED: NOTHING,
    SchemaChangeState.QUEUED: APPLIED,
    SchemaChangeState.RUNNING: APPLIED,
    SchemaChangeState.PAUSED: APPLIED,
    SchemaChangeState.FAILED: APPLIED,
    SchemaChangeState.APPLIED: APPLIED,
    SchemaChangeState.UNDOING: UNDONE,
    SchemaChangeState.UNDONE: UNDONE,
}
TEXT, BOOLEAN = {"type": "string"}, {"type": "boolean"}
TYPES: dict[str, dict[str, Any]] = {
    "table": {"enum": CustomFieldTable.values},
    "column": {"enum": JsonColumn.values},
    "proposed": {"enum": SchemaDecision.values},
    "decision": {"enum": SchemaDecision.values},
    "choices": {"type": "array"},
    "default_value": {},
    "position": {"type": "integer", "minimum": 0},
    **dict.fromkeys(("is_required", "is_on_list", "is_filterable", "is_active"), BOOLEAN),
}


def object_schema(columns: dict[str, dict[str, Any]], *optional: str) -> dict[str, Any]:
    required = [name for name in columns if name not in optional]
    return {"type": "object", "additionalProperties": False, "required": required, "properties": columns}


FIELD_SCHEMA = object_schema(
    {
        **{name: TYPES.get(name, TEXT) for name in FIELD_COLUMNS},
        "kind": {"enum": CustomFieldKind.values},
        EDITORS: {"type": "array", "items": TEXT},
    },
    EDITORS,
)
CHANGE_SCHEMA = object_schema(
    {
        "id": {"type": "string", "format": "uuid"},
        **{name: TYPES.get(name, TEXT) for name in CHANGE_COLUMNS},
        "kind": {"enum": ["", *CustomFieldKind.values]},
        **dict.fromkeys(USER_COLUMNS, {"type": ["string", "null"]}),
        **dict.fromkeys(DATE_COLUMNS, {"type": "string", "format": "date-time"}),
        "outcome": {"enum": [APPLIED, UNDONE, NOTHING]},
    }
)
FILE_SCHEMA = object_schema(
    {
        "format": {"const": FORMAT},
        "fields": {"type": "array", "items": FIELD_SCHEMA},
        "changes": {"type": "array", "items": CHANGE_SCHEMA},
    }
)
Contents = dict[str, Any]


def read_database() -> Contents:
    """Return the contents of the file of this database."""
    fields = CustomField.objects.order_by("table", "key")
    changes = SchemaChange.objects.exclude(state__in=UNDECIDED_STATES).select_related(*USER_COLUMNS)
    return {
        "format": FORMAT,
        "fields": [describe_field(field) for field in fields],
        "changes": [
            describe_change(change) for change in changes.order_by("table", "column", "key", "decided_at", "id")
        ],
    }


def describe_field(field: CustomField) -> dict[str, Any]:
    return {**{name: getattr(field, name) for name in FIELD_COLUMNS}, EDITORS: sorted(role_names(field))}


def describe_change(change: SchemaChange) -> dict[str, Any]:
    users = {name: getattr(change, name) and getattr(change, name).username for name in USER_COLUMNS}
    return {
        "id": str(change.pk),
        **{name: getattr(change, name) for name in CHANGE_COLUMNS},
        **users,
        **{name: getattr(change, name).isoformat() for name in DATE_COLUMNS},
        "outcome": OUTCOMES[SchemaChangeState(change.state)],
    }


def write_text(contents: Contents) -> str:
    """Return the file: the same contents give the same text."""
    return json.dumps(contents, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def read_text(text: str) -> Contents:
    """Return the contents of a file.

    Raises:
        InvalidInput: it is not a schema file; the sentence says what is wrong, and where.
    """
    try:
        contents = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The file is not JSON: {error}.") from error
    validator = jsonschema.Draft202012Validator
    for error in validator(FILE_SCHEMA, format_checker=validator.FORMAT_CHECKER).iter_errors(contents):
        place = "/".join(map(str, error.absolute_path)) or "the file"
        raise InvalidInput(f"{place}: {error.message[:300]}.")
    for field in contents["fields"]:
        field.setdefault(EDITORS, [])
    for change in contents["changes"]:
        for name in DATE_COLUMNS:
            read_date(change, name)
    refuse_repeated(contents["fields"], ("table", "key"))
    refuse_repeated(contents["changes"], ("id",))
    return contents


def read_date(change: dict[str, Any], name: str) -> datetime:
    """Return a date and time of `change`.

    Raises:
        InvalidInput: it is not one with a time zone.
    """
    try:
        moment = datetime.fromisoformat(change[name])
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(f"“{change[name][:40]}” ({name} of “{change['key'][:60]}”) is no date and time with a zone.")
    return moment


def refuse_repeated(entries: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    seen = set()
    for entry in entries:
        key = tuple(entry[name] for name in names)
        if key in seen:
            raise InvalidInput(f"“{' '.join(key)}” is in the file twice.")
        seen.add(key)
