"""Writing down what was said outside the program."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from crm.activity import Actor, record
from crm.models import Client, User
from crm.refusals import BadInput, refusing
from inbox.models import Direction, Message, MessageState, Thread, ThreadStatus
from inbox.transitions.linking import reachable
from inbox.transitions.moving import move
from inbox.transitions.taking_in import take_in
from leads.models import Lead


@transaction.atomic
def log_conversation(
    about: Lead | Client,
    *,
    source: str,
    direction: str,
    subject: str,
    body: str,
    at: datetime | None = None,
    resolved: bool = False,
    by: Actor | User,
) -> Thread:
    """Write down a call, meeting, text or the like that happened outside the program.

    `resolved` says that nobody owes an answer to it.

    Raises:
        NotAllowed: `by` may not add conversations.
        BadInput: nothing was said, a date in the future, whom `by` may not see, or a field refuses it.
    """
    actor = Actor.of(by)
    actor.require("inbox.add_thread", "log a conversation")
    about = reachable(about, actor)
    at, body, subject = at or timezone.now(), body.replace("\x00", "").strip(), subject.replace("\x00", "").strip()
    if not body:
        raise BadInput("Say what was said.")
    if at > timezone.now():
        raise BadInput("What happens in the future is a task, not a conversation.")
    whose = {"lead": about} if isinstance(about, Lead) else {"client": about}
    thread = Thread(source=source, subject=subject, **whose)
    with refusing():
        thread.full_clean()
        thread.save(force_insert=True)
    state = MessageState.SENT if direction == Direction.OUT else MessageState.RECEIVED
    take_in(Message(thread=thread, direction=direction, state=state, body_text=body, sent_at=at, is_read=True))
    thread.refresh_from_db()
    record(thread, "logged", about=about, by=by, at=at, summary=f"{thread.get_source_display()}: {thread}")
    if resolved:
        move(thread, ThreadStatus.RESOLVED, by=by)
    return thread
