"""The conversation about a policy, such as its renewal: one open thread a policy."""

from django.db import transaction

from crm.exceptions import IllegalTransition, errors_as_invalid_input
from crm.models import User
from crm.records.activity import Actor, record
from crm.records.transitions import describe_record
from crm.text.addresses import agency_sender
from inbox.models import Mailbox, Thread, ThreadSource
from inbox.outgoing.outbox import SEND_PERMISSION
from leads.models import Policy
from leads.models.policy import RENEWABLE_STATUSES

MAX_THREAD_SUBJECT_LENGTH = 500


@transaction.atomic
def start_policy_conversation(policy: Policy, *, by: User) -> Thread:
    """Return the open email conversation about `policy`, a new one where there is none. Its author then writes in it.

    Raises:
        NotPermitted: `by` may not send messages.
        IllegalTransition: the policy or its client is deleted, the policy is a quote, cancelled or renewed, or `by` may
            not see it.
    """
    Actor.of(by).require_permission(SEND_PERMISSION, "start a conversation")
    # Locked, so that two at once get one conversation.
    locked = Policy.everything.visible_to(by).select_for_update(of=("self",)).filter(pk=policy.pk).first()
    if locked is None:
        raise IllegalTransition("This policy does not exist, or you do not have access to it.")
    for row in (locked, locked.client):
        if row.is_deleted:
            raise IllegalTransition(f"The {describe_record(row)} is deleted; restore it first.")
    if locked.status not in RENEWABLE_STATUSES:
        raise IllegalTransition(f"The {describe_record(locked)} is {locked.get_status_display().lower()}: no renewal.")
    existing = Thread.objects.of_policies([locked.pk]).first()
    return existing or create_policy_thread(locked, by)


def create_policy_thread(policy: Policy, by: User) -> Thread:
    """Create an empty thread with the client of `policy`, in the mailbox that receives the replies to `by`."""
    client, mailboxes = policy.client, Mailbox.objects.connected()
    own = mailboxes.filter(owner=by).order_by("id").first()
    thread = Thread(
        source=ThreadSource.EMAIL,
        subject=f"Renewal: {policy}"[:MAX_THREAD_SUBJECT_LENGTH],
        client=client,
        policy=policy,
        participant_emails=[client.email] if client.email else [],
        mailbox=own or mailboxes.filter(address__iexact=agency_sender()[1]).first(),
    )
    with errors_as_invalid_input():
        thread.full_clean()
        thread.save(force_insert=True)
    record(thread, "started", timeline_owner=client, by=by, summary=f"Conversation “{thread}” started")
    return thread
