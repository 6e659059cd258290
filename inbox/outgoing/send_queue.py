"""Seeing to it that the mails that people write go out: ordered, handed over at most once, tried again, settled.

Only what has a `Dispatch` is seen to here; every other mail belongs to the suggestion that was approved, and is
left to it. The switches that stop suggestions do not stop what a person has sent.
"""

import logging
from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.exceptions import AlreadyEnqueued

from crm.exceptions import IllegalMove, Refused
from crm.models import ActorType, User
from crm.records.activity import SYSTEM, Actor, record
from crm.runtime.delivery import Delivery, Outcome, insisting
from inbox.models import MOST_PUT_OFF, Direction, Dispatch, Mailbox, Message, MessageState, Thread
from inbox.outgoing import outbox
from inbox.thread_state import subject_of
from inbox.transitions import lock

logger = logging.getLogger(__name__)

JOB = "inbox.dispatch"
# In which whoever has sent it can think again.
WAIT = timedelta(seconds=10)
# Waits before what was put off by the other side is tried again; after the last it has failed.
BACKOFF = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240)[:MOST_PUT_OFF])
# What is due for so long without having begun has lost its job; what was begun so long ago has lost its worker.
LOST_AFTER, CUT_OFF_AFTER = timedelta(minutes=2), timedelta(minutes=15)
MOST_AT_ONCE = 1_000
# Who sent it and has no account any more: such a one may do nothing.
GONE = Actor(ActorType.USER, name="Somebody who has left")


def order(message: Message, *, by: User) -> Dispatch:
    """Have `message` handed over once it can no longer be taken back, inside the caller's transaction."""
    dispatch, _ = Dispatch.objects.update_or_create(
        message=message,
        defaults={
            "ordered_by": by,
            "run_after": timezone.now() + WAIT,
            "put_off": 0,
            "claimed_at": None,
            "finished_at": None,
        },
    )
    defer(dispatch)
    return dispatch


def defer(dispatch: Dispatch) -> None:
    """Queue the job that hands it over, as part of the transaction; one that waits already is enough."""
    name = f"mail {dispatch.pk}"
    task = app.configure_task(JOB, lock=name, queueing_lock=name, schedule_at=dispatch.run_after)
    try:
        with transaction.atomic():
            task.defer(message=str(dispatch.pk))
    except AlreadyEnqueued:
        logger.debug("Such a job waits already: %s.", name)


# What the job does


def carry_out(pk: UUID) -> None:
    """Hand the mail `pk` over, if it is due; what came of it is written down.

    May be called twice, at once, and again after a crash: the mail goes out at most once.
    """
    dispatch = Dispatch.objects.select_related("message").filter(pk=pk, finished_at=None).first()
    if dispatch is None:
        return
    message = dispatch.message
    if message.state != MessageState.QUEUED:  # whoever was at it has died
        known = outbox.recovered(message)
        insisting(lambda: finish(pk, known))
    elif begin(pk):
        delivery = delivered(message)
        insisting(lambda: finish(pk, delivery))


def delivered(message: Message) -> Delivery:
    """What came of handing `message` over, also where the program itself broke down over it."""
    try:
        return outbox.deliver(message, lambda: None)
    except DatabaseError:  # the database is away: tried again as a whole
        raise
    except Exception as error:
        logger.exception("The mail %s could not be handed over.", message.pk)
        known = outbox.recovered(message)
        if known.outcome != Outcome.LATER:
            return known
        why = f"The program broke down over this ({type(error).__name__}). Tell whoever looks after it, then try again."
        return Delivery(Outcome.REFUSED, why)


@transaction.atomic
def begin(pk: UUID) -> bool:
    """Claim the mail `pk` for handing it over; whether it is to be done now."""
    dispatch = held(pk)
    if dispatch is None or dispatch.finished_at is not None:
        return False
    if dispatch.run_after > timezone.now():
        defer(dispatch)
        return False
    try:
        actor_of(dispatch).require(outbox.SEND, "send messages any more")
        lock(dispatch.message.thread)
    except Refused as refusal:
        not_sent(dispatch, str(refusal))
        return False
    Dispatch.objects.filter(pk=pk).update(claimed_at=timezone.now())
    return True


@transaction.atomic
def finish(pk: UUID, delivery: Delivery) -> None:
    """Write down what became of the mail `pk`."""
    dispatch = held(pk)
    if dispatch is None or delivery.outcome == Outcome.LEFT_ALONE:
        return
    message = dispatch.message
    # That it went out is the truth wherever it stands by now.
    if delivery.outcome == Outcome.DONE:
        went_out(dispatch)
    elif dispatch.finished_at is not None or message.is_deleted:
        return
    elif delivery.outcome == Outcome.LATER and dispatch.put_off < len(BACKOFF):
        put_off(dispatch, delivery.said)
    elif delivery.outcome == Outcome.UNKNOWN:
        if outbox.uncertain(message, delivery.said):
            tell(dispatch, "uncertain", f"Nobody knows whether it arrived: {about(message)}. {delivery.said}")
        over(dispatch)
    else:
        not_sent(dispatch, delivery.said)


def went_out(dispatch: Dispatch, by: Actor | None = None) -> None:
    if outbox.sent(dispatch.message):
        tell(dispatch, "sent", f"Sent: {about(dispatch.message)}", by)
    over(dispatch)


