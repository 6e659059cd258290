"""One conversation made two, and two made one, by hand."""

from collections.abc import Collection, Sequence
from uuid import UUID

from django.db import connection, transaction

from crm.exceptions import BadInput, IllegalMove
from crm.models import User
from crm.records.activity import Actor, record
from inbox.incoming.batch_storage import LOCK, readable
from inbox.incoming.merging import MOST_APART, MOST_PARTICIPANTS, unite
from inbox.incoming.participants import our_addresses, outsiders
from inbox.incoming.threading import keys_of
from inbox.models import Message, Thread, ThreadKey
from inbox.thread_state import SAID, contacted, feel, recount, store, subject_of

APART = "apart_from"
BY_HAND = "joined by hand"


@transaction.atomic
def split(thread: Thread, messages: Collection[Message], *, by: Actor | User) -> Thread:
    """Move `messages` of `thread` into a conversation of their own, which is returned, and belongs to the same.

    What answers either half from then on goes to that half, and ties them together no more.

    Raises:
        NotAllowed: `by` may not change conversations.
        BadInput: none or all of the messages, one of another conversation or one that has not gone out.
        IllegalMove: the conversation is deleted, or not there for `by`.
    """
    actor = Actor.of(by)
    actor.require("inbox.change_thread", "split a conversation")
    (held,) = hold([thread], actor)
    moved = chosen(held, {one.pk for one in messages})
    new = half_of(held, moved)
    keys = {one.pk for one in moved}
    Message.objects.filter(pk__in=keys).update(thread=new)
    staying = list(Message.objects.filter(thread=held).order_by("sent_at", "message_id").defer("body_html"))
    move_identifiers(held, new, moved, staying)
    held.suggestions.filter(message__in=keys).update(thread=new)
    left_behind(held, moved, staying)
    stand([held, new])
    said = f"{count(len(moved))} of conversation “{held}” moved into a conversation of their own, “{new}”"
    record(held, "split", about=subject_of(held), by=by, summary=said, other=str(new.pk), messages=[*map(str, keys)])
    record(new, "began", by=by, summary=f"Split from conversation “{held}”", other=str(held.pk))
    thread.refresh_from_db()
    return new


@transaction.atomic
def join(thread: Thread, other: Thread, *, by: Actor | User) -> None:
    """Make `other` part of `thread`: all that was said in it, and what hangs on it. Splitting undoes it.

    Raises:
        NotAllowed: `by` may not change conversations.
        BadInput: they are one and the same, of two mailboxes or channels, or linked to different people.
        IllegalMove: one of them is deleted, or not there for `by`.
    """
    actor = Actor.of(by)
    actor.require("inbox.change_thread", "join conversations")
    if thread.pk == other.pk:
        raise BadInput("Choose another conversation: this one cannot be joined to itself.")
    kept, gone = hold([thread, other], actor)
    if reason := why_not_one(kept, gone):
        raise BadInput(reason)
    unite([(kept, gone)], by=by, why=BY_HAND)
    marks = [key for key in kept.metadata.get(APART, []) if key not in {str(kept.pk), str(gone.pk)}]
    kept.metadata = {**kept.metadata, APART: marks}
    kept.mailbox_id = kept.mailbox_id or gone.mailbox_id
    Thread.objects.filter(pk=kept.pk).update(mailbox=kept.mailbox_id)
    stand([kept])
    contacted([kept])
    record(gone, "joined", by=by, summary=f"Joined to conversation “{kept}”", other=str(kept.pk))
    thread.refresh_from_db()


def hold(threads: Sequence[Thread], actor: Actor) -> list[Thread]:
    """`threads` as they stand, held until the transaction ends; no mail of their mailboxes is taken in meanwhile.

    Raises:
        IllegalMove: one of them is deleted, or not there for `actor`.
    """
    keys = [one.pk for one in threads]
    boxes = {*ThreadKey.objects.filter(thread__in=keys).values_list("mailbox", flat=True)}
    boxes |= {one.mailbox_id for one in threads}
    with connection.cursor() as cursor:
        for box in sorted(str(box) for box in boxes if box):
            cursor.execute(LOCK, [box])
    rows = Thread.objects.filter(pk__in=keys).order_by("pk").select_for_update(of=("self",))
    if actor.user is not None:
        rows = rows.visible_to(actor.user)
    found = {row.pk: row for row in rows}
    for one in threads:
        if one.pk not in found:
            raise IllegalMove(f"The conversation “{one}” is deleted, or not yours to see.")
    return [found[key] for key in keys]


