"""Whose conversation it is."""

from django.db import transaction

from crm.exceptions import BadInput, IllegalMove
from crm.models import Client, User
from crm.records.activity import Actor, record
from inbox.models import Thread
from inbox.thread_state import contacted
from inbox.transitions.thread_status import lock
from leads.models import Lead


@transaction.atomic
def link(thread: Thread, *, lead: Lead | None = None, client: Client | None = None, by: Actor | User) -> None:
    """Say whose conversation `thread` is; a lead's contact date follows, never backwards.

    Raises:
        NotAllowed: `by` may not change conversations.
        BadInput: not exactly one of `lead` and `client`, or one that is deleted or that `by` may not see.
        IllegalMove: the conversation is deleted, or already theirs.
    """
    actor = Actor.of(by)
    actor.require("inbox.change_thread", "link a conversation")
    if (lead is None) == (client is None):
        raise BadInput("Choose a lead or a client to link the conversation to.")
    field = "client" if lead is None else "lead"
    target = reachable(lead or client, actor)
    was = getattr(lock(thread), field)
    if was == target:
        raise IllegalMove(f"The conversation “{thread}” is already linked to {target}.")
    # What it shows is read again, for another.
    Thread.everything.filter(pk=thread.pk).update(**{field: target}, noticed_count=0)
    thread.refresh_from_db()
    if lead is not None:
        contacted([thread])
    said = f"Conversation “{thread}” linked to {target}" + (f" instead of {was}" if was else "")
    metadata = {field: str(target.pk), "was": str(was.pk) if was else None}
    record(thread, "linked", about=target, by=by, summary=said, **metadata)


@transaction.atomic
def unlink(thread: Thread, whose: Lead | Client | None = None, *, by: Actor | User) -> None:
    """Take `thread` from its lead and its client, or from `whose` alone; contact dates stay: they never go backwards.

    Raises:
        NotAllowed: `by` may not change conversations.
        IllegalMove: it is deleted, or linked to nobody, or not to `whose`.
    """
    Actor.of(by).require("inbox.change_thread", "unlink a conversation")
    locked = lock(thread)
    linked = {"lead": locked.lead, "client": locked.client}
    taken = {field: one for field, one in linked.items() if one is not None and whose in (None, one)}
    if not taken:
        nobody = f"not linked to {whose}" if whose else "linked to nobody"
        raise IllegalMove(f"The conversation “{thread}” is {nobody}.")
    Thread.everything.filter(pk=thread.pk).update(**dict.fromkeys(taken))
    thread.refresh_from_db()
    said = f"Conversation “{thread}” is no longer linked to {' and '.join(str(one) for one in taken.values())}"
    for about in taken.values():
        record(thread, "unlinked", about=about, by=by, summary=said)


def reachable(target: Lead | Client, actor: Actor) -> Lead | Client:
    """`target` as it stands, if it is live and `actor` may see it.

    Raises:
        BadInput: it is not.
    """
    rows = type(target).objects.filter(pk=target.pk)
    if actor.user is not None:
        rows = rows.visible_to(actor.user)
    found = rows.first()
    if found is None:
        raise BadInput(f"There is no such {target._meta.verbose_name}, or it is deleted or not yours to see.")
    return found
