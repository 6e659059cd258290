"""The facts beside a request: how the key is defined, and in how many records it has a value."""

from dataclasses import dataclass

from django.apps import apps
from django.db import connection

from crm.models import CustomField, SchemaChange, User
from crm.schema.undefined_keys import SAMPLED_ROW_COUNT

COUNT_FILLED_SQL = "SELECT count(*), count(*) FILTER (WHERE {column} ? %s) FROM ({newest}) AS newest"


@dataclass(frozen=True)
class KeyFacts:
    """The definition of a key, and how many of the newest records that the reader may see have a value."""

    field: CustomField | None
    sampled_rows: int
    filled_rows: int

    @property
    def filled_percent(self) -> int:
        return round(100 * self.filled_rows / self.sampled_rows) if self.sampled_rows else 0


def load_facts(change: SchemaChange, user: User) -> KeyFacts:
    """Return the facts about the key of `change`, from a bounded number of rows that `user` may see."""
    rows = apps.get_model(change.table).objects.visible_to(user).order_by("-id")
    newest, params = rows.values(change.column)[:SAMPLED_ROW_COUNT].query.sql_with_params()
    sql = COUNT_FILLED_SQL.format(column=connection.ops.quote_name(change.column), newest=newest)
    with connection.cursor() as cursor:
        cursor.execute(sql, [change.key, *params])
        return KeyFacts(change.defined_field(), *cursor.fetchone())
