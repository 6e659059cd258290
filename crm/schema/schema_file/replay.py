"""Replay a schema file in this database: what differs, and the changes that make it the same.

Nothing is removed: a field or a change that only this database has stays, and is named.
"""

from typing import Any, NamedTuple

from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from crm.exceptions import InvalidInput, errors_as_invalid_input
from crm.models import CustomField, SchemaChange, SchemaChangeState, User
from crm.models.schema_change import BUSY_STATES
from crm.records.activity import SYSTEM_ACTOR, record
from crm.records.transitions import create, record_edit
from crm.schema.promotion.transitions import queue_run, resume_change, undo_change
from crm.schema.schema_file.contents import (
    APPLIED,
    CHANGE_COLUMNS,
    DATE_COLUMNS,
    EDITORS,
    FIELD_COLUMNS,
    NOTHING,
    UNDONE,
    USER_COLUMNS,
    Contents,
    read_database,
    read_date,
)

FIXED_COLUMNS = frozenset({"table", "key", "kind"})


def find_differences(contents: Contents) -> list[str]:
    """Return a sentence for each difference between a file and this database."""
    here, lines = read_database(), []
    for part, names, noun in (("fields", ("table", "key"), "Field"), ("changes", ("id",), "Change")):
        theirs, ours = (index_by(entries, names) for entries in (contents[part], here[part]))
        lines += [f"{noun} {label(entry)}: only in the file." for key, entry in theirs.items() if key not in ours]
        lines += [f"{noun} {label(entry)}: only in this database." for key, entry in ours.items() if key not in theirs]
        for key in theirs.keys() & ours.keys():
            differing = [name for name in theirs[key] if theirs[key][name] != ours[key][name]]
            if differing:
                lines.append(f"{noun} {label(theirs[key])}: differs in {', '.join(differing)}.")
    return sorted(lines)


def index_by(entries: list[dict[str, Any]], names: tuple[str, ...]) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {tuple(entry[name] for name in names): entry for entry in entries}


def label(entry: dict[str, Any]) -> str:
    decision = f" ({entry['decision']})" if "decision" in entry else ""
    return f"{entry['table']} “{entry['key'][:60]}”{decision}"


class Replayed(NamedTuple):
    """What was done, in sentences, and how many promotions wait for an earlier one of the same key."""

    lines: list[str]
    waiting: int


@transaction.atomic
def replay(contents: Contents) -> Replayed:
    """Make this database as the file says. Jobs carry the promotions out.

    A key has one unfinished promotion at a time, so a second one waits: replay again after the first.

    Raises:
        InvalidInput: a field has another kind here, an unfinished request stands in the way, or a value is refused.
    """
    lines, waiting = [replay_field(entry) for entry in contents["fields"]], 0
    for entry in contents["changes"]:
        if must_wait(entry):
            waiting += 1
        else:
            lines.append(replay_change(entry))
    return Replayed(list(filter(None, lines)), waiting)


def must_wait(entry: dict[str, Any]) -> bool:
    """Return whether a job still works on another change of the same key, which is decided here already."""
    same_key = {name: entry[name] for name in ("table", "column", "key")}
    unfinished = SchemaChange.objects.filter(**same_key, state__in=BUSY_STATES).exclude(pk=entry["id"])
    return entry["outcome"] == APPLIED and unfinished.exists()


def replay_field(entry: dict[str, Any]) -> str:
    """Define the field of `entry`, or change what differs. Return what was done; empty if nothing."""
    field = CustomField.objects.filter(table=entry["table"], key=entry["key"]).first()
    values = {**{name: entry[name] for name in FIELD_COLUMNS}, "editor_roles": find_roles(entry)}
    if field is None:
        create(CustomField(**values), by=SYSTEM_ACTOR)
        return f"Field {label(entry)}: defined."
    if field.kind != entry["kind"]:
        raise InvalidInput(f"Field {label(entry)}: its kind is {field.kind} here and {entry['kind']} in the file.")
    changed = [name for name in values if name not in FIXED_COLUMNS and getattr(field, name) != values[name]]
    if not changed:
        return ""
    for name in changed:
        setattr(field, name, values[name])
    with errors_as_invalid_input():
        field.full_clean()
        field.save(update_fields=[*changed, "updated_at"])
    record_edit(field, changed, by=SYSTEM_ACTOR)
    return f"Field {label(entry)}: changed {', '.join(changed)}."


def find_roles(entry: dict[str, Any]) -> list[int]:
    """Return the keys of the roles that may edit the field of `entry`.

    Raises:
        InvalidInput: this database has no role of that name.
    """
    keys = dict(Group.objects.filter(name__in=entry[EDITORS]).values_list("name", "pk"))
    if missing := next((name for name in entry[EDITORS] if name not in keys), ""):
        raise InvalidInput(f"Field {label(entry)}: there is no role “{missing[:60]}”. Add it first.")
    return sorted(keys.values())


def replay_change(entry: dict[str, Any]) -> str:
    """Take over the decision of `entry`, or its outcome. Return what was done; empty if nothing."""
    change = SchemaChange.objects.filter(pk=entry["id"]).first()
    if change is None:
        return add_change(entry)
    if any(getattr(change, name) != entry[name] for name in CHANGE_COLUMNS):
        raise InvalidInput(f"Change {label(entry)}: it was decided in another way here.")
    if entry["outcome"] == UNDONE and change.state not in {SchemaChangeState.UNDOING, SchemaChangeState.UNDONE}:
        undo_change(change, by=SYSTEM_ACTOR)
        return f"Change {label(entry)}: undoing."
    if entry["outcome"] == APPLIED and change.state in {SchemaChangeState.PAUSED, SchemaChangeState.FAILED}:
        resume_change(change, by=SYSTEM_ACTOR)
        return f"Change {label(entry)}: resumed."
    if entry["outcome"] == APPLIED and change.state in {SchemaChangeState.UNDOING, SchemaChangeState.UNDONE}:
        raise InvalidInput(f"Change {label(entry)}: it was undone here. Request it again.")
    return ""


def add_change(entry: dict[str, Any]) -> str:
    """Save a decision that another database has made; a job carries it out."""
    states = {APPLIED: SchemaChangeState.QUEUED, NOTHING: SchemaChangeState.DECIDED, UNDONE: SchemaChangeState.UNDONE}
    users = {name: User.objects.filter(username=entry[name] or "").first() for name in USER_COLUMNS}
    dates = {name: read_date(entry, name) for name in DATE_COLUMNS}
    values = {name: entry[name] for name in CHANGE_COLUMNS}
    if entry["outcome"] == UNDONE:
        values["rolled_back_at"] = timezone.now()
    change = SchemaChange(id=entry["id"], state=states[entry["outcome"]], **values, **users, **dates)
    try:
        with errors_as_invalid_input():
            change.full_clean()
            change.save(force_insert=True)
    except InvalidInput as error:
        raise InvalidInput(f"Change {label(entry)}: {error}") from error
    record(change, "replayed", by=SYSTEM_ACTOR, summary=f"Replayed from a file: {change.get_decision_display()}")
    if change.is_busy:
        queue_run(change)
    return f"Change {label(entry)}: decided."
