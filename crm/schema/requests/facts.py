"""The facts beside a request: how the key is defined, and in how many records it has a value."""

from dataclasses import dataclass

from django.apps import apps
from django.db import connection

from crm.models import CustomField, SchemaChange, User
from crm.models.schema_change import JsonColumn
from crm.records.json_keys import ELEMENTS, path_steps
from crm.schema.undefined_keys import SAMPLED_ROW_COUNT
from crm.screens.custom_fields.questions import QuestionField, find_questions

# The outermost entry of a repeated group says whether it has a value.
COUNT_FILLED_SQL = "SELECT count(*), count(*) FILTER (WHERE {column} #> %s IS NOT NULL) FROM ({newest}) AS newest"


@dataclass(frozen=True)
class KeyFacts:
    """The definition of a key, and how many of the newest records that the reader may see have a value."""

    field: CustomField | None
    questions: list[QuestionField]
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
        cursor.execute(sql, [key_steps(change), *params])
        questions = find_questions(change.table, change.column, change.key)
        return KeyFacts(change.defined_field(), questions, *cursor.fetchone())


def key_steps(change: SchemaChange) -> list[str]:
    """Return the steps to the value of the key in a row, up to the first repeated group."""
    steps = [change.key] if change.column == JsonColumn.CUSTOM_FIELDS else path_steps(change.key)
    return steps[: steps.index(ELEMENTS)] if ELEMENTS in steps else steps