def chosen(held: Thread, keys: set[UUID]) -> list[Message]:
    """The messages of `held` that `keys` name, the oldest first.

    Raises:
        BadInput: they cannot stand for themselves.
    """
    rows = Message.objects.filter(thread=held)
    found = list(rows.filter(pk__in=keys).order_by("sent_at", "message_id").defer("body_html"))
    if not found or len(found) != len(keys):
        raise BadInput("Choose messages of this conversation.")
    if any(one.state not in SAID for one in found):
        raise BadInput("A mail that has not gone out stays where it was written.")
    if not rows.exclude(pk__in=keys).exists():
        raise BadInput("Leave at least one message in this conversation.")
    return found


def half_of(held: Thread, moved: list[Message]) -> Thread:
    """A new conversation for `moved`, of the same people and apart from `held`, which is apart from it; kept."""
    before = held.metadata.get(APART, [])
    new = Thread(
        mailbox_id=held.mailbox_id,
        source=held.source,
        status=held.status,
        subject=readable(moved[0].subject) or held.subject,
        lead_id=held.lead_id,
        client_id=held.client_id,
        project_id=held.project_id,
        assigned_to_id=held.assigned_to_id,
        metadata={APART: [*before, str(held.pk)][-MOST_APART:]},
    )
    ours = our_addresses()
    people = [person for one in moved for person in outsiders(one, ours)]
    new.participant_emails = list(dict.fromkeys(people))[:MOST_PARTICIPANTS]
    new.save(force_insert=True)
    held.metadata = {**held.metadata, APART: [*before, str(new.pk)][-MOST_APART:]}
    return new


def move_identifiers(held: Thread, new: Thread, moved: list[Message], staying: list[Message]) -> None:
    """Let the identifiers of `moved`, and those that only they refer to, lead to `new`."""
    theirs = {key for one in moved for key in keys_of(one)}
    others = {key for one in staying for key in keys_of(one)}
    goes = {one.message_id for one in moved} | (theirs - others)
    ThreadKey.objects.filter(thread=held, key__in=goes).update(thread=new)


def left_behind(held: Thread, moved: list[Message], staying: list[Message]) -> None:
    """Take out of `held`, in memory, who took part only in `moved`, and their subject where they began it."""
    ours = our_addresses()
    gone = {person for one in moved for person in outsiders(one, ours)}
    gone -= {person for one in staying for person in outsiders(one, ours)}
    held.participant_emails = [person for person in held.participant_emails if person not in gone]
    began, left = moved[0], staying[0]
    if began.sent_at <= left.sent_at and held.subject == readable(began.subject) and left.subject:
        held.subject = readable(left.subject)


def stand(threads: list[Thread]) -> None:
    """Write down where `threads` stand now; how they sound follows from what is left in them."""
    recount(threads)
    store(threads)
    for one in threads:
        judged = one.metadata.get("sentiment", {}).get("message")
        if judged and not Message.objects.filter(pk=judged, thread=one).exists():
            metadata = {name: value for name, value in one.metadata.items() if name != "sentiment"}
            Thread.objects.filter(pk=one.pk).update(sentiment=None, metadata=metadata)
    feel([one.pk for one in threads])
    for one in threads:
        one.refresh_from_db()


def why_not_one(kept: Thread, gone: Thread) -> str:
    """Why the two cannot be one, in a sentence; empty if they can."""
    if kept.source != gone.source:
        return f"They are of different channels: {kept.get_source_display()} and {gone.get_source_display()}."
    if kept.mailbox_id and gone.mailbox_id and kept.mailbox_id != gone.mailbox_id:
        return f"They lie in different mailboxes: {kept.mailbox} and {gone.mailbox}."
    pairs = [(kept.lead, gone.lead), (kept.client, gone.client)]
    if any(one and another and one != another for one, another in pairs) or (
        any(one for one, _ in pairs)
        and any(another for _, another in pairs)
        and not any(one and one == another for one, another in pairs)
    ):
        return f"They are linked to different people: {subject_of(kept)} and {subject_of(gone)}. Unlink one first."
    return ""


def count(number: int) -> str:
    return f"{number} message{'' if number == 1 else 's'}"
