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

from crm.exceptions import BadInput, refusing
from crm.models import Client, User
from crm.records.activity import Actor, record
from crm.text.addresses import address
from crm.text.cleaning import without_nul
from inbox.attachments import LARGEST, received
from inbox.models import Direction, Message, MessageState, Thread, ThreadStatus
from inbox.transitions.linking import reachable
from inbox.transitions.store_message import take_in
from inbox.transitions.thread_status import move
from leads.models import Lead

LONGEST_SUMMARY, LONGEST_TEXT, LONGEST_NAME, LONGEST_URL = 5_000, 200_000, 200, 2_000
LONGEST_CALL = 24 * 60 * 60
MOST_PARTICIPANTS = 50
WEB = URLValidator(schemes=["http", "https"])


@dataclass(frozen=True)
class Kept:
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
    def is_telling(self) -> bool:
        """Whether it tells what was said, notes or no notes."""
        return bool(self.summary.strip() or self.transcript.strip() or self.documents or self.document_url)


@transaction.atomic
def log_conversation(
    about: Lead | Client,
    *,
    source: str,
    direction: str,
    subject: str,
    body: str,
    at: datetime | None = None,
    kept: Kept | None = None,
    resolved: bool = False,
    by: Actor | User,
) -> Thread:
    """Write down a call, meeting, text or the like that happened outside the program, with what was `kept` of it.

    `resolved` says that nobody owes an answer to it.

    Raises:
        NotAllowed: `by` may not add conversations.
        BadInput: nothing was said, a date in the future, whom `by` may not see, or a field refuses it.
    """
    actor = Actor.of(by)
    actor.require("inbox.add_thread", "log a conversation")
    about = reachable(about, actor)
    at, body, subject, kept = at or timezone.now(), text(body), text(subject), kept or Kept()
    if not body and not kept.is_telling:
        raise BadInput("Say what was said, or add a summary, a transcript or a document.")
    if at > timezone.now():
        raise BadInput("What happens in the future is a task, not a conversation.")
    whose = {"lead": about} if isinstance(about, Lead) else {"client": about}
    people = [text(one) for one in kept.participants if text(one)]
    thread = Thread(source=source, subject=subject, participant_emails=addresses_among(people), **whose)
    with refusing():
        thread.full_clean()
        thread.save(force_insert=True)
    take_in(message_of(thread, kept, people, direction=direction, body_text=body, sent_at=at))
    thread.refresh_from_db()
    record(thread, "logged", about=about, by=by, at=at, summary=f"{thread.get_source_display()}: {thread}")
    if resolved:
        move(thread, ThreadStatus.RESOLVED, by=by)
    return thread


def message_of(thread: Thread, kept: Kept, people: list[str], *, direction: str, **said: Any) -> Message:
    """What was said in `thread`, not saved yet."""
    state = MessageState.SENT if direction == Direction.OUT else MessageState.RECEIVED
    message = Message(thread=thread, direction=direction, state=state, is_read=True, **said)
    message.summary = bounded(kept.summary, LONGEST_SUMMARY, "summary")
    message.media, message.attachments = media(kept, people), attachments(kept, message)
    return message


def text(given: str) -> str:
    return without_nul(given).strip()


def bounded(given: str, longest: int, what: str) -> str:
    given = text(given)
    if len(given) > longest:
        raise BadInput(f"A {what} has at most {longest:,} characters; this one has {len(given):,}.")
    return given


def web_address(given: str, what: str) -> str:
    """`given` if it is one of the web, which a link may lead to."""
    given = bounded(given, LONGEST_URL, "web address")
    try:
        if given:
            WEB(given)
    except ValidationError:
        raise BadInput(f"The address of the {what} must begin with http:// or https://.") from None
    return given


def media(kept: Kept, people: list[str]) -> dict[str, Any]:
    """What the message notes of its recording; what there is not is left out."""
    if kept.duration is not None and not 0 <= kept.duration <= LONGEST_CALL:
        raise BadInput("It took between nothing and a day.")
    if len(people) > MOST_PARTICIPANTS or any(len(one) > LONGEST_NAME for one in people):
        raise BadInput(f"Name at most {MOST_PARTICIPANTS} people, each in at most {LONGEST_NAME} characters.")
    noted = {
        "recording_url": web_address(kept.recording_url, "recording"),
        "transcript": bounded(kept.transcript, LONGEST_TEXT, "transcript"),
        "duration_seconds": kept.duration,
        "participants": people,
    }
    return {name: value for name, value in noted.items() if value not in ("", None, [])}


def attachments(kept: Kept, message: Message) -> list[dict[str, Any]]:
    """What the message notes of documents: those that are stored here, and one that lies elsewhere."""
    noted = []
    for name, type_, data in kept.documents:
        if len(data) > LARGEST:
            raise BadInput(f"“{name}” is too large: {len(data):,} bytes, and at most {LARGEST:,} are kept.")
        url = reverse("admin:inbox_thread_file", args=[message.pk, len(noted)])
        noted.append(received(text(name)[:LONGEST_NAME] or "document", type_[:LONGEST_NAME], data, url))
    if url := web_address(kept.document_url, "document"):
        name = text(unquote(urlsplit(url).path)).rsplit("/", 1)[-1]
        noted.append({"name": name[:LONGEST_NAME] or urlsplit(url).hostname, "url": url})
    return noted


def addresses_among(people: list[str]) -> list[str]:
    """Of names and addresses ("Lee <lee@x>", too) the addresses."""
    found = []
    for one in people:
        given = re.search(r"[^\s<>,;]+@[^\s<>,;]+", one)
        if given:
            found.append(address(given[0]).lower())
    return list(dict.fromkeys(found))
