"""The records that custom fields refer to: which of them a user may choose, and what a reader reads of one.

A reference is the key of a record as text. Its record may be hidden to the reader, deleted, or gone.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from django.apps import apps
from django.contrib.auth import get_permission_codename
from django.db import models
from django.urls import reverse

from crm.exceptions import InvalidInput
from crm.models import CustomField, User
from crm.models.custom_field import REFERENCE_TABLES
from crm.records.base import Record
from crm.records.custom_fields.schemas import Schema

RECORD_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
# What the names of the records of a table are made of besides their own columns.
NAME_PARTS = {"leads.policy": ("insurance_type",)}


class ReferenceName(NamedTuple):
    """What a reader reads of a reference; `url` is the page of the record if the reader may open it.

    `can_be_chosen`: the text is the name of a live record that the reader may refer to.
    """

    text: str
    url: str = ""
    can_be_chosen: bool = False


def record_key(value: Any) -> str:
    """Return the key of a record that `value` writes, as it is stored; empty if it writes none."""
    return value.lower() if isinstance(value, str) and RECORD_KEY.fullmatch(value) else ""


def stored_record_key(value: Any) -> str:
    """Return the key of the record that a stored `value` refers to; empty if it is none.

    Filters find small letters and, from other programs, capitals. A mixture of them is a text, as for `json_uuid` of
    the database.
    """
    key = record_key(value)
    return key if value in (key, key.upper()) else ""


def may(user: User, verb: str, model: type[models.Model]) -> bool:
    """Return whether `user` has the permission to `verb` the records of `model`."""
    return user.has_perm(f"{model._meta.app_label}.{get_permission_codename(verb, model._meta)}")


def referable_records(table: str, user: User | None) -> models.QuerySet:
    """Return the records of `table` (a model label) that `user` may refer to: live ones that the user may open.

    Every user may refer to a colleague who still works here. Without a user, all live records.
    """
    model = apps.get_model(table)
    if not issubclass(model, Record):
        return model._default_manager.filter(is_active=True)
    rows = model.objects.select_related(*NAME_PARTS.get(table, ()))
    if user is None:
        return rows
    return rows.visible_to(user) if may(user, "view", model) else rows.none()


def named_records(table: str, reader: User | None) -> models.QuerySet:
    """Return the records of `table` (a model label) that `ReferenceNames` names to `reader`."""
    model = apps.get_model(table)
    if reader is None:
        return model._base_manager.none()
    if not issubclass(model, Record):
        return model._base_manager.all()
    rows = model.everything if may(reader, "restore", model) else model.objects
    return rows.visible_to(reader) if may(reader, "view", model) else rows.none()


def explain_reference(field: CustomField, value: Any, before: Any, user: User | None) -> str:
    """Return why `user` may not change `field` from `before` to `value`; empty if nothing speaks against it.

    A value that was there before stays, whether the user may open its record or not.
    """
    if value == before or value in (None, ""):
        return ""
    key = record_key(value)
    if key and referable_records(field.refers_to, user).filter(pk=key).exists():
        return ""
    noun = apps.get_model(field.refers_to)._meta.verbose_name
    return f"There is no such {noun}, or you do not have access to it. Choose one from the list."


def require_references(
    fields: Iterable[CustomField], before: Mapping[str, Any], after: Mapping[str, Any], user: User
) -> None:
    """Check the references that `user` changes in custom fields from `before` to `after`.

    Raises:
        InvalidInput: one names no record that `user` may refer to.
    """
    for field in fields:
        value = after.get(field.key)
        if field.refers_to and (reason := explain_reference(field, value, before.get(field.key), user)):
            raise InvalidInput(f"{field}: {reason}")


class ReferenceNames:
    """What `reader` reads in place of references to the records of `table`: loaded as needed, two statements at once.

    Without a reader nothing is named. Where the values are what a browser sent, `stored` holds those of them that
    records have: of any other, the reader does not learn whether there is such a record.
    """

    def __init__(self, table: str, reader: User | None, stored: Collection[Any] | None = None) -> None:
        self.table, self.model, self.reader = table, apps.get_model(table), reader
        self.stored = None if stored is None else {stored_record_key(value) for value in stored}
        self.noun, self.nouns = self.model._meta.verbose_name, self.model._meta.verbose_name_plural
        self.loaded: dict[str, ReferenceName] = {}

    def __getitem__(self, value: str) -> ReferenceName:
        key = stored_record_key(value)
        if not key:  # a text in the place of a reference
            return ReferenceName(value)
        self.load([key])
        return self.loaded[key]

    def load(self, values: Iterable[Any]) -> None:
        """Read the records that are not read yet."""
        keys = {key for value in values if (key := stored_record_key(value))} - self.loaded.keys()
        if not keys:
            return
        if self.reader is None:
            self.loaded |= dict.fromkeys(keys, ReferenceName(f"A {self.noun}"))
            return
        rows = self.model._base_manager.filter(pk__in=keys).select_related(*NAME_PARTS.get(self.table, ()))
        found, visible = {str(row.pk): row for row in rows}, self.visible_keys(keys)
        self.loaded |= {key: self.name_key(key, found.get(key), is_visible=key in visible) for key in keys}

    def reload(self, values: Iterable[Any]) -> None:
        """Read the records of `values`, and forget the others: a large file has too many to keep."""
        self.loaded.clear()
        self.load(values)

    def visible_keys(self, keys: set[str]) -> set[str]:
        if not issubclass(self.model, Record):
            return keys
        rows = self.model.everything.visible_to(self.reader).filter(pk__in=keys).order_by()
        return {str(key) for key in rows.values_list("pk", flat=True)}

    def name_key(self, key: str, row: models.Model | None, *, is_visible: bool) -> ReferenceName:
        """Return the name of `row`, the record with `key`, or None if there is none."""
        name = self.name_row(row, is_visible=is_visible)
        explains = self.stored is None or key in self.stored
        return name if explains or name.url or name.can_be_chosen else ReferenceName(f"Unknown {self.noun}")

    def name_row(self, row: models.Model | None, *, is_visible: bool) -> ReferenceName:
        """Return the name of `row`, or in plain words why there is none."""
        if row is None:
            return ReferenceName(f"A purged {self.noun}")
        may_open = may(self.reader, "view", self.model)
        if not isinstance(row, Record):
            name = str(row) if row.is_active else f"{row} (inactive)"
            return ReferenceName(name, page_of(row) if may_open else "", row.is_active)
        if not may_open:
            return ReferenceName(f"A {self.noun} that you may not open")
        if not is_visible:
            return ReferenceName(row.hidden_name)
        if not row.is_deleted:
            return ReferenceName(str(row), page_of(row), can_be_chosen=True)
        if may(self.reader, "restore", self.model):
            return ReferenceName(f"{row} (deleted)", page_of(row))
        return ReferenceName(f"A deleted {self.noun}")


def page_of(row: models.Model) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def named_values(table: str, values: Mapping[str, Any], reader: User) -> dict[str, Any]:
    """Return the custom fields of a record of `table` with what `reader` reads in place of references."""
    fields = CustomField.objects.filter(table=table, key__in=list(values), kind__in=list(REFERENCE_TABLES))
    named = {field.key: (ReferenceNames(field.refers_to, reader), values[field.key]) for field in fields}
    return {**values, **{key: names[one].text for key, (names, one) in named.items() if isinstance(one, str)}}


def with_names(schema: Schema, reader: User | None) -> Schema:
    """Return the schema of a value, or of `custom_fields`, by which references are shown as `reader` may read them."""
    if "properties" in schema:
        named = {key: with_names(inner, reader) for key, inner in schema["properties"].items()}
        return {**schema, "properties": named}
    return {**schema, "names": ReferenceNames(schema["refersTo"], reader)} if "refersTo" in schema else schema


def with_names_for_form(schema: Schema, reader: User | None, saved_values: Mapping[str, Any]) -> Schema:
    """Return the schema of `custom_fields` for a form of `reader`, about a record that has `saved_values`."""
    named = {
        key: {**inner, "names": ReferenceNames(inner["refersTo"], reader, stored=[saved_values.get(key)])}
        for key, inner in schema["properties"].items()
        if "refersTo" in inner
    }
    return {**schema, "properties": {**schema["properties"], **named}}


def load_names(schema: Schema, rows: Iterable[Any]) -> None:
    """Read at once what the references in `rows`, values of `custom_fields`, are shown as by the named `schema`."""
    named = {key: inner for key, inner in schema["properties"].items() if "names" in inner}
    if named:
        values = [row for row in rows if isinstance(row, dict)]
        for key, inner in named.items():
            load_value_names(inner, (row.get(key) for row in values))


def load_value_names(schema: Schema, values: Iterable[Any]) -> None:
    """Read at once what `values` are shown as by the named `schema` of one value."""
    if "names" in schema:
        schema["names"].load(values)
