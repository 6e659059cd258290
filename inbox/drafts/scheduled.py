"""Emails that leave later: what is checked again when their time has come.

The sender chose the time some while ago. What the email rests on may have changed since: then it is held, and a person
decides.
"""

from datetime import timedelta
from uuid import UUID

from django.db.models import Q

from crm.models import Client
from crm.records.consent import CHANNEL_LABELS, closed_channels
from crm.records.local_time import format_agency_moment
from crm.records.privacy.suppression import digests_of
from crm.runtime.delivery import Delivery, DeliveryOutcome
from inbox.drafts.recipients import find_unknown_addresses
from inbox.drafts.reply_conflicts import name_of_writer
from inbox.models import Direction, EmailDelivery, EmailOrigin, MailboxStatus, Message, MessageState, Nature, Thread
from inbox.outgoing.delivery_owners import DeliveryHeld, DeliveryOwner
from leads.models import Lead

# An email that arrives after this long is an old one of an import, not an answer.
MAX_TRANSIT = timedelta(days=1)


class ComposerDelivery(DeliveryOwner):
    """The owner of the deliveries of emails that people write in the composer."""

    @classmethod
    def check_before_data(cls, message_id: UUID) -> Delivery | None:
        """Check a scheduled email once more: the customer may have written since it was claimed."""
        rows = EmailDelivery.objects.scheduled().select_related("message__thread", "ordered_by")
        delivery = rows.filter(pk=message_id).first()
        if delivery is not None and (reason := reason_to_hold(delivery)):
            return Delivery(DeliveryOutcome.RETRY_LATER, reason)
        return None

    def may_send(self, delivery: EmailDelivery) -> bool:
        super().may_send(delivery)
        if delivery.scheduled_for is not None and (reason := reason_to_hold(delivery)):
            raise DeliveryHeld(reason)
        return True


def reason_to_hold(delivery: EmailDelivery) -> str:
    """Return a sentence that says why the scheduled email of `delivery` may not leave yet; empty if it may."""
    checks = (describe_lost_access, describe_closed_channel, describe_mailbox, describe_recipients, describe_newer)
    return next(filter(None, (check(delivery) for check in checks)), "")


def describe_lost_access(delivery: EmailDelivery) -> str:
    sender, thread = delivery.ordered_by, delivery.message.thread
    has_access = Thread.objects.visible_to(sender).filter(pk=thread.pk).exists()
    return "" if has_access else f"{sender} no longer has access to this conversation."


def describe_closed_channel(delivery: EmailDelivery) -> str:
    message, thread = delivery.message, delivery.message.thread
    return refusal_of_email(thread.lead, thread.client, is_answer=bool(message.in_reply_to))


def refusal_of_email(lead: Lead | None, client: Client | None, *, is_answer: bool) -> str:
    """Return a sentence if the lead, or the client, does not want email; empty if email is allowed."""
    client = lead.converted_to_client if lead is not None and lead.converted_to_client else client
    for row in (lead, client):
        if row is not None and "email" in closed_channels(row.communications, is_answer=is_answer):
            return f"The {row._meta.verbose_name} does not want to be contacted by {CHANNEL_LABELS['email']}."
    return ""


def describe_mailbox(delivery: EmailDelivery) -> str:
    message, mailbox = delivery.message, delivery.message.thread.mailbox
    if mailbox is None or not (mailbox.is_deleted or mailbox.status == MailboxStatus.REVOKED):
        return ""
    reply_address = (message.reply_to or message.from_email).lower()
    return (
        f"The mailbox {mailbox} is disconnected: we would miss replies."
        if reply_address == mailbox.address.lower()
        else ""
    )


def describe_recipients(delivery: EmailDelivery) -> str:
    """Return a sentence if a recipient is no longer known, and the sender never confirmed the address."""
    message, thread = delivery.message, delivery.message.thread
    recipients = [*message.to_emails, *message.cc_emails]
    found = find_unknown_addresses(recipients, thread=thread, lead=thread.lead, client=thread.client)
    confirmed = set(delivery.confirmed_digests)
    unknown = [address for address in found if not confirmed.intersection(digests_of([address.lower()], []))]
    return f"No longer in our records: {', '.join(unknown)}." if unknown else ""


def describe_newer(delivery: EmailDelivery) -> str:
    """Return a sentence that says who wrote in the conversation since the sender chose the time."""
    newest = find_message_since(delivery)
    if newest is None:
        return ""
    writer = name_of_writer(newest)
    return f"{writer} wrote on {format_agency_moment(newest.sent_at)}, after you scheduled this email."


def find_message_since(delivery: EmailDelivery) -> Message | None:
    """Return the newest message, received or sent by a colleague, since the email of `delivery` was scheduled."""
    since = delivery.scheduled_at
    # A received email counts from its arrival: the clock of its sender may be wrong.
    received = Q(direction=Direction.IN, created_at__gt=since, sent_at__gt=since - MAX_TRANSIT)
    sent = Q(direction=Direction.OUT, state=MessageState.SENT, sent_at__gt=since)
    own = Q(delivery__ordered_by=delivery.ordered_by_id, delivery__origin=EmailOrigin.COMPOSER)
    rows = Message.objects.filter(received | (sent & ~own), thread=delivery.message.thread_id, nature=Nature.PERSON)
    return rows.defer("body_text", "body_html").order_by("-sent_at", "-id").first()
