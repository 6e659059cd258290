"""What is done to drafts: kept as they are typed, discarded, sent, and made again of a mail that did not go out."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.exceptions import BadInput, IllegalMove, NotAllowed, refusing
from crm.models import Client, User
from crm.records.activity import Actor, record
from crm.text.addresses import domain, house, visible
from crm.text.cleaning import without_nul
from inbox.attachments import LARGEST, keep
from inbox.drafts.recipients import addresses_in, unknown
from inbox.drafts.replies import quoted
from inbox.drafts.reply_conflicts import refuse_overtaken
from inbox.models import Dispatch, Draft, Mailbox, Message, MessageState, Thread, ThreadSource
from inbox.outgoing import outbox
from inbox.outgoing.send_queue import entitled, order, over
from inbox.thread_state import subject_of
from inbox.transitions import reachable
from leads.models import Lead

MOST_FILES = 10
LONGEST_NAME, LONGEST_TYPED = 150, 4_000
# What a mail program would take for something else than a file.
TYPE = re.compile(r"(?!multipart/|message/)[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,90}")
GAP = re.compile(r"\{\{[^{}\n]{0,60}\}\}|\{\{")
# Why a conversation without any message is there.
OPENED_FOR = "opened_for_draft"
ELSEWHERE = (
    "You have changed this draft elsewhere since you opened it here, in another tab perhaps. "
    "Copy what you wrote here, and open the draft again."
)
GONE = "This draft is no longer there: it was discarded, or it has become another."


class Unconfirmed(BadInput):
    """Somebody would be written to whom nobody knows; `addresses` must be ticked first."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        one = len(addresses) == 1
        said = f"{', '.join(addresses)} {'is' if one else 'are'} not known to us and {'was' if one else 'were'} never"
        super().__init__(f"{said} written to before: tick {'it' if one else 'them'} if that is meant.")


@dataclass(frozen=True)
class Words:
    """What stands in a draft, as it was typed."""

    to: str = ""
    cc: str = ""
    subject: str = ""
    body: str = ""
    quotes: bool = False


@dataclass(frozen=True)
class Place:
    """Where a draft belongs: into a conversation, as the answer to a message of it, or to whom it begins one."""

    thread: Thread | None = None
    lead: Lead | None = None
    client: Client | None = None
    reply_to: Message | None = None


# While it is written


@transaction.atomic
def save(key: UUID, version: int, words: Words, place: Place, *, by: User) -> Draft:
    """Keep `words` in the draft `key` of `by`, which is begun at `place` where there is none yet.

    `version` is what whoever typed it had before them (0: nothing). The same words once more change nothing.

    Raises:
        NotAllowed: `by` may not send messages, or it is somebody else's draft.
        IllegalMove: it was changed elsewhere since, or is no longer there.
        BadInput: something is too long, or `place` is none for a mail of `by`.
    """
    draft = own(key, by) or begun(key, place, by)
    changes = {name: without_nul(typed) if isinstance(typed, str) else typed for name, typed in vars(words).items()}
    if draft.version and all(getattr(draft, name) == text for name, text in changes.items()):
        return draft
    if draft.version != version:
        raise IllegalMove(ELSEWHERE)
    if len(words.to) + len(words.cc) > LONGEST_TYPED or len(words.body) > outbox.LONGEST:
        raise BadInput(f"That is too long to be kept: a mail has at most {outbox.LONGEST:,} characters.")
    for name, text in changes.items():
        setattr(draft, name, text)
    return written(draft)


def own(key: UUID, by: User) -> Draft | None:
    """The draft `key`, held until the transaction ends; None where it was never begun."""
    Actor.of(by).require(outbox.SEND, "send messages")
    draft = Draft.everything.select_for_update().filter(pk=key).first()
    if draft is not None and draft.author_id != by.pk:
        raise NotAllowed("That is somebody else's draft.")
    if draft is not None and draft.is_deleted:
        raise IllegalMove(GONE)
    return draft


def begun(key: UUID, place: Place, by: User) -> Draft:
    """A new draft; if the same is begun twice at once, one of them."""
    draft = Draft(pk=key, author=by, **vars(place))
    check_place(draft, by)
    with refusing():
        Draft.objects.bulk_create([draft], ignore_conflicts=True)
    found = own(key, by)
    if found is None:
        raise IllegalMove(ELSEWHERE)
    return found


def written(draft: Draft) -> Draft:
    """Keep `draft`, which the caller holds, as it stands now."""
    draft.version += 1
    with refusing():
        draft.clean_fields()
        draft.save()
    return draft