def not_sent(dispatch: Dispatch, why: str) -> None:
    if outbox.failed(dispatch.message, why):
        tell(dispatch, "failed", f"Not sent: {about(dispatch.message)}. {dispatch.message.error_message}")
    over(dispatch)


def put_off(dispatch: Dispatch, why: str) -> None:
    """Proven not to have been taken, and likely to be taken later."""
    dispatch.run_after = timezone.now() + BACKOFF[dispatch.put_off]
    Dispatch.objects.filter(pk=dispatch.pk).update(
        run_after=dispatch.run_after, put_off=dispatch.put_off + 1, claimed_at=None
    )
    Message.objects.filter(pk=dispatch.pk, state=MessageState.QUEUED).update(error_message=why)
    defer(dispatch)


def find_lost(now: datetime) -> int:
    """Queue again what is due and has no job any more, and what was cut off in the middle; how many."""
    lost = Q(claimed_at=None, run_after__lt=now - LOST_AFTER) | Q(claimed_at__lt=now - CUT_OFF_AFTER)
    found = Dispatch.objects.filter(lost, finished_at=None, run_after__lt=now).order_by("run_after")[:MOST_AT_ONCE]
    for dispatch in found:
        defer(dispatch)
    return len(found)


# What people do to a mail under way


def entitled(message: Message, by: User, *states: str) -> Dispatch:
    """The sending of `message`, held with its conversation until the transaction ends; `by` may decide about it.

    Raises:
        NotAllowed: `by` may not send messages.
        IllegalMove: it is not theirs to see, belongs to a suggestion, or is in none of `states`.
    """
    Actor.of(by).require(outbox.SEND, "send messages")
    dispatch = held(message.pk)
    if dispatch is None:
        raise IllegalMove("This mail belongs to a suggestion: it is decided about there.")
    if not Thread.everything.visible_to(by).filter(pk=dispatch.message.thread_id).exists():
        raise IllegalMove("There is no such conversation, or it is not yours to see.")
    Thread.everything.select_for_update().get(pk=dispatch.message.thread_id)
    message.refresh_from_db()
    if states and (message.is_deleted or message.state not in states):
        state = "no longer there" if message.is_deleted else message.get_state_display().lower()
        raise IllegalMove(f"That is no longer possible: the mail is {state}.")
    dispatch.message = message
    return dispatch


@transaction.atomic
def try_again(message: Message, *, by: User) -> Dispatch:
    """Have a mail that did not go out sent once more, the same.

    Raises:
        NotAllowed: `by` may not send messages.
        IllegalMove: it has gone out, or may have, or it belongs to a suggestion.
    """
    dispatch = entitled(message, by, MessageState.FAILED)
    return once_more(dispatch, by, "Tried again")


@transaction.atomic
def settle(message: Message, *, arrived: bool, by: User) -> Dispatch:
    """Say what became of a mail of which nobody could tell: it `arrived`, or it did not and is sent again.

    Raises:
        NotAllowed: `by` may not send messages.
        IllegalMove: what became of it is known, or it belongs to a suggestion.
    """
    dispatch = entitled(message, by, MessageState.UNCERTAIN)
    if not arrived:
        return once_more(dispatch, by, "It had not arrived, and is sent again")
    went_out(dispatch, Actor.of(by))
    return dispatch


@transaction.atomic
def proven(mailbox: Mailbox, names: Collection[str]) -> None:
    """Of the mails called `names` (Message-IDs), which lie among what `mailbox` has sent, those went out after all.

    Only whoever may use the mailbox writes there: it is proof. What belongs to a suggestion is carried on with by it.
    """
    home = Q(mailbox=mailbox) | Q(mailbox=None)
    rows = Message.objects.filter(home, direction=Direction.OUT, state=MessageState.UNCERTAIN, message_id__in=names)
    for message in rows.order_by("pk"):
        dispatch = held(message.pk)
        if dispatch is None:
            outbox.sent(message)
        else:
            went_out(dispatch, SYSTEM)


def once_more(dispatch: Dispatch, by: User, what: str) -> Dispatch:
    lock(dispatch.message.thread)
    outbox.moved(dispatch.message, MessageState.QUEUED, error_message="")
    tell(dispatch, "tried again", f"{what}: {about(dispatch.message)}", Actor.of(by))
    return order(dispatch.message, by=by)


# Shared


def held(pk: UUID) -> Dispatch | None:
    """The row, held until the transaction ends, with its message as it stands."""
    return (
        Dispatch.objects.select_for_update(of=("self",))
        .select_related("message__thread", "ordered_by")
        .filter(pk=pk)
        .first()
    )


def over(dispatch: Dispatch) -> None:
    Dispatch.objects.filter(pk=dispatch.pk).update(finished_at=timezone.now())


def actor_of(dispatch: Dispatch) -> Actor:
    return Actor.of(dispatch.ordered_by) if dispatch.ordered_by else GONE


def about(message: Message) -> str:
    """A mail in a sentence."""
    return f"“{message}” to {', '.join(message.to_emails)}"


def tell(dispatch: Dispatch, verb: str, summary: str, by: Actor | None = None) -> None:
    """A line on the timeline."""
    thread = dispatch.message.thread
    actor = by or actor_of(dispatch)
    record(thread, verb, about=subject_of(thread), by=actor, summary=summary, message=str(dispatch.pk))
