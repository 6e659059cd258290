"""Link what belongs to a lead to its client as well, and take the links back.

The tables are read from the models: each with a foreign key to a lead and an optional one to a client. So a table that
is added later is not forgotten.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypedDict

import pghistory.models
from django.apps import apps
from django.db import connection, models

from crm.models import Client
from leads.models import ImportChange, Lead

# The dates of a row stay as they are: nobody worked on it.
LINK_SQL = """
    UPDATE "{table}" SET "{client}" = %s WHERE "{lead}" = %s AND "{client}" IS NULL RETURNING "{key}"
"""
UNLINK_SQL = """
    UPDATE "{table}" SET "{client}" = NULL
     WHERE "{key}" = ANY(%s::uuid[]) AND "{client}" = %s AND "{lead}" = %s
"""
UNLINK_ALL_SQL = """
    UPDATE "{table}" SET "{client}" = NULL WHERE "{client}" = %s AND "{lead}" = %s
"""
# The conversion itself sets the client of a lead; a change by an import is that of one record.
NOT_LINKED = (Lead, ImportChange)


class LinkableTable(NamedTuple):
    """A table with a column for a lead, and one for a client that may be empty."""

    model: type[models.Model]
    lead: models.ForeignKey
    client: models.ForeignKey


class LinkedRows(TypedDict):
    """The rows of one table that were linked, as JSON holds them."""

    model: str
    lead_column: str
    client_column: str
    ids: list[str]


def linkable_tables() -> Iterator[LinkableTable]:
    """Yield the tables of which the rows of a lead are linked to its client, deleted rows too."""
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.managed or issubclass(model, pghistory.models.Event):
            continue
        for lead in foreign_keys(model, Lead):
            for client in foreign_keys(model, Client):
                if client.null and model not in NOT_LINKED:
                    yield LinkableTable(model, lead, client)


def foreign_keys(model: type[models.Model], target: type[models.Model]) -> list[models.ForeignKey]:
    return [
        field
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.ForeignKey) and field.related_model is target
    ]


def link_rows(lead: Lead, client: Client) -> list[LinkedRows]:
    """Link the rows of `lead` that have no client yet to `client`. Return them, by table."""
    linked = []
    with connection.cursor() as cursor:
        for model, lead_field, client_field in linkable_tables():
            names = column_names(model, lead_field.column, client_field.column)
            cursor.execute(LINK_SQL.format(**names), [client.pk, lead.pk])
            if ids := [str(key) for (key,) in cursor.fetchall()]:
                linked.append(
                    LinkedRows(
                        model=model._meta.label_lower,
                        lead_column=lead_field.column,
                        client_column=client_field.column,
                        ids=ids,
                    )
                )
    return linked


def unlink_rows(linked: Iterable[LinkedRows], lead: Lead, client: Client) -> None:
    """Take the links of `link_rows` back, where the row still belongs to both."""
    with connection.cursor() as cursor:
        for rows in linked:
            names = column_names(apps.get_model(rows["model"]), rows["lead_column"], rows["client_column"])
            cursor.execute(UNLINK_SQL.format(**names), [rows["ids"], client.pk, lead.pk])


def unlink_all(lead: Lead, client: Client) -> None:
    """Unlink all rows of `lead` from `client`, those too that were added later."""
    with connection.cursor() as cursor:
        for model, lead_field, client_field in linkable_tables():
            names = column_names(model, lead_field.column, client_field.column)
            cursor.execute(UNLINK_ALL_SQL.format(**names), [client.pk, lead.pk])


def rows_to_link(lead: Lead) -> list[tuple[type[models.Model], models.QuerySet]]:
    """Return the live rows of `lead` that a conversion would link, by table."""
    return [
        (model, model._default_manager.filter(**{lead_field.name: lead, client_field.name: None}))
        for model, lead_field, client_field in linkable_tables()
    ]


def column_names(model: type[models.Model], lead_column: str, client_column: str) -> dict[str, str]:
    return {
        "table": model._meta.db_table,
        "key": model._meta.pk.column,
        "lead": lead_column,
        "client": client_column,
    }
