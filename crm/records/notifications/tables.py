"""Which records are told about, and in which words. Each app registers its tables at start."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from crm.models import NotificationKind


class Words(NamedTuple):
    """What a notification says about one event, and about several; neither names the record."""

    one: str
    many: str = ""

    def of(self, count: int) -> str:
        return self.many.format(count=count) if self.many and count > 1 else self.one


def record_name(record: Any, reader: Any) -> str:
    return str(record)


@dataclass(frozen=True)
class NotifiedTable:
    """A table that notifications are about: its icon, its words by kind, and how a reader sees a record named."""

    icon: str
    words: Mapping[NotificationKind, Words]
    name: Callable[[Any, Any], str] = record_name
    select_related: tuple[str, ...] = field(default=())


# By label, such as `leads.lead`.
NOTIFIED_TABLES: dict[str, NotifiedTable] = {}


def register_table(label: str, table: NotifiedTable) -> None:
    NOTIFIED_TABLES[label] = table


def has_words(kind: NotificationKind, label: str) -> bool:
    return label in NOTIFIED_TABLES and kind in NOTIFIED_TABLES[label].words


def require_words(kind: NotificationKind, label: str) -> None:
    """Fail if no app has registered what to say about `kind` of the table `label`."""
    if not has_words(kind, label):
        raise LookupError(f"No app has registered the notification “{kind}” about {label}.")
