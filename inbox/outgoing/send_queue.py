"""The send queue: every outgoing email is queued here, handed over at most once, tried again, and settled.

An email has one `EmailDelivery`, whether a person composed it or an approved suggestion did. What differs between
the two (the checks before it goes out, and what follows from the outcome) is in the owner of the delivery.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import Q
from django.utils import timezone

from crm.exceptions import ActionRefused, IllegalTransition, InvalidInput
from crm.models import User
from crm.records.activity import SYSTEM_ACTOR, Actor
from crm.records.local_time import format_agency_moment
from crm.runtime.delivery import RETRY_DELAYS, Delivery, DeliveryOutcome, retry_while_database_down
from crm.runtime.job_queue import configure_job, enqueue
from inbox.models import Direction, EmailDelivery, EmailOrigin, Mailbox, Message, MessageState, Thread
from inbox.outgoing import outbox
from inbox.outgoing.delivery_owners import DeliveryHeld, DeliveryOwner, describe_email, record_on_thread
from inbox.outgoing.owner_registry import OWNERS
from inbox.transitions import lock_thread

logger = logging.getLogger(__name__)

SEND_TASK = "inbox.send_email"
# How long the sender can take an email back.
UNDO_WINDOW = timedelta(seconds=10)
# A delivery that is due for so long without a claim has lost its job; one claimed so long ago has lost its worker.
LOST_AFTER, DEAD_WORKER_AFTER = timedelta(minutes=2), timedelta(minutes=15)
MAX_REQUEUED = 1_000
MAX_SCHEDULED_AHEAD = timedelta(days=366)


@dataclass(frozen=True)
class LockedDelivery:
    """A delivery and its owner, both locked until the transaction ends."""

    row: EmailDelivery
    owner: DeliveryOwner

    @property
    def message(self) -> Message:
        return self.row.message


def enqueue_send(
    message: Message, *, by: User | None, origin: str = EmailOrigin.COMPOSER, run_after: datetime | None = None
) -> EmailDelivery:
    """Queue `message` for delivery at `run_after` (default: after the undo window), in the caller's transaction."""
    delivery = store_delivery(message, by, origin, run_after=run_after or timezone.now() + UNDO_WINDOW)
    defer_send_job(delivery)
    return delivery


def schedule_send(message: Message, at: datetime, *, confirmed_digests: Collection[str], by: User) -> EmailDelivery:
    """Queue `message` for delivery at `at`, in the caller's transaction.

    Its job is queued when the time has come (`requeue_due_deliveries`), so the time can be changed until then.

    Raises:
        InvalidInput: `at` is not in the future, or more than a year ahead.
    """
    now = timezone.now()
    if at <= now:
        raise InvalidInput("Choose a time in the future to send the email.")
    if at > now + MAX_SCHEDULED_AHEAD:
        raise InvalidInput("An email can be scheduled for a year ahead at most.")
    schedule = {"scheduled_for": at, "scheduled_at": now, "confirmed_digests": sorted(confirmed_digests)}
    delivery = store_delivery(message, by, EmailOrigin.COMPOSER, run_after=at, **schedule)
    summary = f"Scheduled for {format_agency_moment(at)}: {describe_email(message)}"
    record_on_thread(delivery, "scheduled", summary, Actor.of(by))
    return delivery


def store_delivery(message: Message, by: User | None, origin: str, **columns: Any) -> EmailDelivery:
    """Create the delivery of `message`, or begin it anew."""
    fresh = {"retry_count": 0, "claimed_at": None, "finished_at": None}
    unscheduled = {"scheduled_for": None, "scheduled_at": None, "confirmed_digests": []}
    delivery, _ = EmailDelivery.objects.update_or_create(
        message=message, defaults={"origin": origin, "ordered_by": by, **fresh, **unscheduled, **columns}
    )
    return delivery


def defer_send_job(delivery: EmailDelivery) -> None:
    """Queue the job that hands the email over, in the caller's transaction, unless such a job is waiting already."""
    name = f"email {delivery.pk}"
    task = configure_job(SEND_TASK, lock=name, queueing_lock=name, schedule_at=delivery.run_after)
    enqueue(task, message=str(delivery.pk))


