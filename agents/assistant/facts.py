"""What is known about a lead, piece by piece, each with where it stands. Plain values, no rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.text import Truncator

from agents.assistant.questions import Topic
from crm.templatetags.crm import words

LONGEST_TEXT, LONGEST_QUOTE = 300, 400
MOST_FIELDS, DEEPEST = 60, 4
ENTRIES = ("entry", "entries")
# The page on which each kind of source stands.
PAGES = {
    "lead": "leads_lead_change",
    "client": "crm_client_change",
    "contact": "crm_contact_change",
    "message": "inbox_thread_message",
    "thread": "inbox_thread_change",
    "task": "leads_task_change",
    "ticket": "support_supportticket_change",
    "suggestion": "suggestions_suggestion_change",
    "interaction": "ai_log_aiinteraction_change",
}


@dataclass(frozen=True)
class Source:
    """Where a fact stands: a record by its kind and key, a place on its page, and how the link is called."""

    kind: str
    key: str
    label: str
    place: str = ""

    @property
    def url(self) -> str:
        try:
            page = reverse(f"admin:{PAGES[self.kind]}", args=[self.key])
        except (NoReverseMatch, KeyError):
            return ""
        return f"{page}#{self.place}" if self.place else page


@dataclass(frozen=True)
class Fact:
    """One thing that is known: a sentence of ours, and the words of others that it rests on.

    `ours` says that the sentence holds nothing but our own words and numbers; everything else may come from outside.
    """

    topic: Topic
    text: str
    source: Source
    quote: str = ""
    at: datetime | None = None
    ours: bool = False
    # Of a field: the words by which it can be asked for.
    called: frozenset[str] = frozenset()

    def kept(self) -> dict[str, Any]:
        """As it is kept in the log."""
        where = [self.source.kind, self.source.key, self.source.label, self.source.place]
        found = {"topic": self.topic.value, "text": short(self.text, LONGEST_TEXT), "source": where}
        return {**found, "quote": short(self.quote, LONGEST_QUOTE)} if self.quote else found

    @classmethod
    def of(cls, kept: Any) -> "Fact | None":
        """What `kept` has written; None where it is nothing of ours."""
        try:
            kind, key, label, place = map(str, kept["source"])
            return cls(
                Topic(kept["topic"]), str(kept["text"]), Source(kind, key, label, place), str(kept.get("quote", ""))
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


@dataclass(frozen=True)
class Known:
    """All that could be gathered; `none` says of topics what there is to say where no fact is known."""

    facts: tuple[Fact, ...] = ()
    none: Mapping[Topic, str] = field(default_factory=dict)

    def of(self, topic: Topic) -> list[Fact]:
        return [fact for fact in self.facts if fact.topic == topic]


def short(text: str, length: int) -> str:
    return Truncator(text).chars(length)


def day(at: datetime | None) -> str:
    """`3 Nov 2026`, in the office's time zone."""
    if at is None:
        return "never"
    local = timezone.localtime(at)
    return f"{local.day} {local:%b %Y}"


def fields_in(title: str, value: Any, depth: int = 0) -> Iterator[tuple[str, str, str]]:
    """Label, value and names of everything in a JSON `value` that is called `title`.

    A list says how many it holds; an entry of plain values is told in one line, and is called by all their names.
    """
    if depth > DEEPEST or value in (None, "", [], {}):
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "schema_version":
                yield from fields_in(f"{title}, {words(key).lower()}", inner, depth + 1)
    elif isinstance(value, list):
        yield title, f"{len(value)} {ENTRIES[len(value) > 1]}", title
        for place, inner in enumerate(value, start=1):
            if isinstance(inner, dict) and not any(isinstance(one, dict | list) for one in inner.values()):
                parts = [f"{words(key).lower()} {plain(one)}" for key, one in inner.items() if one not in (None, "")]
                names = " ".join((title, *map(words, inner)))
                yield f"{title} {place}", short(", ".join(parts), LONGEST_TEXT), names
            else:
                yield from fields_in(f"{title} {place}", inner, depth + 1)
    else:
        yield title, plain(value), title


def plain(value: Any) -> str:
    shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    return short(" ".join(shown.split()), LONGEST_TEXT)
