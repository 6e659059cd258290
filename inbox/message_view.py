"""Messages made ready for reading: oldest first, quotes folded, nothing that an outsider sent taken at its word."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Case, F, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber

from crm.screens.paging import Order, Page, page
from crm.text.addresses import visible
from crm.text.quotes import Part, parts
from crm.text.safe_html import Formatted
from inbox.models import Message, Thread

SHOWN = 100
LONGEST = 20_000
LAST_WORDS = 3
ANSWER = re.compile(r"^(\s*(re|aw|fwd?|wg|sv|antw|tr|rif)\s*:)+", re.IGNORECASE)
NEWEST = Order("Newest first", {"sent": F("sent_at"), "id": F("id")})


@dataclass(frozen=True)
class Said:
    """A message as a screen shows it; `left_out` counts the characters that were cut off."""

    message: Message
    parts: list[Part]
    subject: str = ""
    left_out: int = 0
    formatted: Formatted | None = None

    @property
    def summary(self) -> str:
        return self.message.summary or text_of(self.message.media, "summary")

    @property
    def transcript(self) -> str:
        return text_of(self.message.media, "transcript")

    @property
    def recording(self) -> str:
        return text_of(self.message.media, "recording_url")

    @property
    def participants(self) -> list[str]:
        named = self.message.media.get("participants")
        return [one for one in named if isinstance(one, str)] if isinstance(named, list) else []

    @property
    def minutes(self) -> str:
        """How long a call took, as `6:42`."""
        seconds = self.message.media.get("duration_seconds")
        if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
            return ""
        return f"{seconds // 60}:{seconds % 60:02}"

    @property
    def attachments(self) -> list[dict[str, Any]]:
        """What came along, called so that nothing hides in a name; each with its `place` among all."""
        return [
            {**file, "place": place, "name": visible(text_of(file, "name"))}
            for place, file in enumerate(self.message.attachments)
            if isinstance(file, dict)
        ]


@dataclass(frozen=True)
class Meeting:
    """When and where a meeting was booked for."""

    starts_at: datetime
    minutes: int
    location: str


def meeting_of(thread: Thread) -> Meeting | None:
    """What `thread` was booked as, if it was."""
    booked = thread.metadata
    try:
        starts_at, minutes = datetime.fromisoformat(booked["starts_at"]), int(booked["duration"])
    except (KeyError, TypeError, ValueError):
        return None
    return Meeting(starts_at, minutes, text_of(booked, "location")) if starts_at.tzinfo else None


def feeling_of(thread: Thread) -> str:
    """Why `thread` sounds as it does, for the end of a sentence; empty where nobody knows."""
    judged = thread.metadata.get("sentiment")
    if not isinstance(judged, dict) or not thread.sentiment:
        return ""
    return text_of(judged, "reason") if judged.get("judged") == thread.sentiment else "set by hand"


def text_of(media: dict[str, Any], key: str) -> str:
    value = media.get(key)
    return value if isinstance(value, str) else ""


def messages_of(threads: Any) -> QuerySet[Message]:
    """The messages of `threads` without their formatted versions, but with whether there is one (`has_html`)."""
    has_html = Case(When(body_html="", then=Value(False)), default=Value(True), output_field=BooleanField())
    rows = Message.objects.filter(thread__in=threads).select_related("dispatch")
    return rows.annotate(has_html=has_html).defer("body_html")


def read(message: Message, *, under: str = "", whole: bool = False, html: Formatted | None = None) -> Said:
    """`message` made ready; its subject is told only where it differs from `under`, that of the conversation."""
    text = message.body_text if whole else message.body_text[:LONGEST]
    subject = "" if bare(message.subject) == bare(under) else message.subject
    return Said(message, parts(text), subject, len(message.body_text) - len(text), html)


def bare(subject: str) -> str:
    """`subject` without the "Re:" and "Fwd:" that mail programs put before it."""
    return ANSWER.sub("", subject).strip().casefold()


def pages_of(thread: Thread, *, size: int = SHOWN, after: str | None = None, before: str | None = None) -> Page:
    """The newest messages of `thread`, or those before or after a cursor; the rows newest first.

    Raises:
        BadInput: the cursor is not one of ours.
    """
    return page(messages_of([thread.pk]), NEWEST, size=size, after=after, before=before)


def last_words(threads: Iterable[Thread]) -> dict[Any, list[Said]]:
    """The last few messages of each of `threads`, oldest first, in one query."""
    place = Window(RowNumber(), partition_by="thread", order_by=(F("sent_at").desc(), F("id").desc()))
    rows = messages_of([thread.pk for thread in threads]).annotate(place=place).filter(place__lte=LAST_WORDS)
    said: dict[Any, list[Said]] = {}
    for message in rows.order_by("sent_at", "id"):
        said.setdefault(message.thread_id, []).append(read(message))
    return said
