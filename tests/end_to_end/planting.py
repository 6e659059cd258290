"""Planted words: a word of its own in every column with a text, derived from the models."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pghistory.models
import pgtrigger
from django.apps import apps
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models

from crm.models.activity import tables_with_owners
from crm.records.base import can_see_everyone
from crm.records.privacy.tables import audited_table
from crm.records.timeline import may_view_table, visible_entries

OURS = {"crm", "leads", "ai_log", "inbox", "support", "suggestions"}
# A page shows what was searched for, so this part of a planted word is not one itself.
PLANTED_PART = "orq_"
PLANTED = re.compile(r"zorq\w*", re.IGNORECASE)
PLANTED_BYTES = b"zorq_bytes"
# Tables of the agency: no row belongs to one owner.
OF_EVERYONE = {
    *("crm.user", "crm.customfield", "crm.kindchange", "crm.erasedperson", "ai_log.callday"),
    *("crm.fieldusage", "crm.indexusage", "crm.schemathresholds", "crm.loginlimit", "crm.usersession"),
    *("crm.secondfactor", "crm.rolesecurity"),
    # Without a text of a person: names are read when a notification is shown, columns are named by their keys.
    *("crm.notification", "crm.notificationsetting", "crm.notificationdigest", "crm.reportschedule", "crm.listcolumns"),
    *("leads.insurancetype", "leads.leadstatus", "leads.scoringpolicy", "leads.importmapping"),
    *("leads.predictionmodel", "leads.predictionfeature"),
    *(
        "inbox.emailtemplate",
        "inbox.emailsignature",
        "inbox.webform",
        "inbox.webformrate",
        "inbox.webformrefusal",
        "inbox.removedfile",
    ),
    *("support.servicelevel", "support.workingday", "support.holiday"),
    *("suggestions.autonomysetting", "suggestions.executionpause"),
}
# Columns with codes, keys and digests of the program, not with texts of a person.
NOT_TEXT = {
    *("pgh_label", "table", "target_type", "about_type", "record_type", "first_table", "second_table", "reasons"),
    *("column", "kinds", "trial"),
    *("first_digest", "second_digest", "shared_digest", "digest", "content_digest", "source_digest", "content_hash"),
    "confirmed_digests",
    *("file_hash", "file_path", "source_path", "credentials", "token", "variant", "references", "verb", "status"),
    *("agent", "rule", "model_used", "ai_model_version", "conversation_id"),
    # The program reads these by their keys; each has a row with texts by itself or says only names of columns.
    *("made", "linked", "moved", "weights"),
    # Only times.
    "waits",
}
# Texts that the database computes from others.
COMPUTED = (models.GeneratedField,)
SIGNAL_DATE = "2026-01-05T10:00:00Z"
# The planted value of a JSON column with a shape of its own.
JSON_SHAPES = {
    "evidence": lambda word: [{"quote": word}],
    "notes": lambda word: [{"by": word, "body": word, "internal": True, "at": SIGNAL_DATE}],
    "signals": lambda word: [{"type": "budget_mentioned", "timestamp": SIGNAL_DATE, "weight": 0.25, "value": word}],
    "signs": lambda word: [{"type": "budget_mentioned", "quote": word}],
    "attachments": lambda word: [{"name": word, "size": 3, "type": "text/plain"}],
    "media": lambda word: {"form_answers": [{"label": word, "value": word}], "participants": [word]},
    "findings": lambda word: [{"code": "x", "sentence": word, "asks": True}],
    "acknowledged": lambda word: [{"code": "x", "sentence": word}],
    "held_because": lambda word: [word],
    "header": lambda word: [word],
    "line_data": lambda word: {"umbrella": {"field": word, word: word}},
    "additional_insureds": lambda word: [{"name": word}],
    "changes": lambda word: {"notes": ["", word]},
    "suggested_content": lambda word: {"title": word},
    "edited_content": lambda word: {"title": word},
}


def our_tables() -> Iterator[type[models.Model]]:
    """Yield the tables with rows of owners; a row audit after the tables."""
    tables = [
        model
        for model in apps.get_models()
        if model._meta.app_label in OURS and audited_table(model)._meta.label_lower not in OF_EVERYONE
    ]
    yield from sorted(tables, key=lambda model: issubclass(model, pghistory.models.Event))


@contextmanager
def planted_rows() -> Iterator[None]:
    """Put a word of its own into every text column of every row that is added within, in whatever table."""
    before = {model: set(model._base_manager.values_list("pk", flat=True)) for model in our_tables()}
    yield
    with refusals_ignored():
        for model, known in before.items():
            for row in model._base_manager.exclude(pk__in=known).order_by("pk"):
                plant(row)


@contextmanager
def refusals_ignored() -> Iterator[None]:
    """Let texts be planted that the database keeps from being changed. Audits and computed columns go on."""
    refusing = (
        trigger.get_uri(model)
        for model, trigger in pgtrigger.registered()
        if isinstance(trigger, pgtrigger.Protect) or "RAISE" in str(getattr(trigger, "func", ""))
    )
    with pgtrigger.ignore(*refusing):
        yield


planted_counts: Counter[type[models.Model]] = Counter()
# The table and the key of a row.
Place = tuple[type[models.Model], Any]
# The row of each planted word.
planted_places: dict[str, Place] = {}


def place_of(row: models.Model) -> Place:
    return type(row), row.pk


def places_not_for(reader: Any) -> set[Place]:
    """Return table and key of the planted rows that `reader` may not open."""
    return {place for place in set(planted_places.values()) if not can_open(reader, *place)}


def can_open(reader: Any, model: type[models.Model], key: Any) -> bool:
    """Return whether `reader` may open a row: by the rule of its table, else by those of the rows that it refers to."""
    row = model._base_manager.filter(pk=key).first()
    if row is None:
        return False
    if model._meta.label_lower == "crm.activitylog":
        return bool(visible_entries(reader, reader, [row]))
    if issubclass(model, pghistory.models.Event):
        return can_open(reader, audited_table(model), row.pgh_obj_id)
    if model._meta.label_lower in tables_with_owners():
        rows = tables_with_owners()[model._meta.label_lower]
        return may_view_table(reader, model._meta.label_lower) and rows.visible_to(reader).filter(pk=key).exists()
    parents = [
        (field.related_model, getattr(row, field.attname))
        for field in model._meta.concrete_fields
        if field.is_relation and field.related_model._meta.label_lower in tables_with_owners()
    ]
    places = [(parent, parent_key) for parent, parent_key in parents if parent_key]
    return all(can_open(reader, *place) for place in places) if places else can_see_everyone(reader)


def plant(row: models.Model) -> models.Model:
    """Put a word of its own into every text column of `row`."""
    model = type(row)
    planted_counts[model] += 1
    values = {}
    for field in text_columns(model):
        word = f"zorq_{model._meta.model_name}_{field.name}_{planted_counts[model]}"
        planted_places[word.lower()] = (model, row.pk)
        value = planted_value(field, word, getattr(row, field.attname))
        if value is not None:
            values[field.name] = value
    if values:
        model._base_manager.filter(pk=row.pk).update(**values)
        row.refresh_from_db()
    return row


def text_columns(model: type[models.Model]) -> list[models.Field]:
    """Return the columns of `model` that can hold a text of a person."""
    kinds = (models.CharField, models.TextField, models.JSONField, ArrayField, models.BinaryField)
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, kinds) and field.name not in NOT_TEXT and not field.choices and not field.is_relation
    ]


def planted_value(field: models.Field, word: str, old: Any) -> Any:
    """Return the value with `word` for `field`, which held `old`; None where a row cannot have a text now."""
    if isinstance(field, models.JSONField):
        return planted_json(field, word, old)
    if isinstance(field, ArrayField):
        return [f"{word}@hidden.example" if "email" in field.name else word]
    if isinstance(field, models.BinaryField):
        return PLANTED_BYTES
    if field.name == "email" or field.name.endswith("_email"):
        return f"{word}@hidden.example"
    if isinstance(field, models.URLField):
        return f"https://{word.replace('_', '-')}.example"
    return word[: field.max_length]


def planted_json(field: models.JSONField, word: str, old: Any) -> Any:
    if old is None:
        return None
    if field.name in JSON_SHAPES:
        return JSON_SHAPES[field.name](word)
    return {**old, word: word} if isinstance(old, dict) else [*old, word]


def columns_without_words() -> list[str]:
    """Return the text columns that hold no planted word in any row, as “app.model.column”."""
    missing = []
    for model in our_tables():
        if not (columns := text_columns(model)):
            continue
        texts = (
            f"encode({name}, 'escape')" if isinstance(field, models.BinaryField) else f"{name}::text"
            for field in columns
            for name in [connection.ops.quote_name(field.column)]
        )
        found = ", ".join(f"bool_or({text} ILIKE '%zorq%')" for text in texts)
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT {found} FROM "{model._meta.db_table}"')
            results = cursor.fetchone()
        missing += [
            f"{model._meta.label_lower}.{one.name}"
            for one, is_found in zip(columns, results, strict=True)
            if not is_found
        ]
    return missing
