"""What there is to do, from every app, in one order: urgency, then value, then the longest wait."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum
from uuid import UUID

from django.db.models import QuerySet

# A customer of unknown value counts like one of some thousands, as in the queue of approvals.
UNKNOWN_VALUE = Decimal(5_000)


class Urgency(IntEnum):
    """How soon something has to be done."""

    NOW = 0
    TODAY = 1
    LATER = 2

    @property
    def label(self) -> str:
        return {Urgency.NOW: "Now", Urgency.TODAY: "Today", Urgency.LATER: "Coming up"}[self]

    @classmethod
    def of_day(cls, due_on: date, today: date) -> "Urgency":
        """Return the urgency of what is due on a day."""
        if due_on < today:
            return cls.NOW
        return cls.TODAY if due_on == today else cls.LATER


@dataclass(frozen=True)
class TodayAction:
    """The button of an item: a link, or a form with hidden `fields` that does it at once."""

    label: str
    url: str
    is_form: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TodayItem:
    """One thing to do: the person, what, and since or until when."""

    person: str
    text: str
    url: str
    icon: str
    action: TodayAction | None = None
    # A sentence part such as "due 28 Nov"; or a time, of which the page shows the age after `since_label`.
    due: str = ""
    is_late: bool = False
    since: datetime | None = None
    since_label: str = ""
    value: Decimal | None = None
    phone: str = ""


@dataclass(frozen=True)
class Candidate:
    """A thing to do that may be shown: its place in the order, and what makes its item once it is."""

    urgency: Urgency
    value: Decimal | None
    at: datetime
    build: Callable[[], TodayItem]
    # What it is about, where another candidate may be the same work: of these the first is shown.
    about: UUID | None = None

    @property
    def order_key(self) -> tuple[int, Decimal, datetime]:
        return self.urgency, -(UNKNOWN_VALUE if self.value is None else self.value), self.at


@dataclass(frozen=True)
class TodaySource:
    """One kind of thing to do.

    `rows` are counted for the chip, as far as a hundred. `load` returns the candidates among the first rows by
    urgency, at most as many as asked for, read by an index.
    """

    kind: str
    label: str
    icon: str
    url: str
    rows: QuerySet
    load: Callable[[int], Iterable[Candidate]]
    # Whether its chip is left out while there is nothing to do.
    is_rare: bool = False


@dataclass(frozen=True)
class TodayGroup:
    """The items of one urgency."""

    urgency: Urgency
    items: list[TodayItem]


@dataclass(frozen=True)
class TodayList:
    """The first items of all sources; `has_more` says whether there are others."""

    groups: list[TodayGroup]
    has_more: bool


def merge_sources(sources: Sequence[TodaySource], size: int) -> TodayList:
    """Return the first `size` things to do of `sources`."""
    loaded = (candidate for source in sources for candidate in source.load(size + 1))
    candidates = without_repeated(sorted(loaded, key=lambda one: one.order_key))
    groups: dict[Urgency, list[TodayItem]] = {}
    for candidate in candidates[:size]:
        groups.setdefault(candidate.urgency, []).append(candidate.build())
    return TodayList([TodayGroup(urgency, items) for urgency, items in groups.items()], len(candidates) > size)


def without_repeated(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Return `candidates` without those about what an earlier one is about."""
    known: set[UUID] = set()
    kept = []
    for candidate in candidates:
        if candidate.about is None or candidate.about not in known:
            kept.append(candidate)
        if candidate.about is not None:
            known.add(candidate.about)
    return kept


def start_of(day: date) -> datetime:
    """Return a moment of `day` by which items are ordered."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
