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

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted, errors_as_invalid_input
from crm.models import Client, User
from crm.records.activity import Actor, record
from crm.text.addresses import agency_domain, agency_sender
from crm.text.cleaning import strip_nul
from crm.text.hidden_characters import strip_hidden_characters
from inbox.attachments import MAX_ATTACHMENT_BYTES, store_attachment
from inbox.drafts.recipients import find_unknown_addresses, parse_typed_addresses
from inbox.drafts.replies import quote_message
from inbox.drafts.reply_conflicts import check_reply_conflict
from inbox.models import Draft, EmailDelivery, Mailbox, Message, MessageState, Thread, ThreadSource
from inbox.outgoing import outbox
from inbox.outgoing.send_queue import enqueue_send, finish, lock_delivery_for_user, withdraw
from inbox.thread_state import timeline_owner_of
from inbox.transitions import require_visible
from leads.models import Lead

MAX_ATTACHMENTS = 10
MAX_FILE_NAME_LENGTH, MAX_RECIPIENTS_LENGTH = 150, 4_000
# What a mail program would take for something else than a file.
SAFE_CONTENT_TYPE = re.compile(r"(?!multipart/|message/)[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,90}")
UNFILLED_PLACEHOLDER = re.compile(r"\{\{[^{}\n]{0,60}\}\}|\{\{")
# Why a conversation without any message is there.
OPENED_FOR_DRAFT = "opened_for_draft"
CHANGED_ELSEWHERE = (
    "You have changed this draft elsewhere since you opened it here, in another tab perhaps. "
    "Copy what you wrote here, and open the draft again."
)
DRAFT_MISSING = "This draft is no longer there: it was discarded, or it has become another."


