"""Who owns a delivery: the owner may stop it up to the last moment, and learns the outcome.

The send queue is the same for every email. `owner_registry.py` has an owner class for each origin; the send queue calls
it in the transaction that claims or settles the delivery.
"""

from typing import Any, Self
from uuid import UUID

from django.db.models import QuerySet

from crm.exceptions import ActionRefused
from crm.records.activity import DELETED_USER, SYSTEM_ACTOR, Actor, record
from crm.runtime.delivery import Delivery
from inbox.models import EmailDelivery, Message
from inbox.outgoing.outbox import SEND_PERMISSION
from inbox.thread_state import timeline_owner_of
from inbox.transitions import lock_thread


class DeliveryHeld(ActionRefused):
    """The email may not go out until a person has looked at it again."""


class DeliveryOwner:
    """The owner of one delivery, as it is for the emails that people write in the composer."""

    @classmethod
    def lock(cls, message_id: UUID) -> Self:
        """Lock what the delivery of `message_id` belongs to. The send queue locks the delivery afterwards."""
        return cls()

    @classmethod
    def check_before_data(cls, message_id: UUID) -> Delivery | None:
        """Return None to go on, or how the delivery ends instead. Called right before the data is sent, outside any
        transaction."""
        return None

    @classmethod
    def exclude_paused(cls, rows: QuerySet[EmailDelivery]) -> QuerySet[EmailDelivery]:
        """Return `rows` without the deliveries that a switch holds back."""
        return rows

    def may_send(self, delivery: EmailDelivery) -> bool:
        """Return whether `delivery` may go out now; if not, it has been withdrawn or waits for a switch.

        Raises:
            DeliveryHeld: a person must look at it first. The delivery is held with that sentence.
            ActionRefused: it may never go out. The delivery fails with that sentence.
        """
        sender_of(delivery).require_permission(SEND_PERMISSION, "send messages any more")
        lock_thread(delivery.message.thread, by=SYSTEM_ACTOR)
        return True

    def on_sent(self, delivery: EmailDelivery, by: Actor | None) -> None:
        """Record that the email was sent. `by` confirmed it, or is None if the mail server did."""
        record_on_thread(delivery, "sent", f"Sent: {describe_email(delivery.message)}", by)

    def on_failed(self, delivery: EmailDelivery, by: Actor | None) -> None:
        """Record that the email was not sent; the message says why. `by` is as in `on_sent`."""
        message = delivery.message
        record_on_thread(delivery, "failed", f"Not sent: {describe_email(message)}. {message.error_message}", by)

    def on_uncertain(self, delivery: EmailDelivery) -> None:
        """Record that the delivery is unconfirmed; the message says why."""
        message = delivery.message
        summary = f"Delivery unconfirmed: {describe_email(message)}. {message.error_message}"
        record_on_thread(delivery, "uncertain", summary)

    def on_held(self, delivery: EmailDelivery) -> None:
        """Record that the email waits for a person; the message says why."""
        message = delivery.message
        record_on_thread(delivery, "held", f"Held: {describe_email(message)}. {message.error_message}", SYSTEM_ACTOR)

    def on_retry(self, delivery: EmailDelivery, reason: str) -> None:
        """Record that the mail server asked to try again later."""


def sender_of(delivery: EmailDelivery) -> Actor:
    return Actor.of(delivery.ordered_by) if delivery.ordered_by else DELETED_USER


def describe_email(message: Message) -> str:
    return f"“{message}” to {', '.join(message.to_emails)}"


def record_on_thread(delivery: EmailDelivery, verb: str, summary: str, by: Actor | None = None, **extra: Any) -> None:
    """Write a line on the timeline of the thread."""
    thread, by = delivery.message.thread, by or sender_of(delivery)
    owner = timeline_owner_of(thread)
    record(thread, verb, timeline_owner=owner, by=by, summary=summary, message=str(delivery.pk), **extra)