# The job


def send_queued_email(pk: UUID) -> None:
    """Hand the email `pk` over if it is due, and settle its delivery.

    May be called twice, concurrently, and again after a crash: the email goes out at most once.
    """
    delivery = EmailDelivery.objects.select_related("message").filter(pk=pk, finished_at=None).first()
    if delivery is None:
        return
    if delivery.message.state != MessageState.QUEUED:  # the worker that claimed it died
        outcome = outbox.recover_delivery(delivery.message)
    elif claim_delivery(pk):
        outcome = attempt_delivery(delivery)
    else:
        return
    retry_while_database_down(lambda: settle_delivery(pk, outcome))


def attempt_delivery(delivery: EmailDelivery) -> Delivery:
    """Hand the email over and return the outcome, also when the program raises an unexpected exception."""
    message, owner = delivery.message, OWNERS[delivery.origin]
    try:
        return outbox.deliver(message, lambda: owner.check_before_data(message.pk))
    except DatabaseError:  # the database is down: the job is tried again
        raise
    except Exception as error:
        logger.exception("The email %s could not be handed over.", message.pk)
        recovered = outbox.recover_delivery(message)
        if recovered.outcome != DeliveryOutcome.RETRY_LATER:
            return recovered
        reason = f"The program failed over this ({type(error).__name__}). Tell your administrator, then try again."
        return Delivery(DeliveryOutcome.REJECTED, reason)


@transaction.atomic
def claim_delivery(pk: UUID) -> bool:
    """Claim the email `pk` for handing it over; return whether it may go out now."""
    delivery = lock_delivery(pk)
    if delivery is None or delivery.row.finished_at is not None:
        return False
    if delivery.row.run_after > timezone.now():
        # A waiting job would keep a scheduled email from leaving earlier.
        if delivery.row.scheduled_for is None:
            defer_send_job(delivery.row)
        return False
    try:
        if not delivery.owner.may_send(delivery.row):
            return False
    except DeliveryHeld as hold:
        settle_held(delivery, str(hold))
        return False
    except ActionRefused as error:
        settle_failed(delivery, str(error))
        return False
    EmailDelivery.objects.filter(pk=pk).update(claimed_at=timezone.now())
    return True


@transaction.atomic
def settle_delivery(pk: UUID, outcome: Delivery) -> None:
    """Write down the outcome of handing over the email `pk`."""
    delivery = lock_delivery(pk)
    if delivery is None or outcome.outcome == DeliveryOutcome.SKIPPED:
        return
    # The mail server has taken it: that holds in whatever state the row is by now.
    if outcome.outcome == DeliveryOutcome.DELIVERED:
        settle_sent(delivery)
    elif delivery.row.finished_at is not None or delivery.message.is_deleted:
        return
    elif outcome.outcome == DeliveryOutcome.RETRY_LATER and delivery.row.retry_count < len(RETRY_DELAYS):
        retry_later(delivery, outcome.message)
    elif outcome.outcome == DeliveryOutcome.UNCONFIRMED:
        settle_uncertain(delivery, outcome.message)
    else:
        settle_failed(delivery, outcome.message)


def settle_sent(delivery: LockedDelivery, by: Actor | None = None) -> None:
    if outbox.mark_email_sent(delivery.message):
        delivery.owner.on_sent(delivery.row, by)
    finish(delivery.row)


def settle_failed(delivery: LockedDelivery, reason: str, by: Actor | None = None) -> None:
    if outbox.mark_email_failed(delivery.message, reason):
        delivery.owner.on_failed(delivery.row, by)
    finish(delivery.row)


def settle_uncertain(delivery: LockedDelivery, reason: str) -> None:
    if outbox.mark_email_uncertain(delivery.message, reason):
        delivery.owner.on_uncertain(delivery.row)
    finish(delivery.row)


def settle_held(delivery: LockedDelivery, reason: str) -> None:
    if outbox.mark_email_held(delivery.message, reason):
        delivery.owner.on_held(delivery.row)
    finish(delivery.row)


