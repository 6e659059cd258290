"""The timeline of a record: its activity log, joined with what other tables know, as far as a reader may see it.

`TIMELINE_SOURCES` in the settings names the functions of apps to the right that add lines to a page: messages, and
changes of a score. A page costs a bounded number of statements, however long the timeline is.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from heapq import merge
from typing import Any, NamedTuple
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import models
from django.utils.dateparse import parse_datetime
from django.utils.module_loading import import_string

from crm.models import ActivityLog
from crm.records.base import Record, can_see_everyone
from crm.records.transitions import permission_name

TIMELINE_LENGTH = 50
# The names in metadata of another record of the target's own table.
OTHERS_OF_SAME_TABLE = frozenset({"other", "winner", "loser"})


class Position(NamedTuple):
    """The place of a line on a timeline, newest first."""

    at: datetime
    key: UUID

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.key}"

    @classmethod
    def parse(cls, text: str) -> "Position | None":
        """Return the position in the text of a link; None if there is none."""
        moment, _, key = text.partition("~")
        try:
            at, key = parse_datetime(moment), UUID(key)
        except ValueError:
            return None
        return cls(at, key) if at is not None and at.tzinfo is not None else None


@dataclass(frozen=True)
class TimelineLine:
    """One line: when, by which actor, and what happened. `actor_type` is the class of its mark."""

    position: Position
    actor_type: str
    actor_name: str
    summary: str
    excerpt: str = ""
    url: str = ""
    # What the line is about and what was done: another source may tell the same better.
    target_type: str = ""
    verb: str = ""

    @property
    def occurred_at(self) -> datetime:
        return self.position.at


@dataclass(frozen=True)
class SourcePage:
    """The newest lines of one source before a position, newest first.

    If there are older ones, `complete_to` is the position down to which none is missing. `replaces` names the target
    types and verbs of the activity log that these lines tell better.
    """

    lines: list[TimelineLine]
    complete_to: Position | None = None
    replaces: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class TimelinePage:
    """A page of a timeline; `older` is the position for the next page, None on the last."""

    lines: list[TimelineLine]
    older: Position | None = None


# Takes the reader, the record, the position before which to read (None: the newest) and the number of lines.
TimelineSource = Callable[[Any, models.Model, Position | None, int], SourcePage]


def load_timeline(
    user: Any, record: models.Model, before: Position | None = None, size: int = TIMELINE_LENGTH
) -> TimelinePage:
    """Return a page of the timeline of `record`, as far as `user` may see it."""
    names = settings.TIMELINE_SOURCES.get(record._meta.label_lower, ())
    sources: list[TimelineSource] = [activity_lines, *(import_string(name) for name in names)]
    pages = [source(user, record, before, size) for source in sources]
    replaced = frozenset().union(*(page.replaces for page in pages))
    merged = merge(*(page.lines for page in pages), key=lambda line: line.position, reverse=True)
    complete_to = max((page.complete_to for page in pages if page.complete_to), default=None)
    lines = [
        line
        for line in merged
        if (line.target_type, line.verb) not in replaced and (complete_to is None or line.position >= complete_to)
    ]
    if len(lines) > size:
        return TimelinePage(lines[:size], lines[size - 1].position)
    return TimelinePage(lines, complete_to)


def rows_before(
    rows: models.QuerySet, before: Position | None, *, at: str, key: str = "id", size: int
) -> tuple[list[Any], Position | None]:
    """Return the first rows of `rows` before a position, and the position down to which none is missing.

    `rows` are sorted by the fields `at` and `key`, newest first.
    """
    if before is not None:
        earlier = models.Q(**{f"{at}__lt": before.at}) | models.Q(**{at: before.at, f"{key}__lt": before.key})
        # The first condition is the one that an index serves.
        rows = rows.filter(models.Q(**{f"{at}__lte": before.at}) & earlier)
    found = list(rows[: size + 1])
    shown = found[:size]
    return shown, Position(getattr(shown[-1], at), getattr(shown[-1], key)) if len(found) > size else None


def activity_lines(user: Any, record: models.Model, before: Position | None, size: int) -> SourcePage:
    """Return the entries of the activity log about `record` with a target that `user` may see."""
    entries = ActivityLog.objects.on_timeline_of(record).select_related("actor")
    rows, complete_to = rows_before(entries, before, at="occurred_at", size=size)
    return SourcePage([line_of(row) for row in visible_entries(user, record, rows)], complete_to)


def line_of(entry: ActivityLog) -> TimelineLine:
    return TimelineLine(
        position=Position(entry.occurred_at, entry.pk),
        actor_type=entry.actor_type,
        actor_name=entry.actor_name,
        summary=entry.summary,
        target_type=entry.target_type,
        verb=entry.verb,
    )


def visible_entries(user: Any, record: models.Model, entries: Iterable[ActivityLog]) -> list[ActivityLog]:
    """Return those of `entries` that name only records that `user` may see, in one statement.

    The reader sees `record` itself. A purged target is shown only to users who see the records of every owner.
    """
    own = (record._meta.label_lower, record.pk)
    entries, targets = list(entries), {}
    for entry in entries:
        for label, key in places_of(entry) - {own}:
            targets.setdefault(label, set()).add(key)
    readable = {label: keys for label, keys in targets.items() if may_view_table(user, label)}
    if can_see_everyone(user):
        visible = set().union(*readable.values())
    else:
        rows = [visible_rows(user, label, keys) for label, keys in readable.items()]
        visible = set(rows[0].union(*rows[1:])) if rows else set()
    return [one for one in entries if all(place == own or place[1] in visible for place in places_of(one))]


def places_of(entry: ActivityLog) -> set[tuple[str, UUID]]:
    """Return the type and key of each record that `entry` names: its target, and those in the metadata.

    The metadata have the key of a record under the name of its table, such as `client`, or under a name that says how
    it belongs to the target, which is of the same table.
    """
    places, tables = {(entry.target_type, entry.target_id)}, record_tables()
    for name, value in entry.metadata.items():
        label = entry.target_type if name in OTHERS_OF_SAME_TABLE else tables.get(name)
        if label is not None and value:
            places.add((label, UUID(value)))
    return places


@cache
def record_tables() -> dict[str, str]:
    """Return the labels of the tables of records by their names in metadata."""
    return {model._meta.model_name: model._meta.label_lower for model in apps.get_models() if issubclass(model, Record)}


def may_view_table(user: Any, label: str) -> bool:
    """Return whether `user` has the permission to view rows of the table `label`, where there is one."""
    try:
        model = apps.get_model(label)
    except LookupError:
        return False
    return "view" not in model._meta.default_permissions or user.has_perm(permission_name(model, "view"))


def visible_rows(user: Any, label: str, keys: set[UUID]) -> models.QuerySet:
    """Return the keys of those of the rows `keys` of the table `label` that `user` may see, deleted ones too."""
    rows = apps.get_model(label)._base_manager.filter(pk__in=keys).order_by()
    return (rows.visible_to(user) if hasattr(rows, "visible_to") else rows).values_list("pk", flat=True)


def load_target_timeline(
    user: Any, record: models.Model, before: Position | None = None, size: int = TIMELINE_LENGTH
) -> TimelinePage:
    """Return a page of what was done to `record` itself, on whatever timeline, as far as `user` may see it."""
    entries = ActivityLog.objects.for_target(record).select_related("actor")
    rows, older = rows_before(entries, before, at="occurred_at", size=size)
    return TimelinePage([line_of(row) for row in visible_entries(user, record, rows)], older)
