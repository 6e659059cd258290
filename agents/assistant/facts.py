"""Facts about a lead, each with its source. Plain values, no rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse

from agents.assistant.questions import Topic
from crm.records.local_time import agency_style, agency_time
from crm.templatetags.crm import humanize_key
from crm.text.cleaning import shorten

MAX_FACT_TEXT_LENGTH, MAX_FACT_QUOTE_LENGTH = 300, 400
MAX_FIELD_FACTS, MAX_FIELD_DEPTH = 60, 4
ENTRY_NOUNS = ("entry", "entries")
# The page of each kind of source.
SOURCE_PAGES = {
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
class FactSource:
    """The source of a fact: a record by kind and key, the anchor on its page, and the label of the link."""

    kind: str
    key: str
    label: str
    anchor: str = ""

    @property
    def url(self) -> str:
        try:
            page = reverse(f"admin:{SOURCE_PAGES[self.kind]}", args=[self.key])
        except (NoReverseMatch, KeyError):
            return ""
        return f"{page}#{self.anchor}" if self.anchor else page


@dataclass(frozen=True)
class Fact:
    """One fact: a sentence of ours, and the quoted words that it is based on.

    `is_internal` says that the sentence contains only our own words and numbers; any other fact is untrusted content.
    """

    topic: Topic
    text: str
    source: FactSource
    quote: str = ""
    at: datetime | None = None
    is_internal: bool = False
    # For a field: the words that ask for it.
    keywords: frozenset[str] = frozenset()

    def to_log(self) -> dict[str, Any]:
        """Return the fact as the log stores it."""
        where = [self.source.kind, self.source.key, self.source.label, self.source.anchor]
        found = {"topic": self.topic.value, "text": shorten(self.text, MAX_FACT_TEXT_LENGTH), "source": where}
        return {**found, "quote": shorten(self.quote, MAX_FACT_QUOTE_LENGTH)} if self.quote else found

    @classmethod
    def from_log(cls, logged: Any) -> "Fact | None":
        """Return a fact that `to_log` stored; None where `logged` is malformed."""
        try:
            kind, key, label, place = map(str, logged["source"])
            return cls(
                Topic(logged["topic"]),
                str(logged["text"]),
                FactSource(kind, key, label, place),
                str(logged.get("quote", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return None


@dataclass(frozen=True)
class LeadFacts:
    """The facts about a lead; `missing_notes` says what to answer about a topic without facts."""

    facts: tuple[Fact, ...] = ()
    missing_notes: Mapping[Topic, str] = field(default_factory=dict)

    def about_topic(self, topic: Topic) -> list[Fact]:
        return [fact for fact in self.facts if fact.topic == topic]


def format_date(at: datetime | None) -> str:
    """Return a date such as `3 Nov 2026`, in the agency's time zone and format."""
    if at is None:
        return "never"
    return agency_style().day(agency_time(at))


def flatten_fields(title: str, value: Any, depth: int = 0) -> Iterator[tuple[str, str, str]]:
    """Yield label, value and names of every field in a JSON `value` with the label `title`.

    A list yields its length. An entry of plain values is one field, with the names of all of them.
    """
    if depth > MAX_FIELD_DEPTH or value in (None, "", [], {}):
        return
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "schema_version":
                yield from flatten_fields(f"{title}, {humanize_key(key).lower()}", inner, depth + 1)
    elif isinstance(value, list):
        yield title, f"{len(value)} {ENTRY_NOUNS[len(value) > 1]}", title
        for place, inner in enumerate(value, start=1):
            if isinstance(inner, dict) and not any(isinstance(one, dict | list) for one in inner.values()):
                parts = [
                    f"{humanize_key(key).lower()} {format_plain_value(one)}"
                    for key, one in inner.items()
                    if one not in (None, "")
                ]
                names = " ".join((title, *map(humanize_key, inner)))
                yield f"{title} {place}", shorten(", ".join(parts), MAX_FACT_TEXT_LENGTH), names
            else:
                yield from flatten_fields(f"{title} {place}", inner, depth + 1)
    else:
        yield title, format_plain_value(value), title


def format_plain_value(value: Any) -> str:
    """Return a plain JSON value as text: yes or no for a boolean."""
    shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
    return shorten(" ".join(shown.split()), MAX_FACT_TEXT_LENGTH)
