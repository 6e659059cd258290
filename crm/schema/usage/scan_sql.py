"""The statements of a scan. A source is a place in a JSON column that holds keys: the column itself, a group or a list.

Every value is read once, as text, which is faster than as JSON; only a text that may be something else is looked up.
"""

from dataclasses import dataclass

from django.db import connection

from crm.models import ValueKind
from crm.records.json_keys import ELEMENTS, ISO_DATE_PATTERN

# The kinds by their numbers in the statements, which group numbers faster than texts.
KINDS = [*ValueKind]
# The rows of a scan that are read in detail.
SAMPLE = "scan_sample AS t"
# The largest number that other programs read has 309 digits.
MAX_NUMBER_DIGITS = 308
# The first characters of a text that may be more than a text: digits and signs, brackets, true and false.
AMBIGUOUS = sorted({0, *map(ord, "\t\n .,+-$0123456789[{tf")})


def kind_sql(text: str, json: str) -> str:
    """Return an expression for the number of the kind of a value, given as text and as JSON."""
    number = {kind: str(position) for position, kind in enumerate(KINDS)}
    return f"""CASE WHEN NOT (ascii({text}) = ANY ('{{{",".join(map(str, AMBIGUOUS))}}}'::int[]))
         THEN {number[ValueKind.TEXT]}
    ELSE CASE jsonb_typeof({json})
    WHEN 'number' THEN CASE WHEN octet_length({text}) > {MAX_NUMBER_DIGITS} THEN {number[ValueKind.HUGE_NUMBER]}
                            ELSE {number[ValueKind.NUMBER]} END
    WHEN 'string' THEN CASE
         WHEN {text} = '' THEN {number[ValueKind.EMPTY]}
         WHEN {text} LIKE '____-__-__%%' AND {text} ~ '{ISO_DATE_PATTERN}' THEN {number[ValueKind.DATE]}
         WHEN btrim({text}, E' \\t0123456789.,+-$') = '' AND {text} ~ '[0-9]' THEN {number[ValueKind.NUMERIC_TEXT]}
         ELSE {number[ValueKind.TEXT]} END
    WHEN 'boolean' THEN {number[ValueKind.YES_NO]}
    WHEN 'array' THEN CASE WHEN {text} = '[]' THEN {number[ValueKind.EMPTY]}
                           WHEN {text} LIKE '[{{%%' THEN {number[ValueKind.ROWS]} ELSE {number[ValueKind.LIST]} END
    WHEN 'object' THEN {number[ValueKind.OBJECT]}
    ELSE {number[ValueKind.EMPTY]} END END"""


@dataclass(frozen=True)
class Source:
    """A place with keys: the column, and the steps to it; the last step is `[]` for the records of a list."""

    column: str
    steps: tuple[str, ...] = ()

    def value_sql(self, params: list[str]) -> str:
        """Return the JSON value in this place of the row `t`; the steps go to `params`."""
        value = f"t.{connection.ops.quote_name(self.column)}"
        for step in self.steps:
            if step != ELEMENTS:
                value += " -> %s"
                params.append(step)
        return f"({value})"

    def filled_sql(self, params: list[str]) -> str:
        """Return the condition for rows with something in this place."""
        return f"{self.value_sql(params)} NOT IN ('{{}}', '[]')"

    def entries_sql(self, number: int, params: list[str]) -> str:
        """Return the keys and values of the row `t` in this place; a key of several records in a list counts once."""
        if ELEMENTS not in self.steps:
            each, texts = self.typed_value_sql("object", params), self.typed_value_sql("object", params)
            # Reading the pairs twice, as JSON and as text, is faster than reading text out of JSON values.
            return f"""SELECT {number} AS source, e.key, e.value, {kind_sql("e.value", "e.json")} AS kind
              FROM ROWS FROM (jsonb_each({each}), jsonb_each_text({texts})) AS e (key, json, same_key, value)"""
        kind = kind_sql("e.value", "r.row -> e.key")
        return f"""SELECT DISTINCT ON (e.key) {number} AS source, e.key, e.value, {kind} AS kind
          FROM jsonb_array_elements({self.typed_value_sql("array", params)}) AS r (row),
               jsonb_each_text(CASE jsonb_typeof(r.row) WHEN 'object' THEN r.row END) AS e"""

    def typed_value_sql(self, json_type: str, params: list[str]) -> str:
        """Return the value where it is of `json_type`, or null. A subquery would keep the server from parallel work."""
        return f"CASE jsonb_typeof({self.value_sql(params)}) WHEN '{json_type}' THEN {self.value_sql(params)} END"


def entries_sql(sources: list[Source], rows: str) -> tuple[str, list[str]]:
    """Return the FROM clause of all entries of `sources` in `rows` (a table as `t`), with its parameters."""
    params: list[str] = []
    parts = " UNION ALL ".join(f"({source.entries_sql(n, params)})" for n, source in enumerate(sources))
    return f"FROM {rows} CROSS JOIN LATERAL ({parts}) AS entry", params


def kinds_statement(sources: list[Source], rows: str, condition: str) -> tuple[str, list[str]]:
    """Return the statement that counts the values of each key by kind."""
    entries, params = entries_sql(sources, rows)
    return (
        "SELECT source, key, kind, count(*), max(length(value)), max(t.created_at) "
        f"{entries} WHERE {condition} GROUP BY 1, 2, 3",
        params,
    )


def blocks_statement(sources: list[Source]) -> tuple[str, list[str]]:
    """Return the statement that sums over the blocks of a sample what the error of a share follows from.

    For each key: the sum of x², and of x·n, where x is the number of filled records in a block and n that of records.
    """
    entries, params = entries_sql(sources, SAMPLE)
    empty = KINDS.index(ValueKind.EMPTY)
    return (
        f"""WITH size AS (SELECT block, count(*) AS n FROM scan_sample GROUP BY 1),
        filled AS (SELECT source, key, t.block, count(*) AS x {entries} WHERE kind <> {empty} GROUP BY 1, 2, 3)
        SELECT source, key, sum(x * x), sum(x * n) FROM filled JOIN size USING (block) GROUP BY 1, 2""",
        params,
    )


def distinct_statement(sources: list[Source]) -> tuple[str, list[str]]:
    """Return the statement that counts, for each key of a sample, its values, distinct ones, and those met once."""
    entries, params = entries_sql(sources, SAMPLE)
    empty = KINDS.index(ValueKind.EMPTY)
    return (
        f"""SELECT source, key, sum(n), count(*), count(*) FILTER (WHERE n = 1)
        FROM (SELECT source, key, hashtextextended(value, 0), count(*) AS n {entries}
               WHERE kind <> {empty} GROUP BY 1, 2, 3) AS each_value GROUP BY 1, 2""",
        params,
    )
