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

from crm.exceptions import ActionRefused, IllegalTransition
from crm.models import ActorType, User
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from crm.runtime.delivery import Delivery, DeliveryOutcome, retry_while_database_down
from inbox.models import MAX_SEND_RETRIES, Direction, Dispatch, Mailbox, Message, MessageState, Thread
from inbox.outgoing import outbox
from inbox.thread_state import timeline_owner_of
from inbox.transitions import lock_thread

logger = logging.getLogger(__name__)

SEND_TASK = "inbox.dispatch"
# In which whoever has sent it can think again.
UNDO_WINDOW = timedelta(seconds=10)
# Waits before what was put off by the other side is tried again; after the last it has failed.
SEND_RETRY_DELAYS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240)[:MAX_SEND_RETRIES])
# What is due for so long without having begun has lost its job; what was begun so long ago has lost its worker.
LOST_AFTER, DEAD_WORKER_AFTER = timedelta(minutes=2), timedelta(minutes=15)
MAX_REQUEUED = 1_000
# Who sent it and has no account any more: such a one may do nothing.
DELETED_SENDER = Actor(ActorType.USER, name="Somebody who has left")


def enqueue_send(message: Message, *, by: User) -> Dispatch:
    """Have `message` handed over once it can no longer be taken back, inside the caller's transaction."""
    dispatch, _ = Dispatch.objects.update_or_create(
        message=message,
        defaults={
            "ordered_by": by,
            "run_after": timezone.now() + UNDO_WINDOW,
            "put_off": 0,
            "claimed_at": None,
            "finished_at": None,
        },
    )
    defer_send_job(dispatch)
    return dispatch


def defer_send_job(dispatch: Dispatch) -> None:
    """Queue the job that hands it over, as part of the transaction; one that waits already is enough."""
    name = f"mail {dispatch.pk}"
    task = app.configure_task(SEND_TASK, lock=name, queueing_lock=name, schedule_at=dispatch.run_after)
    try:
        with transaction.atomic():
            task.defer(message=str(dispatch.pk))
    except AlreadyEnqueued:
        logger.debug("Such a job waits already: %s.", name)


# What the job does


def send_queued_email(pk: UUID) -> None:
    """Hand the mail `pk` over, if it is due; what came of it is written down.

    May be called twice, at once, and again after a crash: the mail goes out at most once.
    """
    dispatch = Dispatch.objects.select_related("message").filter(pk=pk, finished_at=None).first()
    if dispatch is None:
        return
    message = dispatch.message
    if message.state != MessageState.QUEUED:  # whoever was at it has died
        recovered_delivery = outbox.recover_delivery(message)
        retry_while_database_down(lambda: record_delivery(pk, recovered_delivery))
    elif claim_dispatch(pk):
        delivery = attempt_delivery(message)
        retry_while_database_down(lambda: record_delivery(pk, delivery))


def attempt_delivery(message: Message) -> Delivery:
    """What came of handing `message` over, also where the program itself broke down over it."""
    try:
        return outbox.deliver(message, lambda: None)
    except DatabaseError:  # the database is away: tried again as a whole
        raise
    except Exception as error:
        logger.exception("The mail %s could not be handed over.", message.pk)
        recovered_delivery = outbox.recover_delivery(message)
        if recovered_delivery.outcome != DeliveryOutcome.RETRY_LATER:
            return recovered_delivery
        reason = (
            f"The program broke down over this ({type(error).__name__}). Tell whoever looks after it, then try again."
        )
        return Delivery(DeliveryOutcome.REJECTED, reason)


@transaction.atomic
def claim_dispatch(pk: UUID) -> bool:
    """Claim the mail `pk` for handing it over; whether it is to be done now."""
    dispatch = lock_dispatch(pk)
    if dispatch is None or dispatch.finished_at is not None:
        return False
    if dispatch.run_after > timezone.now():
        defer_send_job(dispatch)
        return False
    try:
        dispatch_actor(dispatch).require_permission(outbox.SEND_PERMISSION, "send messages any more")
        lock_thread(dispatch.message.thread)
    except ActionRefused as error:
        finish_as_failed(dispatch, str(error))
        return False
    Dispatch.objects.filter(pk=pk).update(claimed_at=timezone.now())
    return True


@transaction.atomic
def record_delivery(pk: UUID, delivery: Delivery) -> None:
    """Write down what became of the mail `pk`."""
    dispatch = lock_dispatch(pk)
    if dispatch is None or delivery.outcome == DeliveryOutcome.SKIPPED:
        return
    message = dispatch.message
    # That it went out is the truth wherever it stands by now.
    if delivery.outcome == DeliveryOutcome.DELIVERED:
        finish_as_sent(dispatch)
    elif dispatch.finished_at is not None or message.is_deleted:
        return
    elif delivery.outcome == DeliveryOutcome.RETRY_LATER and dispatch.put_off < len(SEND_RETRY_DELAYS):
        retry_later(dispatch, delivery.message)
    elif delivery.outcome == DeliveryOutcome.UNCONFIRMED:
        if outbox.mark_email_uncertain(message, delivery.message):
            record_dispatch_event(
                dispatch, "uncertain", f"Nobody knows whether it arrived: {describe_email(message)}. {delivery.message}"
            )
        close_dispatch(dispatch)
    else:
        finish_as_failed(dispatch, delivery.message)


def finish_as_sent(dispatch: Dispatch, by: Actor | None = None) -> None:
    if outbox.mark_email_sent(dispatch.message):
        record_dispatch_event(dispatch, "sent", f"Sent: {describe_email(dispatch.message)}", by)
    close_dispatch(dispatch)


