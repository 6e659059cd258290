"""The facts beside a request: how the key is defined, and in how many records it has a value."""

from dataclasses import dataclass

from django.apps import apps
from django.db import connection

from crm.exceptions import InvalidInput
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


def find_field(change: SchemaChange) -> CustomField | None:
    """Return the custom field that the key of `change` is defined as, if it is."""
    if change.column != JsonColumn.CUSTOM_FIELDS:
        return None
    return CustomField.objects.filter(table=change.table, key=change.key).first()


def compared_kind(change: SchemaChange) -> str:
    """Return the kind by which filters compare the values of the key.

    Raises:
        InvalidInput: the key has no definition, several that contradict each other, or stands in a repeated group.
    """
    name = change.key[:60]
    if change.column == JsonColumn.CUSTOM_FIELDS:
        field = find_field(change)
        if field is None:
            raise InvalidInput(f"Define “{name}” as a custom field first: its kind says how values compare.")
        return field.kind
    questions = find_questions(change.table, change.column, change.key)
    if not questions:
        raise InvalidInput(f"No line asks for “{name}”: the kind of a question says how values compare.")
    if any(one.is_repeated for one in questions):
        raise InvalidInput(f"“{name}” is in a repeated group: an index of one value cannot serve several entries.")
    if len({one.kind for one in questions}) > 1:
        raise InvalidInput(f"Several lines ask for “{name}”, as different kinds: their values do not compare.")
    return questions[0].kind


def load_facts(change: SchemaChange, user: User) -> KeyFacts:
    """Return the facts about the key of `change`, from a bounded number of rows that `user` may see."""
    rows = apps.get_model(change.table).objects.visible_to(user).order_by("-id")
    newest, params = rows.values(change.column)[:SAMPLED_ROW_COUNT].query.sql_with_params()
    sql = COUNT_FILLED_SQL.format(column=connection.ops.quote_name(change.column), newest=newest)
    with connection.cursor() as cursor:
        cursor.execute(sql, [key_steps(change), *params])
        questions = find_questions(change.table, change.column, change.key)
        return KeyFacts(find_field(change), questions, *cursor.fetchone())


def key_steps(change: SchemaChange) -> list[str]:
    """Return the steps to the value of the key in a row, up to the first repeated group."""
    steps = [change.key] if change.column == JsonColumn.CUSTOM_FIELDS else path_steps(change.key)
    return steps[: steps.index(ELEMENTS)] if ELEMENTS in steps else steps
