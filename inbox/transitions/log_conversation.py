"""Log a conversation that took place outside the program."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from crm.exceptions import InvalidInput, errors_as_invalid_input
from crm.models import Client, User
from crm.records.activity import Actor, record
from crm.text.addresses import clean_address
from crm.text.cleaning import strip_nul
from crm.text.links import link_host, validate_web_url
from inbox.attachments import MAX_ATTACHMENT_BYTES, store_received_file
from inbox.incoming.mime.parts import EmailFile
from inbox.models import Direction, Message, MessageState, Thread, ThreadStatus
from inbox.transitions.linking import require_visible
from inbox.transitions.store_message import add_to_thread
from inbox.transitions.thread_status import change_thread_status
from leads.models import Lead

MAX_LOGGED_SUMMARY_LENGTH, MAX_TRANSCRIPT_LENGTH, MAX_LOGGED_NAME_LENGTH, MAX_URL_LENGTH = 5_000, 200_000, 200, 2_000
MAX_CALL_SECONDS = 24 * 60 * 60
MAX_LOGGED_PARTICIPANTS = 50


@dataclass(frozen=True)
class ConversationDetails:
    """What is known of a logged conversation besides notes.

    `duration` is in seconds, `participants` are names or addresses, `documents` are (name, content type, bytes).
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
        """Whether there is a summary, transcript or document, so that notes are optional."""
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
    """Log a call, meeting, text message or the like with a lead or client, and return its thread.

    `resolved` marks the thread as resolved: no reply is needed.

    Raises:
        NotPermitted: `by` may not add conversations.
        InvalidInput: there is no content, `at` is in the future, `by` may not see the lead or client, or a field is
            not valid.
    """
    actor = Actor.of(by)
    actor.require_permission("inbox.add_thread", "log a conversation")
    timeline_owner = require_visible(timeline_owner, actor)
    at, body, details = at or timezone.now(), clean_text(body), details or ConversationDetails()
    check_content(body, details, at)
    participants = [clean_text(one) for one in details.participants if clean_text(one)]
    thread = create_logged_thread(timeline_owner, source, clean_text(subject), participants)
    add_to_thread(build_logged_message(thread, details, participants, direction=direction, body_text=body, sent_at=at))
    thread.refresh_from_db()
    summary = f"{thread.get_source_display()}: {thread}"
    record(thread, "logged", timeline_owner=timeline_owner, by=by, at=at, summary=summary)
    if resolved:
        change_thread_status(thread, ThreadStatus.RESOLVED, by=by)
    return thread


def check_content(body: str, details: ConversationDetails, at: datetime) -> None:
    """Refuse a conversation without content or in the future."""
    if not body and not details.has_content:
        raise InvalidInput("Enter notes, or add a summary, a transcript or a document.")
    if at > timezone.now():
        raise InvalidInput("The conversation is in the future. Create a task instead.")


def create_logged_thread(timeline_owner: Lead | Client, source: str, subject: str, participants: list[str]) -> Thread:
    """Create an empty thread that is linked to `timeline_owner`."""
    link = {"lead": timeline_owner} if isinstance(timeline_owner, Lead) else {"client": timeline_owner}
    thread = Thread(source=source, subject=subject, participant_emails=participant_addresses(participants), **link)
    with errors_as_invalid_input():
        thread.full_clean()
        thread.save(force_insert=True)
    return thread


def build_logged_message(
    thread: Thread, details: ConversationDetails, participants: list[str], *, direction: str, **fields: Any
) -> Message:
    """Return the unsaved message of a logged conversation."""
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
        raise InvalidInput(f"The {label} has {len(value):,} characters; the limit is {max_length:,}.")
    return value


def check_web_url(url: str, label: str) -> str:
    """Return `url` if it is empty or a web address, which is safe to link to."""
    url = check_length(url, MAX_URL_LENGTH, "web address")
    try:
        if url:
            validate_web_url(url)
    except ValidationError:
        raise InvalidInput(f"The address of the {label} must begin with http:// or https://.") from None
    return url


def build_media(details: ConversationDetails, participants: list[str]) -> dict[str, Any]:
    """Return the `media` of the message, without empty values."""
    if details.duration is not None and not 0 <= details.duration <= MAX_CALL_SECONDS:
        raise InvalidInput("Enter a duration between 0 minutes and 24 hours.")
    if len(participants) > MAX_LOGGED_PARTICIPANTS or any(len(one) > MAX_LOGGED_NAME_LENGTH for one in participants):
        raise InvalidInput(
            f"Enter at most {MAX_LOGGED_PARTICIPANTS} participants of at most {MAX_LOGGED_NAME_LENGTH} characters each."
        )
    values = {
        "recording_url": check_web_url(details.recording_url, "recording"),
        "transcript": check_length(details.transcript, MAX_TRANSCRIPT_LENGTH, "transcript"),
        "duration_seconds": details.duration,
        "participants": participants,
    }
    return {name: value for name, value in values.items() if value not in ("", None, [])}


def build_attachments(details: ConversationDetails, message: Message) -> list[dict[str, Any]]:
    """Return the attachment entries of the message: the stored documents, and the link to one stored elsewhere."""
    entries = []
    for name, type_, data in details.documents:
        if len(data) > MAX_ATTACHMENT_BYTES:
            raise InvalidInput(
                f"“{name}” is too large: it has {len(data):,} bytes; the limit is {MAX_ATTACHMENT_BYTES:,} bytes."
            )
        url = reverse("admin:inbox_thread_file", args=[message.pk, len(entries)])
        entries.append(
            store_received_file(
                EmailFile(
                    clean_text(name)[:MAX_LOGGED_NAME_LENGTH] or "document", type_[:MAX_LOGGED_NAME_LENGTH], data
                ),
                url,
            )
        )
    if url := check_web_url(details.document_url, "document"):
        name = clean_text(unquote(urlsplit(url).path)).rsplit("/", 1)[-1]
        entries.append({"name": name[:MAX_LOGGED_NAME_LENGTH] or link_host(url), "url": url})
    return entries


def participant_addresses(participants: list[str]) -> list[str]:
    """Return the addresses among names and addresses, also those in "Lee <lee@x>"."""
    addresses = []
    for one in participants:
        match = re.search(r"[^\s<>,;]+@[^\s<>,;]+", one)
        if match:
            addresses.append(clean_address(match[0]).lower())
    return list(dict.fromkeys(addresses))
