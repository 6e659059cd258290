"""What the tables say about people. Apps to the right add theirs at start (`<app>/privacy.py`).

Most needs no word here: whatever refers to a record of the person by a foreign key belongs to the person's record, so
a new table is included by itself. Named are the tables of people, and what a foreign key cannot tell.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import pghistory.models
from django.db import models

from crm.models import ActivityLog, DuplicatePair, KindChangeValue, Merge, Notification
from crm.records.duplicates.matching import COLUMNS

if TYPE_CHECKING:
    from crm.records.privacy.person import Person


class FoundRows(NamedTuple):
    """Rows of a table that are about a person, though no foreign key says so."""

    model: type[models.Model]
    keys: Iterable[Any]


class NamedRow(NamedTuple):
    """Two columns of `model` that name a row of any table: the label of the table, and the key."""

    model: type[models.Model]
    table_column: str
    key_column: str


# The tables of people: those that are searched for duplicates.
PERSON_TABLES = COLUMNS
# Foreign keys from one table of people to another that mean the same person: Lead.converted_to_client.
SAME_PERSON_KEYS: list[tuple[type[models.Model], str]] = []
# Columns that name a row by its table and its key, without a foreign key.
NAMED_ROWS: list[NamedRow] = [
    NamedRow(ActivityLog, "about_type", "about_id"),
    NamedRow(ActivityLog, "target_type", "target_id"),
    NamedRow(Merge, "table", "winner_id"),
    NamedRow(Merge, "table", "loser_id"),
    NamedRow(DuplicatePair, "first_table", "first_id"),
    NamedRow(DuplicatePair, "second_table", "second_id"),
    NamedRow(KindChangeValue, "table", "record_id"),
    NamedRow(Notification, "target_type", "target_id"),
]
# Foreign keys that do not make a row the person's, as “app.model.field”: the row has another owner.
UNFOLLOWED_KEYS: set[str] = set()
# Functions that find rows by something else than a foreign key: `finder(person)`.
FINDERS: list[Callable[["Person"], Iterable[FoundRows]]] = []
# Files of a row as (name, blocks of bytes); an unreadable file gives its reason instead of blocks.
FILE_READERS: dict[type[models.Model], Callable[[Any], Iterable[tuple[str, Iterable[bytes] | str]]]] = {}
# Columns that no file shows: keys to pages and services. As “app.model.column”.
SECRET_COLUMNS: set[str] = set()
# Tables that hold nothing of their own about a person, with the reason. All others are reached by a key or a finder.
WITHOUT_PERSONS: dict[str, str] = {
    "crm.user": "Staff.",
    "crm.loginlimit": "Failed logins of staff, by digest and network address.",
    "crm.usersession": "Sessions of staff.",
    "crm.secondfactor": "Second factors of staff.",
    "crm.rolesecurity": "Roles that need a second factor.",
    "crm.notificationsetting": "How staff learn of notifications.",
    "crm.notificationdigest": "When staff get the daily email.",
    "crm.reportschedule": "Which reports staff get by email.",
    "crm.listcolumns": "Columns of lists that staff chose.",
    "crm.savedview": "Views of lists that staff saved.",
    "crm.tag": "Names and colours of tags.",
    "crm.customfield": "What the custom fields of a table mean.",
    "crm.kindchange": "Changes of the kind of a custom field, with its choices.",
    "crm.fieldusage": "How often staff used the keys of JSON columns.",
    "crm.fieldstatistic": "Names and counts of the keys of JSON columns, without values.",
    "crm.indexusage": "How often indexes are read.",
    "crm.schemathresholds": "When a key deserves an index or a column.",
    "crm.schemachange": "Requests of staff about the keys of JSON columns.",
    "crm.erasedperson": "Digests of addresses, which do not say what they were.",
}


def audited_table(model: type[models.Model]) -> type[models.Model]:
    """Return the audited table if `model` is a row audit, else `model`."""
    return model.pgh_tracked_model if issubclass(model, pghistory.models.Event) else model


def column_name(model: type[models.Model], field: models.Field) -> str:
    """Return the name of a column as the sets here have it; a column of the row audit has that of its table."""
    return f"{audited_table(model)._meta.label_lower}.{field.name}"