def retry_later(delivery: LockedDelivery, reason: str) -> None:
    """Reschedule an email that the mail server provably did not take and may take later."""
    row = delivery.row
    row.run_after, row.retry_count = timezone.now() + RETRY_DELAYS[row.retry_count], row.retry_count + 1
    row.claimed_at = None
    row.save(update_fields=["run_after", "retry_count", "claimed_at"])
    Message.objects.filter(pk=row.pk, state=MessageState.QUEUED).update(error_message=reason)
    delivery.owner.on_retry(row, reason)
    defer_send_job(row)


def requeue_due_deliveries(now: datetime) -> int:
    """Queue the scheduled deliveries that are due, and again those that lost job or worker; return how many."""
    lost = Q(claimed_at=None, run_after__lt=now - LOST_AFTER) | Q(claimed_at__lt=now - DEAD_WORKER_AFTER)
    is_due = lost | Q(claimed_at=None, scheduled_for__isnull=False)
    rows = EmailDelivery.objects.filter(is_due, finished_at=None, run_after__lt=now)
    for owner in OWNERS.values():
        rows = owner.exclude_paused(rows)
    deliveries = rows.order_by("run_after")[:MAX_REQUEUED]
    for delivery in deliveries:
        defer_send_job(delivery)
    return len(deliveries)


# What a person does to an email that is queued or was not sent


@transaction.atomic
def withdraw(message: Message) -> None:
    """Take a queued email back; it leaves its thread. The caller has locked the owner of the delivery.

    Raises:
        IllegalTransition: it is being sent, or was sent.
    """
    EmailDelivery.objects.select_for_update().filter(pk=message.pk).first()
    outbox.withdraw(message)
    EmailDelivery.objects.filter(pk=message.pk).update(finished_at=timezone.now())


def lock_delivery_for_user(message: Message, by: User, *states: str) -> LockedDelivery:
    """Lock the delivery of `message` and its thread, for the sender `by`.

    Raises:
        NotPermitted: `by` may not send messages.
        IllegalTransition: `by` may not see it, it belongs to a suggestion, or it is in none of `states`.
    """
    Actor.of(by).require_permission(outbox.SEND_PERMISSION, "send messages")
    delivery = lock_delivery(message.pk)
    if delivery is None or not delivery.row.is_from_composer:
        raise IllegalTransition("This email belongs to a suggestion: decide about it there.")
    if not Thread.everything.visible_to(by).filter(pk=delivery.message.thread_id).exists():
        raise IllegalTransition("This conversation does not exist, or you may not see it.")
    Thread.everything.select_for_update().get(pk=delivery.message.thread_id)
    message.refresh_from_db()
    if states and (message.is_deleted or message.state not in states):
        state = "no longer there" if message.is_deleted else message.get_state_display().lower()
        raise IllegalTransition(f"That is no longer possible: the email is {state}.")
    delivery.row.message = message
    return delivery


@transaction.atomic
def retry_send(message: Message, *, by: User) -> EmailDelivery:
    """Send an email again, unchanged, that failed.

    Raises:
        NotPermitted: `by` may not send messages.
        IllegalTransition: it was sent or may have been, or it belongs to a suggestion.
    """
    delivery = lock_delivery_for_user(message, by, MessageState.FAILED)
    return resend(delivery.row, by, "Tried again")


@transaction.atomic
def send_now(message: Message, *, by: User) -> EmailDelivery:
    """Send a scheduled or held email after the undo window, as it is.

    Raises:
        NotPermitted: `by` may not send messages.
        IllegalTransition: it is neither scheduled nor held, or is being sent.
    """
    delivery = lock_postponed(message, by)
    lock_thread(delivery.message.thread, by=by)
    outbox.set_email_state(message, MessageState.QUEUED, error_message="")
    record_on_thread(delivery.row, "released", f"To be sent now: {describe_email(message)}", Actor.of(by))
    return enqueue_send(message, by=by)