def finish_as_failed(dispatch: Dispatch, reason: str) -> None:
    if outbox.mark_email_failed(dispatch.message, reason):
        record_dispatch_event(
            dispatch, "failed", f"Not sent: {describe_email(dispatch.message)}. {dispatch.message.error_message}"
        )
    close_dispatch(dispatch)


def retry_later(dispatch: Dispatch, reason: str) -> None:
    """Proven not to have been taken, and likely to be taken later."""
    dispatch.run_after = timezone.now() + SEND_RETRY_DELAYS[dispatch.put_off]
    Dispatch.objects.filter(pk=dispatch.pk).update(
        run_after=dispatch.run_after, put_off=dispatch.put_off + 1, claimed_at=None
    )
    Message.objects.filter(pk=dispatch.pk, state=MessageState.QUEUED).update(error_message=reason)
    defer_send_job(dispatch)


def requeue_lost_dispatches(now: datetime) -> int:
    """Queue again what is due and has no job any more, and what was cut off in the middle; how many."""
    lost = Q(claimed_at=None, run_after__lt=now - LOST_AFTER) | Q(claimed_at__lt=now - DEAD_WORKER_AFTER)
    dispatches = Dispatch.objects.filter(lost, finished_at=None, run_after__lt=now).order_by("run_after")[:MAX_REQUEUED]
    for dispatch in dispatches:
        defer_send_job(dispatch)
    return len(dispatches)


# What people do to a mail under way


def lock_dispatch_for_user(message: Message, by: User, *states: str) -> Dispatch:
    """The sending of `message`, held with its conversation until the transaction ends; `by` may decide about it.

    Raises:
        NotPermitted: `by` may not send messages.
        IllegalTransition: it is not theirs to see, belongs to a suggestion, or is in none of `states`.
    """
    Actor.of(by).require_permission(outbox.SEND_PERMISSION, "send messages")
    dispatch = lock_dispatch(message.pk)
    if dispatch is None:
        raise IllegalTransition("This mail belongs to a suggestion: it is decided about there.")
    if not Thread.everything.visible_to(by).filter(pk=dispatch.message.thread_id).exists():
        raise IllegalTransition("There is no such conversation, or it is not yours to see.")
    Thread.everything.select_for_update().get(pk=dispatch.message.thread_id)
    message.refresh_from_db()
    if states and (message.is_deleted or message.state not in states):
        state = "no longer there" if message.is_deleted else message.get_state_display().lower()
        raise IllegalTransition(f"That is no longer possible: the mail is {state}.")
    dispatch.message = message
    return dispatch


@transaction.atomic
def retry_send(message: Message, *, by: User) -> Dispatch:
    """Have a mail that did not go out sent once more, the same.

    Raises:
        NotPermitted: `by` may not send messages.
        IllegalTransition: it has gone out, or may have, or it belongs to a suggestion.
    """
    dispatch = lock_dispatch_for_user(message, by, MessageState.FAILED)
    return resend(dispatch, by, "Tried again")


@transaction.atomic
def resolve_uncertain(message: Message, *, was_delivered: bool, by: User) -> Dispatch:
    """Say what became of a mail of which nobody could tell: it `was_delivered`, or it did not and is sent again.

    Raises:
        NotPermitted: `by` may not send messages.
        IllegalTransition: what became of it is known, or it belongs to a suggestion.
    """
    dispatch = lock_dispatch_for_user(message, by, MessageState.UNCERTAIN)
    if not was_delivered:
        return resend(dispatch, by, "It had not arrived, and is sent again")
    finish_as_sent(dispatch, Actor.of(by))
    return dispatch


@transaction.atomic
def confirm_sent(mailbox: Mailbox, message_ids: Collection[str]) -> None:
    """Of the mails called `message_ids` (Message-IDs), which lie among what `mailbox` has sent, those went out after all.

    Only whoever may use the mailbox writes there: it is proof. What belongs to a suggestion is carried on with by it.
    """
    in_mailbox = Q(mailbox=mailbox) | Q(mailbox=None)
    rows = Message.objects.filter(
        in_mailbox, direction=Direction.OUT, state=MessageState.UNCERTAIN, message_id__in=message_ids
    )
    for message in rows.order_by("pk"):
        dispatch = lock_dispatch(message.pk)
        if dispatch is None:
            outbox.mark_email_sent(message)
        else:
            finish_as_sent(dispatch, SYSTEM_ACTOR)


def resend(dispatch: Dispatch, by: User, reason: str) -> Dispatch:
    lock_thread(dispatch.message.thread)
    outbox.set_email_state(dispatch.message, MessageState.QUEUED, error_message="")
    record_dispatch_event(dispatch, "tried again", f"{reason}: {describe_email(dispatch.message)}", Actor.of(by))
    return enqueue_send(dispatch.message, by=by)


# Shared


def lock_dispatch(pk: UUID) -> Dispatch | None:
    """The row, held until the transaction ends, with its message as it stands."""
    return (
        Dispatch.objects.select_for_update(of=("self",))
        .select_related("message__thread", "ordered_by")
        .filter(pk=pk)
        .first()
    )


def close_dispatch(dispatch: Dispatch) -> None:
    Dispatch.objects.filter(pk=dispatch.pk).update(finished_at=timezone.now())


def dispatch_actor(dispatch: Dispatch) -> Actor:
    return Actor.of(dispatch.ordered_by) if dispatch.ordered_by else DELETED_SENDER


def describe_email(message: Message) -> str:
    """A mail in a sentence."""
    return f"“{message}” to {', '.join(message.to_emails)}"


def record_dispatch_event(dispatch: Dispatch, verb: str, summary: str, by: Actor | None = None) -> None:
    """A line on the timeline."""
    thread = dispatch.message.thread
    actor = by or dispatch_actor(dispatch)
    record(thread, verb, timeline_owner=timeline_owner_of(thread), by=actor, summary=summary, message=str(dispatch.pk))
