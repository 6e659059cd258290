"""Which decision a key deserves: the first rule that applies, with the figures that it rests on. Pure: no database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from django.db.models import TextChoices

from crm.models import SchemaThresholds, ValueKind
from crm.schema.usage.findings import unfitting_kinds

# An index is not read for a value that a larger share of the records has.
MAX_RECORDS_A_VALUE_PERCENT = 10
COMPARED_KINDS = frozenset({ValueKind.NUMBER, ValueKind.HUGE_NUMBER, ValueKind.DATE})


class Decision(TextChoices):
    STAY = "stay", "Stay"
    INDEX = "index", "Expression index"
    GIN = "gin", "GIN index"
    COLUMN = "column", "Column"
    TABLE = "table", "Table"
    RETIRE = "retire", "Retire"


PROMOTIONS = frozenset({Decision.INDEX, Decision.COLUMN, Decision.TABLE})
INDEX_INSTEAD = "Only a custom field becomes a column; the answers to this question can get an index."
NOT_PROMOTABLE = (
    "No request can ask for that: an index is for a custom field or a question of a line, a column for a custom field, "
    "a table for a repeated group of leads."
)
DEFINE_FIRST = "Define it as a custom field first: its kind says how values compare."


@dataclass(frozen=True)
class KeyFigures:
    """What the rules know of a key. `unused_days` is null if the key was used, or not counted for so long."""

    row_count: int
    filled_count: int
    kinds: Mapping[str, int] = field(default_factory=dict)
    distinct_count: int = 0
    searches: int = 0
    sorts: int = 0
    people: int = 0
    unused_days: int | None = None
    is_inside_list: bool = False
    has_gin: bool = False
    index_name: str = ""
    # The column or the table that the key is promoted to, such as "column cf_size"; empty if there is none.
    promoted_to: str = ""
    # What a request can ask for.
    promotable_to: frozenset[Decision] = PROMOTIONS
    # It stands among the custom fields, and no definition says of which kind it is.
    is_undefined_field: bool = False

    @property
    def filled_percent(self) -> float:
        return 100 * self.filled_count / self.row_count if self.row_count else 0.0

    @property
    def main_kind(self) -> str:
        """The most frequent kind of value; empty if there is no value."""
        filled = {kind: count for kind, count in self.kinds.items() if kind != ValueKind.EMPTY}
        return max(filled, key=lambda kind: (filled[kind], kind), default="")

    @property
    def kind_percent(self) -> float:
        """The share of the values that are compared as the most frequent kind is."""
        unfitting = sum(unfitting_kinds(self.kinds).values())
        return 100 * (1 - unfitting / self.filled_count) if self.filled_count else 0.0

    @property
    def records_a_value_percent(self) -> float:
        """The share of the records that have the same value, on average."""
        return self.filled_percent / self.distinct_count if self.distinct_count else 0.0


class Advice(NamedTuple):
    """A decision, and the rule that made it, with figures and thresholds, in one sentence."""

    decision: Decision
    reason: str


Rule = Callable[[KeyFigures, SchemaThresholds], Advice | None]


def advise(figures: KeyFigures, thresholds: SchemaThresholds) -> Advice:
    """Return the advice of the first rule that applies."""
    for rule in RULES:
        if (advice := rule(figures, thresholds)) is not None:
            return limit_to_possible(advice, figures)
    reason = (
        f"{times(figures.searches)} filtered or sorted in {thresholds.window_days} days by {people(figures.people)}; "
        f"an index needs {thresholds.index_uses} by {thresholds.index_people}."
    )
    return Advice(Decision.STAY, reason)


def limit_to_possible(advice: Advice, figures: KeyFigures) -> Advice:
    """Return `advice`, with what comes first, or the next best if no request can ask for it."""
    if advice.decision not in PROMOTIONS:
        return advice
    if advice.decision in figures.promotable_to:
        return advice._replace(reason=f"{advice.reason} {DEFINE_FIRST}") if figures.is_undefined_field else advice
    if advice.decision == Decision.COLUMN and Decision.INDEX in figures.promotable_to:
        return Advice(Decision.INDEX, f"{advice.reason} {INDEX_INSTEAD}")
    return Advice(Decision.STAY, f"{advice.reason} {NOT_PROMOTABLE}")


def retire_unused(figures: KeyFigures, thresholds: SchemaThresholds) -> Advice | None:
    if figures.unused_days is None or figures.unused_days < thresholds.unused_days:
        return None
    if figures.filled_percent > thresholds.retire_filled_percent:
        return None
    reason = (
        f"Not used for {figures.unused_days} days (limit {thresholds.unused_days}), and filled in "
        f"{figures.filled_percent:.1f} % of the records (limit {thresholds.retire_filled_percent} %)."
    )
    return Advice(Decision.RETIRE, reason)


def keep_promoted(figures: KeyFigures, thresholds: SchemaThresholds) -> Advice | None:
    if not figures.promoted_to:
        return None
    return Advice(Decision.STAY, f"The {figures.promoted_to} serves this key already.")


def keep_indexed(figures: KeyFigures, thresholds: SchemaThresholds) -> Advice | None:
    if not figures.index_name:
        return None
    return Advice(Decision.STAY, f"The index {figures.index_name} serves this key already.")


def keep_in_small_table(figures: KeyFigures, thresholds: SchemaThresholds) -> Advice | None:
    if figures.row_count >= thresholds.min_rows:
        return None
    limit = f"Below {thresholds.min_rows:,}, reading all of them is fast enough."
    reason = f"The table has {figures.row_count:,} records. {limit}"
    return Advice(Decision.STAY, reason)


def make_table_of_rows(figures: KeyFigures, thresholds: SchemaThresholds) -> Advice | None:
    """A list of records becomes a table; what stands inside one stays with it."""
    if figures.is_inside_list:
        return Advice(Decision.STAY, "It stands inside a list. The advice for the list decides.")
    if figures.main_kind != ValueKind.ROWS:
        return None
    is_searched = figures.searches >= thresholds.table_uses
    reason = (
        f"A list of records, {times(figures.searches)} filtered or sorted in {thresholds.window_days} days; "
        f"a table needs {thresholds.table_uses}."
    )
    return Advice(Decision.TABLE if is_searched else Decision.STAY, reason)


def make_column(figures: KeyFigures, thresholds: SchemaThresholds) -> Advice | None:
    reached = (
        figures.searches >= thresholds.column_uses
        and figures.people >= thresholds.index_people
        and figures.filled_percent >= thresholds.column_filled_percent
        and figures.kind_percent >= thresholds.column_kind_percent
    )
    if not reached or figures.main_kind in {ValueKind.OBJECT, ValueKind.LIST}:
        return None
    reason = (
        f"{times(figures.searches)} filtered or sorted in {thresholds.window_days} days by {people(figures.people)} "
        f"(limits {thresholds.column_uses} and {thresholds.index_people}), filled in {figures.filled_percent:.0f} % "
        f"(limit {thresholds.column_filled_percent} %), {figures.kind_percent:.0f} % of one kind "
        f"(limit {thresholds.column_kind_percent} %)."
    )
    return Advice(Decision.COLUMN, reason)


def make_index(figures: KeyFigures, thresholds: SchemaThresholds) -> Advice | None:
    if figures.searches < thresholds.index_uses or figures.people < thresholds.index_people:
        return None
    if figures.main_kind in {ValueKind.OBJECT, ValueKind.LIST}:
        return None
    is_compared = figures.main_kind in COMPARED_KINDS or figures.sorts > 0
    if not is_compared and figures.has_gin:
        return Advice(Decision.STAY, "The GIN index of the column serves comparisons with “is” already.")
    if not is_compared and figures.records_a_value_percent > MAX_RECORDS_A_VALUE_PERCENT:
        share = f"{figures.records_a_value_percent:.0f} %"
        return Advice(Decision.STAY, f"One value is in {share} of the records on average: an index would not be read.")
    reason = (
        f"{times(figures.searches)} filtered or sorted in {thresholds.window_days} days by {people(figures.people)} "
        f"(limits {thresholds.index_uses} and {thresholds.index_people})."
    )
    return Advice(Decision.INDEX, reason)


def make_gin(figures: KeyFigures, thresholds: SchemaThresholds) -> Advice | None:
    if figures.has_gin or figures.searches < thresholds.gin_uses:
        return None
    reason = (
        f"{times(figures.searches)} filtered in {thresholds.window_days} days (limit {thresholds.gin_uses}), "
        "and the column has no GIN index."
    )
    return Advice(Decision.GIN, reason)


RULES: tuple[Rule, ...] = (
    retire_unused,
    keep_promoted,
    keep_indexed,
    keep_in_small_table,
    make_table_of_rows,
    make_column,
    make_index,
    make_gin,
)


def times(count: int) -> str:
    return "Once" if count == 1 else f"{count:,} times"


def people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"
