"""Messages made ready for reading: oldest first, quotes folded, nothing that an outsider sent taken at its word."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Case, F, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber

from crm.screens.paging import Order, Page, fetch_page
from crm.text.addresses import strip_hidden_characters
from crm.text.quotes import BodyPart, split_body
from crm.text.safe_html import SafePage
from inbox.models import Message, Thread

MESSAGES_PER_PAGE = 100
MAX_DISPLAYED_LENGTH = 20_000
MAX_RECENT_MESSAGES = 3
REPLY_PREFIXES = re.compile(r"^(\s*(re|aw|fwd?|wg|sv|antw|tr|rif)\s*:)+", re.IGNORECASE)
NEWEST_MESSAGES_FIRST = Order("Newest first", {"sent": F("sent_at"), "id": F("id")})


@dataclass(frozen=True)
class DisplayedMessage:
    """A message as a screen shows it; `truncated_length` counts the characters that were cut off."""

    message: Message
    parts: list[BodyPart]
    subject: str = ""
    truncated_length: int = 0
    formatted: SafePage | None = None

    @property
    def summary(self) -> str:
        return self.message.summary or text_value(self.message.media, "summary")

    @property
    def transcript(self) -> str:
        return text_value(self.message.media, "transcript")

    @property
    def recording(self) -> str:
        return text_value(self.message.media, "recording_url")

    @property
    def participants(self) -> list[str]:
        names = self.message.media.get("participants")
        return [one for one in names if isinstance(one, str)] if isinstance(names, list) else []

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
            {**file, "place": place, "name": strip_hidden_characters(text_value(file, "name"))}
            for place, file in enumerate(self.message.attachments)
            if isinstance(file, dict)
        ]


@dataclass(frozen=True)
class Meeting:
    """When and where a meeting was booked for."""

    starts_at: datetime
    minutes: int
    location: str


def booked_meeting(thread: Thread) -> Meeting | None:
    """What `thread` was booked as, if it was."""
    metadata = thread.metadata
    try:
        starts_at, minutes = datetime.fromisoformat(metadata["starts_at"]), int(metadata["duration"])
    except (KeyError, TypeError, ValueError):
        return None
    return Meeting(starts_at, minutes, text_value(metadata, "location")) if starts_at.tzinfo else None


def sentiment_reason_for(thread: Thread) -> str:
    """Why `thread` sounds as it does, for the end of a sentence; empty where nobody knows."""
    judged = thread.metadata.get("sentiment")
    if not isinstance(judged, dict) or not thread.sentiment:
        return ""
    return text_value(judged, "reason") if judged.get("judged") == thread.sentiment else "set by hand"


def text_value(media: dict[str, Any], key: str) -> str:
    value = media.get(key)
    return value if isinstance(value, str) else ""


def messages_in_threads(threads: Any) -> QuerySet[Message]:
    """The messages of `threads` without their formatted versions, but with whether there is one (`has_html`)."""
    has_html = Case(When(body_html="", then=Value(False)), default=Value(True), output_field=BooleanField())
    rows = Message.objects.filter(thread__in=threads).select_related("delivery")
    return rows.annotate(has_html=has_html).defer("body_html")


def display_message(
    message: Message, *, thread_subject: str = "", whole: bool = False, html: SafePage | None = None
) -> DisplayedMessage:
    """`message` made ready; its subject is told only where it differs from `thread_subject`, that of the conversation."""
    text = message.body_text if whole else message.body_text[:MAX_DISPLAYED_LENGTH]
    subject = "" if strip_reply_prefixes(message.subject) == strip_reply_prefixes(thread_subject) else message.subject
    return DisplayedMessage(message, split_body(text), subject, len(message.body_text) - len(text), html)


def strip_reply_prefixes(subject: str) -> str:
    """`subject` without the "Re:" and "Fwd:" that mail programs put before it."""
    return REPLY_PREFIXES.sub("", subject).strip().casefold()


def load_message_page(
    thread: Thread, *, size: int = MESSAGES_PER_PAGE, after: str | None = None, before: str | None = None
) -> Page:
    """The newest messages of `thread`, or those before or after a cursor; the rows newest first.

    Raises:
        InvalidInput: the cursor is not one of ours.
    """
    return fetch_page(messages_in_threads([thread.pk]), NEWEST_MESSAGES_FIRST, size=size, after=after, before=before)


def load_recent_messages(threads: Iterable[Thread]) -> dict[Any, list[DisplayedMessage]]:
    """The last few messages of each of `threads`, oldest first, in one query."""
    place = Window(RowNumber(), partition_by="thread", order_by=(F("sent_at").desc(), F("id").desc()))
    rows = (
        messages_in_threads([thread.pk for thread in threads])
        .annotate(place=place)
        .filter(place__lte=MAX_RECENT_MESSAGES)
    )
    messages_by_thread: dict[Any, list[DisplayedMessage]] = {}
    for message in rows.order_by("sent_at", "id"):
        messages_by_thread.setdefault(message.thread_id, []).append(display_message(message))
    return messages_by_thread