@transaction.atomic
def reschedule(message: Message, at: datetime, *, by: User) -> EmailDelivery:
    """Send a scheduled or held email at another time. What its sender has read counts up to now.

    Raises:
        NotPermitted: `by` may not send messages.
        InvalidInput: `at` is not in the future, or too far ahead.
        IllegalTransition: it is neither scheduled nor held, or is being sent.
    """
    delivery = lock_postponed(message, by)
    lock_thread(delivery.message.thread, by=by)
    outbox.set_email_state(message, MessageState.QUEUED, error_message="")
    return schedule_send(message, at, confirmed_digests=delivery.row.confirmed_digests, by=by)


def lock_postponed(message: Message, by: User) -> LockedDelivery:
    """Lock the delivery of an email that is scheduled or held, for the user `by`.

    Raises:
        IllegalTransition: it is neither, or it has begun to leave.
    """
    delivery = lock_delivery_for_user(message, by, MessageState.QUEUED, MessageState.HELD)
    if delivery.row.scheduled_for is None:
        raise IllegalTransition("This email is not scheduled.")
    if delivery.row.finished_at is None and delivery.row.claimed_at is not None:
        raise IllegalTransition("The email is being sent at this moment.")
    if delivery.row.finished_at is None and delivery.row.retry_count:
        raise IllegalTransition("The mail server asked to wait: the email is tried again by itself.")
    return delivery


@transaction.atomic
def resolve_uncertain(message: Message, *, was_delivered: bool, by: User) -> EmailDelivery:
    """Settle an unconfirmed delivery: the email `was_delivered`, or it was not and is sent again.

    Raises:
        NotPermitted: `by` may not send messages.
        IllegalTransition: the delivery is not unconfirmed, or the email belongs to a suggestion.
    """
    delivery = lock_delivery_for_user(message, by, MessageState.UNCERTAIN)
    if not was_delivered:
        return resend(delivery.row, by, "It had not arrived, and is sent again")
    settle_sent(delivery, Actor.of(by))
    return delivery.row


def confirm_sent(mailbox: Mailbox, message_ids: Collection[str]) -> None:
    """Settle as sent the unconfirmed emails with `message_ids` (Message-IDs) found in the Sent folder of `mailbox`.

    Only the owner of a mailbox can write to its Sent folder, so this is proof.
    """
    in_mailbox = Q(mailbox=mailbox) | Q(mailbox=None)
    rows = Message.objects.filter(
        in_mailbox, direction=Direction.OUT, state=MessageState.UNCERTAIN, message_id__in=message_ids
    )
    for message in rows.order_by("pk"):
        confirm_one_sent(message)


@transaction.atomic
def confirm_one_sent(message: Message) -> None:
    delivery = lock_delivery(message.pk)
    if delivery is None:
        outbox.mark_email_sent(message)
    else:
        settle_sent(delivery, SYSTEM_ACTOR)


def resend(delivery: EmailDelivery, by: User, reason: str) -> EmailDelivery:
    lock_thread(delivery.message.thread, by=by)
    outbox.set_email_state(delivery.message, MessageState.QUEUED, error_message="")
    record_on_thread(delivery, "tried again", f"{reason}: {describe_email(delivery.message)}", Actor.of(by))
    return enqueue_send(delivery.message, by=by)


# Shared


def lock_delivery(pk: UUID) -> LockedDelivery | None:
    """Lock the delivery `pk` and its owner until the transaction ends, with the message as it is now.

    The owner is locked first, as every decision about a suggestion does: two transactions never wait for each other.
    """
    origin = EmailDelivery.objects.filter(pk=pk).values_list("origin", flat=True).first()
    if origin is None:
        return None
    owner = OWNERS[origin].lock(pk)
    rows = EmailDelivery.objects.select_for_update(of=("self",)).select_related("message__thread", "ordered_by")
    row = rows.filter(pk=pk).first()
    return None if row is None else LockedDelivery(row, owner)


def finish(delivery: EmailDelivery) -> None:
    EmailDelivery.objects.filter(pk=delivery.pk).update(finished_at=timezone.now())
