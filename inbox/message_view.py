"""Prepares messages for the screen: oldest first, quotes folded, untrusted content checked."""

import re
from base64 import b64encode
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db.models import BooleanField, Case, F, QuerySet, Value, When, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from crm.exceptions import IllegalTransition
from crm.screens.paging import Order, Page, fetch_page
from crm.screens.record_forms import LaterForm
from crm.text.email_bodies.quotes import BodyPart, PartKind, split_body
from crm.text.hidden_characters import strip_hidden_characters
from crm.text.html.markup import markup_to_html
from crm.text.html.safe_html import SafePage, make_safe_page
from inbox.attachments import read_attachment
from inbox.incoming.copies import DATE_UNKNOWN
from inbox.models import FORM_ANSWERS_KEY, Message, MessageState, Thread

MESSAGES_PER_PAGE = 100
# The images that are shown in place, and how many bytes of them a message may have.
IN_PLACE_TYPES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
MAX_IN_PLACE_BYTES = 4_000_000
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
        return text_list(self.message.media, "participants")

    @property
    def minutes(self) -> str:
        """The duration of a call, such as `6:42`."""
        seconds = self.message.media.get("duration_seconds")
        if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
            return ""
        return f"{seconds // 60}:{seconds % 60:02}"

    @property
    def attachments(self) -> list[dict[str, Any]]:
        """The attachments, without hidden characters in their names; each with its `place` in the stored list."""
        return [
            {**file, "place": place, "name": strip_hidden_characters(text_value(file, "name"))}
            for place, file in enumerate(self.message.attachments)
            if isinstance(file, dict)
        ]

    @property
    def notes(self) -> list[str]:
        """What could not be read of the email."""
        return text_list(self.message.media, "notes")

    @property
    def nameless(self) -> list[str]:
        """The recipients without an address, as the email names them."""
        return [strip_hidden_characters(one) for one in text_list(self.message.media, "nameless")]

    @property
    def form_answers(self) -> list[dict[str, str]]:
        """What was sent with a web form beside the message: label, value and note."""
        answers = self.message.media.get(FORM_ANSWERS_KEY)
        found = [one for one in answers if isinstance(one, dict)] if isinstance(answers, list) else []
        return [{name: text_value(one, name) for name in ("label", "value", "note")} for one in found]

    @property
    def is_composed(self) -> bool:
        """Whether a person wrote it in the composer, where text may have mark-up."""
        delivery = getattr(self.message, "delivery", None)
        return delivery is not None and delivery.is_from_composer

    @property
    def shown_parts(self) -> list[tuple[BodyPart, str]]:
        """The parts of the text, each with its HTML where its mark-up is shown."""
        is_formatted = self.is_composed
        return [
            (
                part,
                markup_to_html(part.trimmed, opens_new_tab=True)
                if is_formatted and part.kind == PartKind.WRITTEN
                else "",
            )
            for part in self.parts
        ]

    @property
    def is_scheduled(self) -> bool:
        """Whether it waits for the time that its sender chose, and was not tried yet."""
        delivery = getattr(self.message, "delivery", None)
        if self.message.state != MessageState.QUEUED or delivery is None:
            return False
        return delivery.scheduled_for is not None and not delivery.retry_count

    @property
    def later(self) -> LaterForm:
        """The form that changes the time at which the email leaves."""
        return LaterForm(auto_id=f"later_{self.message.pk}_%s")

    @property
    def is_undated(self) -> bool:
        """Whether the email gives no date; `sent_at` then only says where the message stands."""
        return DATE_UNKNOWN in self.message.media

    @property
    def invitations(self) -> list[dict[str, Any]]:
        """The invitations of the email, each with its times as dates or moments."""
        found = [file["invitation"] for file in self.attachments if isinstance(file.get("invitation"), dict)]
        return [
            {**one, "starts": parse_moment(one.get("starts")), "ends": parse_moment(one.get("ends"))} for one in found
        ]


@dataclass(frozen=True)
class Meeting:
    """Time and place of a booked meeting."""

    starts_at: datetime
    minutes: int
    location: str


