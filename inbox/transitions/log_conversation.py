"""Writing down what was said outside the program."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from crm.exceptions import InvalidInput, errors_as_invalid_input
from crm.models import Client, User
from crm.records.activity import Actor, record
from crm.text.addresses import clean_address
from crm.text.cleaning import strip_nul
from crm.text.links import link_host
from inbox.attachments import MAX_ATTACHMENT_BYTES, store_received_file
from inbox.models import Direction, Message, MessageState, Thread, ThreadStatus
from inbox.transitions.linking import require_visible
from inbox.transitions.store_message import add_to_thread
from inbox.transitions.thread_status import change_thread_status
from leads.models import Lead

MAX_LOGGED_SUMMARY_LENGTH, MAX_TRANSCRIPT_LENGTH, MAX_LOGGED_NAME_LENGTH, MAX_URL_LENGTH = 5_000, 200_000, 200, 2_000
MAX_CALL_SECONDS = 24 * 60 * 60
MAX_LOGGED_PARTICIPANTS = 50
WEB_URL_VALIDATOR = URLValidator(schemes=["http", "https"])


@dataclass(frozen=True)
class ConversationDetails:
    """What there is of something said besides notes of it.

    `duration` is in seconds, `participants` are names or addresses, `documents` are name, type and bytes.
    """

    summary: str = ""
    transcript: str = ""
    recording_url: str = ""
    duration: int | None = None
    participants: Sequence[str] = ()
    documents: Sequence[tuple[str, str, bytes]] = ()
    document_url: str = ""

    @property
    def has_content(self) -> bool:
        """Whether it tells what was said, notes or no notes."""
        return bool(self.summary.strip() or self.transcript.strip() or self.documents or self.document_url)


@transaction.atomic
def log_conversation(
    timeline_owner: Lead | Client,
    *,
    source: str,
    direction: str,
    subject: str,
    body: str,
    at: datetime | None = None,
    details: ConversationDetails | None = None,
    resolved: bool = False,
    by: Actor | User,
) -> Thread:
    """Write down a call, meeting, text or the like that happened outside the program, with what was `details` of it.

    `resolved` says that nobody owes an answer to it.

    Raises:
        NotPermitted: `by` may not add conversations.
        InvalidInput: nothing was said, a date in the future, whom `by` may not see, or a field refuses it.
    """
    actor = Actor.of(by)
    actor.require_permission("inbox.add_thread", "log a conversation")
    timeline_owner = require_visible(timeline_owner, actor)
    at, body, subject, details = (
        at or timezone.now(),
        clean_text(body),
        clean_text(subject),
        details or ConversationDetails(),
    )
    if not body and not details.has_content:
        raise InvalidInput("Say what was said, or add a summary, a transcript or a document.")
    if at > timezone.now():
        raise InvalidInput("What happens in the future is a task, not a conversation.")
    link = {"lead": timeline_owner} if isinstance(timeline_owner, Lead) else {"client": timeline_owner}
    participants = [clean_text(one) for one in details.participants if clean_text(one)]
    thread = Thread(source=source, subject=subject, participant_emails=participant_addresses(participants), **link)
    with errors_as_invalid_input():
        thread.full_clean()
        thread.save(force_insert=True)
    add_to_thread(build_logged_message(thread, details, participants, direction=direction, body_text=body, sent_at=at))
    thread.refresh_from_db()
    record(
        thread,
        "logged",
        timeline_owner=timeline_owner,
        by=by,
        at=at,
        summary=f"{thread.get_source_display()}: {thread}",
    )
    if resolved:
        change_thread_status(thread, ThreadStatus.RESOLVED, by=by)
    return thread


def build_logged_message(
    thread: Thread, details: ConversationDetails, participants: list[str], *, direction: str, **fields: Any
) -> Message:
    """What was said in `thread`, not saved yet."""
    state = MessageState.SENT if direction == Direction.OUT else MessageState.RECEIVED
    message = Message(thread=thread, direction=direction, state=state, is_read=True, **fields)
    message.summary = check_length(details.summary, MAX_LOGGED_SUMMARY_LENGTH, "summary")
    message.media, message.attachments = build_media(details, participants), build_attachments(details, message)
    return message


def clean_text(value: str) -> str:
    return strip_nul(value).strip()


def check_length(value: str, max_length: int, label: str) -> str:
    value = clean_text(value)
    if len(value) > max_length:
        raise InvalidInput(f"A {label} has at most {max_length:,} characters; this one has {len(value):,}.")
    return value


def check_web_url(url: str, label: str) -> str:
    """`given` if it is one of the web, which a link may lead to."""
    url = check_length(url, MAX_URL_LENGTH, "web address")
    try:
        if url:
            WEB_URL_VALIDATOR(url)
    except ValidationError:
        raise InvalidInput(f"The address of the {label} must begin with http:// or https://.") from None
    return url


def build_media(details: ConversationDetails, participants: list[str]) -> dict[str, Any]:
    """What the message notes of its recording; what there is not is left out."""
    if details.duration is not None and not 0 <= details.duration <= MAX_CALL_SECONDS:
        raise InvalidInput("It took between nothing and a day.")
    if len(participants) > MAX_LOGGED_PARTICIPANTS or any(len(one) > MAX_LOGGED_NAME_LENGTH for one in participants):
        raise InvalidInput(
            f"Name at most {MAX_LOGGED_PARTICIPANTS} people, each in at most {MAX_LOGGED_NAME_LENGTH} characters."
        )
    values = {
        "recording_url": check_web_url(details.recording_url, "recording"),
        "transcript": check_length(details.transcript, MAX_TRANSCRIPT_LENGTH, "transcript"),
        "duration_seconds": details.duration,
        "participants": participants,
    }
    return {name: value for name, value in values.items() if value not in ("", None, [])}


def build_attachments(details: ConversationDetails, message: Message) -> list[dict[str, Any]]:
    """What the message notes of documents: those that are stored here, and one that lies elsewhere."""
    entries = []
    for name, type_, data in details.documents:
        if len(data) > MAX_ATTACHMENT_BYTES:
            raise InvalidInput(
                f"“{name}” is too large: {len(data):,} bytes, and at most {MAX_ATTACHMENT_BYTES:,} are kept."
            )
        url = reverse("admin:inbox_thread_file", args=[message.pk, len(entries)])
        entries.append(
            store_received_file(
                clean_text(name)[:MAX_LOGGED_NAME_LENGTH] or "document", type_[:MAX_LOGGED_NAME_LENGTH], data, url
            )
        )
    if url := check_web_url(details.document_url, "document"):
        name = clean_text(unquote(urlsplit(url).path)).rsplit("/", 1)[-1]
        entries.append({"name": name[:MAX_LOGGED_NAME_LENGTH] or link_host(url), "url": url})
    return entries


def participant_addresses(participants: list[str]) -> list[str]:
    """Of names and addresses ("Lee <lee@x>", too) the addresses."""
    addresses = []
    for one in participants:
        match = re.search(r"[^\s<>,;]+@[^\s<>,;]+", one)
        if match:
            addresses.append(clean_address(match[0]).lower())
    return list(dict.fromkeys(addresses))