def check_place(draft: Draft, by: User) -> None:
    """Refuse a draft that leads where `by` may not go.

    Raises:
        IllegalMove: the conversation is deleted.
        BadInput: it is no conversation by mail, or `by` may not see whom it is for.
    """
    thread = draft.thread
    if thread is None:
        for one in (draft.lead, draft.client):
            if one is not None:
                reachable(one, Actor.of(by))
        return
    if not Thread.everything.visible_to(by).filter(pk=thread.pk).exists():
        raise BadInput("There is no such conversation, or it is not yours to see.")
    if thread.is_deleted:
        raise IllegalMove(f"The conversation “{thread}” is deleted; restore it first.")
    if thread.source != ThreadSource.EMAIL:
        raise BadInput("Only what was said by mail is answered by mail: write a new mail instead.")


@transaction.atomic
def discard(draft: Draft, *, by: User) -> None:
    """Throw `draft` away.

    Raises:
        NotAllowed: `by` may not send messages, or it is somebody else's.
        IllegalMove: it is no longer there.
    """
    own(draft.pk, by)
    Draft.objects.filter(pk=draft.pk).update(deleted_at=Now())


def forget(before: datetime) -> int:
    """Remove for ever what was sent or discarded before that moment; how many."""
    count, _ = Draft.everything.filter(deleted_at__lt=before).delete()
    return count


# What is attached


@transaction.atomic
def attach(draft: Draft, files: Sequence[UploadedFile], *, by: User) -> Draft:
    """Put `files` to `draft`.

    Raises:
        IllegalMove: they are too many or too large to be mailed, or the draft is no longer there.
    """
    draft = own(draft.pk, by)
    if len(draft.attachments) + len(files) > MOST_FILES:
        raise IllegalMove(f"At most {MOST_FILES} files go along with a mail.")
    total = sum(entry["size"] for entry in draft.attachments) + sum(file.size for file in files)
    if total > LARGEST:
        raise IllegalMove(f"The files have {total:,} bytes together, and at most {LARGEST:,} can be mailed.")
    for file in files:
        kind = (file.content_type or "").lower()
        sort = kind if TYPE.fullmatch(kind) else "application/octet-stream"
        draft.attachments.append(keep(named(file.name), sort, file.read()))
    return written(draft)


def named(name: str | None) -> str:
    """What a file is called in the mail: the last part of its path, with nothing hidden in it."""
    last = visible(re.split(r"[/\\]", name or "")[-1]).replace('"', "'").strip(". ")
    stem, dot, ending = last.rpartition(".")
    if dot and len(ending) <= 10:
        return f"{stem[: LONGEST_NAME - len(ending) - 1]}.{ending}"
    return last[:LONGEST_NAME] or "file"


@transaction.atomic
def detach(draft: Draft, digest: str, *, by: User) -> Draft:
    """Take the file with that digest from `draft`."""
    draft = own(draft.pk, by)
    draft.attachments = [entry for entry in draft.attachments if entry["sha256"] != digest]
    return written(draft)


# Out of the house, and back


@transaction.atomic
def send(draft: Draft, *, confirmed: Collection[str] = (), seen: UUID | None = None, by: User) -> Message:
    """Have `draft` sent in a moment, until which it can be taken back; sent twice, it is one mail.

    `confirmed` are the addresses that nobody knows and that `by` has ticked, `seen` the message that came meanwhile.

    Raises:
        NotAllowed: `by` may not send messages, or it is somebody else's.
        BadInput: it cannot be sent as it stands: `Unconfirmed` for somebody unknown, `Overtaken` by what came since.
        IllegalMove: it was discarded, or its conversation is deleted.
    """
    if (gone := sent_as(draft.pk, by=by)) is not None:
        return gone
    draft = own(draft.pk, by)
    if draft is None:
        raise IllegalMove(GONE)
    check_place(draft, by)
    to, cc = outbox.addressed(addresses_in(draft.to), addresses_in(draft.cc))
    refuse_gaps(draft)
    refuse_overtaken(draft, seen)
    whose = draft.thread or draft
    new = unknown([*to, *cc], thread=draft.thread, lead=whose.lead, client=whose.client)
    if left := [one for one in new if one.lower() not in {tick.lower() for tick in confirmed}]:
        raise Unconfirmed(left)
    message = outbox.compose(
        draft.thread or conversation_for(draft, by),
        sender=by,
        to=to,
        cc=cc,
        subject=draft.subject,
        text=whole(draft),
        message_id=f"<{uuid7()}@{domain()}>",
        reply_to_message=draft.reply_to,
        attachments=draft.attachments,
        by=by,
    )
    Draft.objects.filter(pk=draft.pk).update(deleted_at=Now(), message=message, version=F("version") + 1)
    order(message, by=by)
    return message


def sent_as(key: UUID, *, by: User) -> Message | None:
    """As which mail the draft `key` of `by` has left, if it has and was not taken back."""
    draft = Draft.everything.select_related("message").filter(pk=key, author=by).first()
    message = draft.message if draft else None
    return message if message is not None and not message.is_deleted else None