def booked_meeting(thread: Thread) -> Meeting | None:
    """Return the meeting that `thread` was booked as; None where it was not."""
    metadata = thread.metadata
    try:
        starts_at, minutes = datetime.fromisoformat(metadata["starts_at"]), int(metadata["duration"])
    except (KeyError, TypeError, ValueError):
        return None
    return Meeting(starts_at, minutes, text_value(metadata, "location")) if starts_at.tzinfo else None


def sentiment_reason_for(thread: Thread) -> str:
    """Return the reason for the sentiment of `thread`, as the end of a sentence; empty where it is unknown."""
    judged = thread.metadata.get("sentiment")
    if not isinstance(judged, dict) or not thread.sentiment:
        return ""
    return text_value(judged, "reason") if judged.get("judged") == thread.sentiment else "set by hand"


def text_value(media: dict[str, Any], key: str) -> str:
    """Return the text under `key`; empty where there is none."""
    value = media.get(key)
    return value if isinstance(value, str) else ""


def text_list(media: dict[str, Any], key: str) -> list[str]:
    """Return the texts in the list under `key`; none where there is no list."""
    values = media.get(key)
    return [one for one in values if isinstance(one, str)] if isinstance(values, list) else []


def parse_moment(text: Any) -> datetime | date | None:
    """Return a date or a moment in ISO 8601, in the time zone of the reader; None where there is none.

    A moment without a zone is meant as it is written.
    """
    try:
        if len(text) == len("2026-12-03"):
            return date.fromisoformat(text)
        found = datetime.fromisoformat(text)
        return timezone.localtime(found) if found.tzinfo else timezone.make_aware(found)
    except (TypeError, ValueError, OverflowError):
        return None


def load_own_images(message: Message) -> dict[str, str]:
    """Return the images that the formatted version of `message` shows in place, as data URLs by Content-ID.

    Only files of this message are read, and only a bounded amount; larger images remain as attachments.
    """
    found: dict[str, str] = {}
    size = 0
    for file in message.attachments:
        content_id = file.get("content_id") if isinstance(file, dict) else None
        if not isinstance(content_id, str) or file.get("type") not in IN_PLACE_TYPES or content_id in found:
            continue
        size += file.get("size") or 0
        if size > MAX_IN_PLACE_BYTES:
            break
        with suppress(IllegalTransition):
            found[content_id] = f"data:{file['type']};base64,{b64encode(read_attachment(file)).decode()}"
    return found


def format_message(message: Message, *, load_images: bool) -> SafePage:
    """Return the formatted version of `message` as a page for a frame.

    Raises:
        InvalidInput: it is too long or too complex to show safely.
    """
    return make_safe_page(message.body_html, load_images=load_images, own_images=load_own_images(message))


def messages_in_threads(threads: Any) -> QuerySet[Message]:
    """Return the messages of `threads` without their formatted versions; `has_html` says whether there is one."""
    has_html = Case(When(body_html="", then=Value(False)), default=Value(True), output_field=BooleanField())
    rows = Message.objects.filter(thread__in=threads).select_related("delivery")
    return rows.annotate(has_html=has_html).defer("body_html")


def display_message(
    message: Message, *, thread_subject: str = "", whole: bool = False, html: SafePage | None = None
) -> DisplayedMessage:
    """Return `message` for the screen, with its subject only where that differs from `thread_subject`."""
    text = message.body_text if whole else message.body_text[:MAX_DISPLAYED_LENGTH]
    subject = "" if strip_reply_prefixes(message.subject) == strip_reply_prefixes(thread_subject) else message.subject
    return DisplayedMessage(message, split_body(text), subject, len(message.body_text) - len(text), html)


def strip_reply_prefixes(subject: str) -> str:
    """Return `subject` without the "Re:" and "Fwd:" that email programs put before it."""
    return REPLY_PREFIXES.sub("", subject).strip().casefold()


def load_message_page(
    thread: Thread, *, size: int = MESSAGES_PER_PAGE, after: str | None = None, before: str | None = None
) -> Page:
    """Return the newest messages of `thread`, or those before or after a cursor; newest first.

    Raises:
        InvalidInput: the cursor is malformed.
    """
    return fetch_page(messages_in_threads([thread.pk]), NEWEST_MESSAGES_FIRST, size=size, after=after, before=before)


def load_recent_messages(threads: Iterable[Thread]) -> dict[Any, list[DisplayedMessage]]:
    """Return the last few messages of each of `threads`, oldest first, in one query."""
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