class UnconfirmedRecipients(InvalidInput):
    """Somebody would be written to whom nobody knows; `addresses` must be ticked first."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        one = len(addresses) == 1
        problem = (
            f"{', '.join(addresses)} {'is' if one else 'are'} not known to us and {'was' if one else 'were'} never"
        )
        super().__init__(f"{problem} written to before: tick {'it' if one else 'them'} if that is meant.")


@dataclass(frozen=True)
class DraftContent:
    """What stands in a draft, as it was typed."""

    to: str = ""
    cc: str = ""
    subject: str = ""
    body: str = ""
    quotes: bool = False


@dataclass(frozen=True)
class DraftDestination:
    """Where a draft belongs: into a conversation, as the answer to a message of it, or to whom it begins one."""

    thread: Thread | None = None
    lead: Lead | None = None
    client: Client | None = None
    reply_to: Message | None = None


# While it is written


@transaction.atomic
def save(key: UUID, version: int, content: DraftContent, destination: DraftDestination, *, by: User) -> Draft:
    """Keep `content` in the draft `key` of `by`, which is begun at `destination` where there is none yet.

    `version` is what whoever typed it had before them (0: nothing). The same words once more change nothing.

    Raises:
        NotPermitted: `by` may not send messages, or it is somebody else's draft.
        IllegalTransition: it was changed elsewhere since, or is no longer there.
        InvalidInput: something is too long, or `destination` is none for a mail of `by`.
    """
    draft = lock_own_draft(key, by) or create_draft(key, destination, by)
    changes = {name: strip_nul(value) if isinstance(value, str) else value for name, value in vars(content).items()}
    if draft.version and all(getattr(draft, name) == text for name, text in changes.items()):
        return draft
    if draft.version != version:
        raise IllegalTransition(CHANGED_ELSEWHERE)
    if len(content.to) + len(content.cc) > MAX_RECIPIENTS_LENGTH or len(content.body) > outbox.MAX_EMAIL_LENGTH:
        raise InvalidInput(f"That is too long to be kept: a mail has at most {outbox.MAX_EMAIL_LENGTH:,} characters.")
    for name, text in changes.items():
        setattr(draft, name, text)
    return save_version(draft)


def lock_own_draft(key: UUID, by: User) -> Draft | None:
    """The draft `key`, held until the transaction ends; None where it was never begun."""
    Actor.of(by).require_permission(outbox.SEND_PERMISSION, "send messages")
    draft = Draft.everything.select_for_update().filter(pk=key).first()
    if draft is not None and draft.author_id != by.pk:
        raise NotPermitted("That is somebody else's draft.")
    if draft is not None and draft.is_deleted:
        raise IllegalTransition(DRAFT_MISSING)
    return draft


def create_draft(key: UUID, destination: DraftDestination, by: User) -> Draft:
    """A new draft; if the same is begun twice at once, one of them."""
    draft = Draft(pk=key, author=by, **vars(destination))
    check_destination(draft, by)
    with errors_as_invalid_input():
        Draft.objects.bulk_create([draft], ignore_conflicts=True)
    existing = lock_own_draft(key, by)
    if existing is None:
        raise IllegalTransition(CHANGED_ELSEWHERE)
    return existing


def save_version(draft: Draft) -> Draft:
    """Keep `draft`, which the caller holds, as it stands now."""
    draft.version += 1
    with errors_as_invalid_input():
        draft.clean_fields()
        draft.save()
    return draft


def check_destination(draft: Draft, by: User) -> None:
    """Refuse a draft that leads where `by` may not go.

    Raises:
        IllegalTransition: the conversation is deleted.
        InvalidInput: it is no conversation by mail, or `by` may not see whom it is for.
    """
    thread = draft.thread
    if thread is None:
        for one in (draft.lead, draft.client):
            if one is not None:
                require_visible(one, Actor.of(by))
        return
    if not Thread.everything.visible_to(by).filter(pk=thread.pk).exists():
        raise InvalidInput("There is no such conversation, or it is not yours to see.")
    if thread.is_deleted:
        raise IllegalTransition(f"The conversation “{thread}” is deleted; restore it first.")
    if thread.source != ThreadSource.EMAIL:
        raise InvalidInput("Only what was said by mail is answered by mail: write a new mail instead.")


@transaction.atomic
def discard(draft: Draft, *, by: User) -> None:
    """Throw `draft` away.

    Raises:
        NotPermitted: `by` may not send messages, or it is somebody else's.
        IllegalTransition: it is no longer there.
    """
    lock_own_draft(draft.pk, by)
    Draft.objects.filter(pk=draft.pk).update(deleted_at=Now())


def delete_old_drafts(before: datetime) -> int:
    """Remove for ever what was sent or discarded before that moment; how many."""
    count, _ = Draft.everything.filter(deleted_at__lt=before).delete()
    return count


# What is attached


@transaction.atomic
def attach(draft: Draft, files: Sequence[UploadedFile], *, by: User) -> Draft:
    """Put `files` to `draft`.

    Raises:
        IllegalTransition: they are too many or too large to be mailed, or the draft is no longer there.
    """
    draft = lock_own_draft(draft.pk, by)
    if len(draft.attachments) + len(files) > MAX_ATTACHMENTS:
        raise IllegalTransition(f"At most {MAX_ATTACHMENTS} files go along with a mail.")
    total = sum(entry["size"] for entry in draft.attachments) + sum(file.size for file in files)
    if total > MAX_ATTACHMENT_BYTES:
        raise IllegalTransition(
            f"The files have {total:,} bytes together, and at most {MAX_ATTACHMENT_BYTES:,} can be mailed."
        )
    for file in files:
        kind = (file.content_type or "").lower()
        safe_type = kind if SAFE_CONTENT_TYPE.fullmatch(kind) else "application/octet-stream"
        draft.attachments.append(store_attachment(safe_file_name(file.name), safe_type, file.read()))
    return save_version(draft)


def safe_file_name(name: str | None) -> str:
    """What a file is called in the mail: the last part of its path, with nothing hidden in it."""
    last = strip_hidden_characters(re.split(r"[/\\]", name or "")[-1]).replace('"', "'").strip(". ")
    stem, dot, ending = last.rpartition(".")
    if dot and len(ending) <= 10:
        return f"{stem[: MAX_FILE_NAME_LENGTH - len(ending) - 1]}.{ending}"
    return last[:MAX_FILE_NAME_LENGTH] or "file"


@transaction.atomic
def detach(draft: Draft, digest: str, *, by: User) -> Draft:
    """Take the file with that digest from `draft`."""
    draft = lock_own_draft(draft.pk, by)
    draft.attachments = [entry for entry in draft.attachments if entry["sha256"] != digest]
    return save_version(draft)


# Out of the house, and back


@transaction.atomic
def send(draft: Draft, *, confirmed: Collection[str] = (), seen: UUID | None = None, by: User) -> Message:
    """Have `draft` sent in a moment, until which it can be taken back; sent twice, it is one mail.

    `confirmed` are the addresses that nobody knows and that `by` has ticked, `seen` the message that came meanwhile.

    Raises:
        NotPermitted: `by` may not send messages, or it is somebody else's.
        InvalidInput: it cannot be sent as it stands: `UnconfirmedRecipients` for somebody unknown, `Overtaken` by what came since.
        IllegalTransition: it was discarded, or its conversation is deleted.
    """
    if (sent_message := find_sent_message(draft.pk, by=by)) is not None:
        return sent_message
    draft = lock_own_draft(draft.pk, by)
    if draft is None:
        raise IllegalTransition(DRAFT_MISSING)
    check_destination(draft, by)
    to, cc = outbox.check_recipients(parse_typed_addresses(draft.to), parse_typed_addresses(draft.cc))
    check_unfilled_placeholders(draft)
    check_reply_conflict(draft, seen)
    linked = draft.thread or draft
    unknown_addresses = find_unknown_addresses([*to, *cc], thread=draft.thread, lead=linked.lead, client=linked.client)
    if unconfirmed := [one for one in unknown_addresses if one.lower() not in {tick.lower() for tick in confirmed}]:
        raise UnconfirmedRecipients(unconfirmed)
    message = outbox.compose(
        draft.thread or create_thread_for_draft(draft, by),
        sender=by,
        to=to,
        cc=cc,
        subject=draft.subject,
        text=outgoing_text(draft),
        message_id=f"<{uuid7()}@{agency_domain()}>",
        reply_to_message=draft.reply_to,
        attachments=draft.attachments,
        by=by,
    )
    Draft.objects.filter(pk=draft.pk).update(deleted_at=Now(), message=message, version=F("version") + 1)
    enqueue_send(message, by=by)
    return message


def find_sent_message(key: UUID, *, by: User) -> Message | None:
    """As which mail the draft `key` of `by` has left, if it has and was not taken back."""
    draft = Draft.everything.select_related("message").filter(pk=key, author=by).first()
    message = draft.message if draft else None
    return message if message is not None and not message.is_deleted else None


def check_unfilled_placeholders(draft: Draft) -> None:
    """Refuse a mail in which something of a template is still to be filled in.

    Raises:
        InvalidInput: the sentence names what.
    """
    placeholders = list(dict.fromkeys(UNFILLED_PLACEHOLDER.findall(f"{draft.subject}\n{draft.body}")))
    if placeholders:
        examples = ", ".join(placeholders[:5])
        raise InvalidInput(f"Not filled in yet: {examples}. Write in its place what belongs there, or take it out.")
    if not draft.subject.strip():
        raise InvalidInput("Say what it is about: the subject is empty.")


def outgoing_text(draft: Draft) -> str:
    """The text as it goes out, with what it answers beneath it where that is wanted."""
    quoted_text = quote_message(draft.reply_to) if draft.quotes and draft.reply_to else ""
    text = outbox.check_body(draft.body)
    return f"{text}\n\n{quoted_text}" if quoted_text else text


def create_thread_for_draft(draft: Draft, by: User) -> Thread:
    """The conversation that `draft` begins, in the mailbox that its answers come to."""
    mailboxes = Mailbox.objects.connected()
    thread = Thread(
        source=ThreadSource.EMAIL,
        subject=draft.subject.strip()[:500],
        lead=draft.lead,
        client=draft.client,
        mailbox=mailboxes.filter(owner=by).order_by("id").first()
        or mailboxes.filter(address__iexact=agency_sender()[1]).first(),
        metadata={OPENED_FOR_DRAFT: str(draft.pk)},
    )
    with errors_as_invalid_input():
        thread.full_clean()
        thread.save(force_insert=True)
    return thread


@transaction.atomic
def take_back(message: Message, *, by: User) -> Draft:
    """Keep a mail that waits from going out; it is a draft of `by` again.

    Raises:
        NotPermitted: `by` may not send messages.
        IllegalTransition: it is on its way or has gone out, or it belongs to a suggestion.
    """
    delivery = lock_delivery_for_user(message, by)
    withdraw(message)
    return restore_as_draft(delivery.row, "taken back", by)


@transaction.atomic
def edit_as_new(message: Message, *, by: User) -> Draft:
    """Make a draft of `by` of a mail that did not go out; it leaves the conversation.

    Raises:
        NotPermitted: `by` may not send messages.
        IllegalTransition: it has gone out, or may have, or it belongs to a suggestion.
    """
    delivery = lock_delivery_for_user(message, by, MessageState.FAILED)
    outbox.remove_from_thread(message)
    return restore_as_draft(delivery.row, "handed back", by)


def restore_as_draft(delivery: EmailDelivery, verb: str, by: User) -> Draft:
    """The mail of `delivery`, which is no longer in its conversation, as a draft of `by`."""
    message, thread = delivery.message, delivery.message.thread
    finish(delivery)
    summary = f"Mail “{message}” to {', '.join(message.to_emails)} {verb}, to be worked on"
    record(thread, verb, timeline_owner=timeline_owner_of(thread), by=by, summary=summary)
    replied_message = find_replied_message(message)
    quoted_text = f"\n\n{quote_message(replied_message)}" if replied_message and quote_message(replied_message) else ""
    draft = Draft(
        author=by,
        thread=thread,
        reply_to=replied_message,
        to=", ".join(message.to_emails),
        cc=", ".join(message.cc_emails),
        subject=message.subject,
        body=message.body_text.removesuffix(quoted_text),
        quotes=bool(quoted_text) and message.body_text.endswith(quoted_text),
        attachments=[{key: entry[key] for key in entry if key != "url"} for entry in message.attachments],
    )
    if OPENED_FOR_DRAFT in thread.metadata and not thread.messages.filter(deleted_at=None).exists():
        draft.thread, draft.lead, draft.client = None, thread.lead, thread.client
        Thread.objects.filter(pk=thread.pk).update(deleted_at=timezone.now())
        return save_version(draft)
    newer_draft = Draft.objects.select_for_update().filter(author=by, thread=thread).first()
    return save_version(merge_drafts(draft, newer_draft) if newer_draft else draft)


def find_replied_message(message: Message) -> Message | None:
    """What `message` answers: as its draft says, or, where that is gone, as the mail itself does."""
    sent_draft = Draft.everything.filter(message=message).select_related("reply_to").first()
    if sent_draft is not None:
        return sent_draft.reply_to
    return (
        Message.objects.filter(thread=message.thread_id, message_id=message.in_reply_to).exclude(message_id="").first()
    )


def merge_drafts(draft: Draft, other: Draft) -> Draft:
    """`other` with all that stands in `draft` before what stands in it: there is one draft in a conversation."""
    other.body = f"{draft.body}\n\n{other.body}".strip()
    other.to, other.cc, other.subject = draft.to, draft.cc, draft.subject
    other.reply_to, other.quotes = draft.reply_to, draft.quotes
    digests = {entry["sha256"] for entry in draft.attachments}
    other.attachments = [*draft.attachments, *(entry for entry in other.attachments if entry["sha256"] not in digests)]
    return other
