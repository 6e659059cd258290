"""Link threads to leads and clients."""

from django.db import transaction

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import Client, User
from crm.records.activity import Actor, record
from inbox.incoming.processing_queue import queue_processing
from inbox.models import Thread
from inbox.thread_state import update_contact_dates
from inbox.transitions.thread_status import lock_thread
from leads.models import Lead


@transaction.atomic
def link(thread: Thread, *, lead: Lead | None = None, client: Client | None = None, by: Actor | User) -> None:
    """Link `thread` to `lead` or `client`, and advance the contact date of a lead (never backwards).

    Raises:
        NotPermitted: `by` may not change conversations, or not see this one.
        InvalidInput: not exactly one of `lead` and `client` is given, or it is deleted, or `by` may not see it.
        IllegalTransition: the thread is deleted, or already linked to that record.
    """
    actor = Actor.of(by)
    actor.require_permission("inbox.change_thread", "link a conversation")
    if (lead is None) == (client is None):
        raise InvalidInput("Choose a lead or a client to link the conversation to.")
    field = "client" if lead is None else "lead"
    target = require_visible(lead or client, actor)
    was = getattr(lock_thread(thread, by=actor), field)
    if was == target:
        raise IllegalTransition(f"The conversation “{thread}” is already linked to {target}.")
    Thread.everything.filter(pk=thread.pk).update(**{field: target})
    thread.refresh_from_db()
    if lead is not None:
        update_contact_dates([thread])
        queue_processing([thread])  # its messages are read for this lead
    metadata = {field: str(target.pk), "was": str(was.pk) if was else None}
    # The former one is not named, because a reader of the timeline may not be allowed to see it.
    summary = f"Conversation “{thread}” linked to {target}"
    record(thread, "linked", timeline_owner=target, by=by, summary=summary, **metadata)


@transaction.atomic
def unlink(thread: Thread, linked_record: Lead | Client | None = None, *, by: Actor | User) -> None:
    """Unlink `thread` from its lead and client, or from `linked_record` alone. Contact dates do not change.

    Raises:
        NotPermitted: `by` may not change conversations, or not see this one.
        IllegalTransition: the thread is deleted or not linked (to `linked_record`).
    """
    Actor.of(by).require_permission("inbox.change_thread", "unlink a conversation")
    locked = lock_thread(thread, by=by)
    linked = {"lead": locked.lead, "client": locked.client}
    removed_links = {field: one for field, one in linked.items() if one is not None and linked_record in (None, one)}
    if not removed_links:
        problem = f"not linked to {linked_record}" if linked_record else "not linked to a lead or client"
        raise IllegalTransition(f"The conversation “{thread}” is {problem}.")
    Thread.everything.filter(pk=thread.pk).update(**dict.fromkeys(removed_links))
    thread.refresh_from_db()
    for one in removed_links.values():
        record_unlinked(thread, one, by=by)


def record_unlinked(thread: Thread, former: Lead | Client, *, by: Actor | User) -> None:
    """Record the end of a link on the timeline of `former`, which alone is named: the reader may not see others."""
    summary = f"Conversation “{thread}” is no longer linked to {former}"
    metadata = {former._meta.model_name: str(former.pk)}
    record(thread, "unlinked", timeline_owner=former, by=by, summary=summary, **metadata)


def require_visible(target: Lead | Client, actor: Actor) -> Lead | Client:
    """Return `target` freshly loaded.

    Raises:
        InvalidInput: `target` is deleted, or `actor` may not see it.
    """
    rows = type(target).objects.filter(pk=target.pk)
    if actor.user is not None:
        rows = rows.visible_to(actor.user)
    row = rows.first()
    if row is None:
        raise InvalidInput(
            f"This {target._meta.verbose_name} does not exist, was deleted, or you do not have access to it."
        )
    return row