def refuse_gaps(draft: Draft) -> None:
    """Refuse a mail in which something of a template is still to be filled in.

    Raises:
        BadInput: the sentence names what.
    """
    gaps = list(dict.fromkeys(GAP.findall(f"{draft.subject}\n{draft.body}")))
    if gaps:
        shown = ", ".join(gaps[:5])
        raise BadInput(f"Not filled in yet: {shown}. Write in its place what belongs there, or take it out.")
    if not draft.subject.strip():
        raise BadInput("Say what it is about: the subject is empty.")


def whole(draft: Draft) -> str:
    """The text as it goes out, with what it answers beneath it where that is wanted."""
    repeated = quoted(draft.reply_to) if draft.quotes and draft.reply_to else ""
    text = outbox.worded(draft.body)
    return f"{text}\n\n{repeated}" if repeated else text


def conversation_for(draft: Draft, by: User) -> Thread:
    """The conversation that `draft` begins, in the mailbox that its answers come to."""
    boxes = Mailbox.objects.connected()
    thread = Thread(
        source=ThreadSource.EMAIL,
        subject=draft.subject.strip()[:500],
        lead=draft.lead,
        client=draft.client,
        mailbox=boxes.filter(owner=by).order_by("id").first() or boxes.filter(address__iexact=house()[1]).first(),
        metadata={OPENED_FOR: str(draft.pk)},
    )
    with refusing():
        thread.full_clean()
        thread.save(force_insert=True)
    return thread


@transaction.atomic
def take_back(message: Message, *, by: User) -> Draft:
    """Keep a mail that waits from going out; it is a draft of `by` again.

    Raises:
        NotAllowed: `by` may not send messages.
        IllegalMove: it is on its way or has gone out, or it belongs to a suggestion.
    """
    dispatch = entitled(message, by)
    outbox.withdraw(message)
    return handed_back(dispatch, "taken back", by)


@transaction.atomic
def edit_as_new(message: Message, *, by: User) -> Draft:
    """Make a draft of `by` of a mail that did not go out; it leaves the conversation.

    Raises:
        NotAllowed: `by` may not send messages.
        IllegalMove: it has gone out, or may have, or it belongs to a suggestion.
    """
    dispatch = entitled(message, by, MessageState.FAILED)
    outbox.take_out(message)
    return handed_back(dispatch, "handed back", by)


def handed_back(dispatch: Dispatch, verb: str, by: User) -> Draft:
    """The mail of `dispatch`, which is no longer in its conversation, as a draft of `by`."""
    message, thread = dispatch.message, dispatch.message.thread
    over(dispatch)
    said = f"Mail “{message}” to {', '.join(message.to_emails)} {verb}, to be worked on"
    record(thread, verb, about=subject_of(thread), by=by, summary=said)
    answered = answered_by(message)
    repeated = f"\n\n{quoted(answered)}" if answered and quoted(answered) else ""
    draft = Draft(
        author=by,
        thread=thread,
        reply_to=answered,
        to=", ".join(message.to_emails),
        cc=", ".join(message.cc_emails),
        subject=message.subject,
        body=message.body_text.removesuffix(repeated),
        quotes=bool(repeated) and message.body_text.endswith(repeated),
        attachments=[{key: entry[key] for key in entry if key != "url"} for entry in message.attachments],
    )
    if OPENED_FOR in thread.metadata and not thread.messages.filter(deleted_at=None).exists():
        draft.thread, draft.lead, draft.client = None, thread.lead, thread.client
        Thread.objects.filter(pk=thread.pk).update(deleted_at=timezone.now())
        return written(draft)
    begun_since = Draft.objects.select_for_update().filter(author=by, thread=thread).first()
    return written(joined(draft, begun_since) if begun_since else draft)


def answered_by(message: Message) -> Message | None:
    """What `message` answers: as its draft says, or, where that is gone, as the mail itself does."""
    began = Draft.everything.filter(message=message).select_related("reply_to").first()
    if began is not None:
        return began.reply_to
    return (
        Message.objects.filter(thread=message.thread_id, message_id=message.in_reply_to).exclude(message_id="").first()
    )


def joined(draft: Draft, other: Draft) -> Draft:
    """`other` with all that stands in `draft` before what stands in it: there is one draft in a conversation."""
    other.body = f"{draft.body}\n\n{other.body}".strip()
    other.to, other.cc, other.subject = draft.to, draft.cc, draft.subject
    other.reply_to, other.quotes = draft.reply_to, draft.quotes
    held = {entry["sha256"] for entry in draft.attachments}
    other.attachments = [*draft.attachments, *(entry for entry in other.attachments if entry["sha256"] not in held)]
    return other
