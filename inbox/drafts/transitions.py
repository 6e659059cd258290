"""State changes of drafts: save, discard, send, and restore from an email that was not sent."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted, errors_as_invalid_input
from crm.models import Client, User
from crm.records.activity import Actor, record
from crm.records.privacy.suppression import digests_of
from crm.text.addresses import agency_domain, agency_sender
from crm.text.cleaning import strip_nul
from inbox.drafts.recipients import find_unknown_addresses, parse_typed_addresses
from inbox.drafts.replies import quote_message
from inbox.drafts.reply_conflicts import check_reply_conflict
from inbox.drafts.scheduled import refusal_of_email
from inbox.email_templates.signatures import load_signature, remove_signature, signature_block
from inbox.models import Draft, EmailDelivery, Mailbox, Message, MessageState, Thread, ThreadSource
from inbox.outgoing import outbox
from inbox.outgoing.send_queue import enqueue_send, finish, lock_delivery_for_user, schedule_send, withdraw
from inbox.thread_state import timeline_owner_of
from inbox.transitions import require_visible
from leads.models import Lead

MAX_RECIPIENTS_LENGTH = 4_000
UNFILLED_PLACEHOLDER = re.compile(r"\{\{[^{}\n]{0,80}\}\}|\{\{|\[\[[^\[\]\n]{1,100}\]\]")
# Metadata key of a thread that was created for a draft and has no messages yet.
OPENED_FOR_DRAFT = "opened_for_draft"
CHANGED_ELSEWHERE = (
    "You changed this draft elsewhere, perhaps in another tab, after opening it here. "
    "Copy your text and open the draft again."
)
DRAFT_MISSING = "This draft no longer exists: it was sent, discarded or merged."


class UnconfirmedRecipients(InvalidInput):
    """The email has unknown recipients; the author must confirm `addresses` first."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        is_single = len(addresses) == 1
        problem = "is not in our records and was" if is_single else "are not in our records and were"
        hint = "Tick the address" if is_single else "Tick the addresses"
        super().__init__(f"{', '.join(addresses)} {problem} never emailed before. {hint} to send anyway.")


@dataclass(frozen=True)
class DraftContent:
    """The content of a draft, as typed."""

    to: str = ""
    cc: str = ""
    subject: str = ""
    body: str = ""
    quotes: bool = False
    signs: bool = True


@dataclass(frozen=True)
class DraftDestination:
    """Where a draft belongs: a reply in `thread`, or a new thread for a lead or client."""

    thread: Thread | None = None
    lead: Lead | None = None
    client: Client | None = None
    reply_to: Message | None = None


# Writing


@transaction.atomic
def save(key: UUID, version: int, content: DraftContent, destination: DraftDestination, *, by: User) -> Draft:
    """Save `content` as the draft `key` of `by`. Create the draft for `destination` if it does not exist.

    `version` is the version that the author was editing (0: a new draft). Unchanged content changes nothing.

    Raises:
        NotPermitted: `by` may not send messages, or the draft belongs to another user.
        IllegalTransition: the draft was changed elsewhere since, or no longer exists.
        InvalidInput: the content is too long, or `by` may not write to `destination`.
    """
    draft = lock_own_draft(key, by) or create_draft(key, destination, by)
    changes = {name: strip_nul(value) if isinstance(value, str) else value for name, value in vars(content).items()}
    if draft.version and all(getattr(draft, name) == text for name, text in changes.items()):
        return draft
    if draft.version != version:
        raise IllegalTransition(CHANGED_ELSEWHERE)
    if len(content.to) + len(content.cc) > MAX_RECIPIENTS_LENGTH or len(content.body) > outbox.MAX_EMAIL_LENGTH:
        raise InvalidInput(
            f"The draft is too long: the limit is {outbox.MAX_EMAIL_LENGTH:,} characters for the text "
            f"and {MAX_RECIPIENTS_LENGTH:,} for the recipients."
        )
    for name, text in changes.items():
        setattr(draft, name, text)
    return save_version(draft)


def lock_own_draft(key: UUID, by: User) -> Draft | None:
    """Return the draft `key`, locked until the transaction ends; None if it does not exist yet.

    Raises:
        NotPermitted: `by` may not send messages, or the draft belongs to another user.
        IllegalTransition: the draft was sent or discarded.
    """
    Actor.of(by).require_permission(outbox.SEND_PERMISSION, "send messages")
    draft = Draft.everything.select_for_update().filter(pk=key).first()
    if draft is not None and draft.author_id != by.pk:
        raise NotPermitted("This draft belongs to another user.")
    if draft is not None and draft.is_deleted:
        raise IllegalTransition(DRAFT_MISSING)
    return draft


def create_draft(key: UUID, destination: DraftDestination, by: User) -> Draft:
    """Create the draft `key`. If two requests create it at once, both return the same draft."""
    draft = Draft(pk=key, author=by, **vars(destination))
    check_destination(draft, by)
    with errors_as_invalid_input():
        Draft.objects.bulk_create([draft], ignore_conflicts=True)
    existing = lock_own_draft(key, by)
    if existing is None:
        raise IllegalTransition(CHANGED_ELSEWHERE)
    return existing


def save_version(draft: Draft) -> Draft:
    """Save `draft`, which the caller has locked, as a new version."""
    draft.version += 1
    with errors_as_invalid_input():
        draft.clean_fields()
        draft.save()
    return draft


def check_destination(draft: Draft, by: User) -> None:
    """Refuse a draft for a thread or record that `by` may not write to.

    Raises:
        IllegalTransition: the thread is deleted.
        InvalidInput: no email can be written into the thread, or `by` may not see the thread, lead or client.
    """
    thread = draft.thread
    if thread is None:
        for one in (draft.lead, draft.client):
            if one is not None:
                require_visible(one, Actor.of(by))
        return
    if not Thread.everything.visible_to(by).filter(pk=thread.pk).exists():
        raise InvalidInput("This conversation does not exist, or you do not have access to it.")
    if thread.is_deleted:
        raise IllegalTransition(f"The conversation “{thread}” is deleted; restore it first.")
    if not thread.accepts_email:
        raise InvalidInput("This conversation cannot be replied to by email. Write a new email instead.")


@transaction.atomic
def discard(draft: Draft, *, by: User) -> None:
    """Discard `draft`.

    Raises:
        NotPermitted: `by` may not send messages, or the draft belongs to another user.
        IllegalTransition: the draft was sent or discarded.
    """
    lock_own_draft(draft.pk, by)
    Draft.objects.filter(pk=draft.pk).update(deleted_at=Now())


def delete_old_drafts(before: datetime) -> int:
    """Delete permanently the drafts that were sent or discarded before `before`. Return how many."""
    count, _ = Draft.everything.filter(deleted_at__lt=before).delete()
    return count


# Sending and taking back


@transaction.atomic
def send(
    draft: Draft,
    *,
    confirmed: Collection[str] = (),
    seen: UUID | None = None,
    at: datetime | None = None,
    by: User,
) -> Message:
    """Queue `draft` for sending at `at` (default: after the undo window). Sending it twice sends one email.

    `confirmed` are the unknown addresses that `by` has ticked; `seen` is the newer message that `by` was warned about.

    Raises:
        NotPermitted: `by` may not send messages, or the draft belongs to another user.
        InvalidInput: the draft cannot be sent as it is, or not at `at`: `UnconfirmedRecipients` for unknown addresses,
            `ReplyConflict` for a newer message.
        IllegalTransition: the draft was discarded, or its thread is deleted.
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
    unknown_addresses = check_unknown_addresses(draft, [*to, *cc], confirmed)
    message = compose_draft(draft, to, cc, by)
    Draft.objects.filter(pk=draft.pk).update(deleted_at=Now(), message=message, version=F("version") + 1)
    if at is None:
        enqueue_send(message, by=by)
        return message
    check_allows_email(message)
    schedule_send(message, at, confirmed_digests=digests_of([one.lower() for one in unknown_addresses], []), by=by)
    return message


def compose_draft(draft: Draft, to: list[str], cc: list[str], by: User) -> Message:
    """Return the email of `draft`, in its thread or in a new one."""
    return outbox.compose(
        draft.thread or create_thread_for_draft(draft, by),
        sender=by,
        to=to,
        cc=cc,
        subject=draft.subject,
        text=outbox.check_body(draft.body),
        plain_below=text_below(draft, by),
        message_id=f"<{uuid7()}@{agency_domain()}>",
        reply_to_message=draft.reply_to,
        attachments=draft.attachments,
        by=by,
    )


def check_unknown_addresses(draft: Draft, recipients: list[str], confirmed: Collection[str]) -> list[str]:
    """Return the unknown addresses among `recipients`, all of which are `confirmed`.

    Raises:
        UnconfirmedRecipients: one is not.
    """
    linked = draft.thread or draft
    found = find_unknown_addresses(recipients, thread=draft.thread, lead=linked.lead, client=linked.client)
    ticked = {one.lower() for one in confirmed}
    if unconfirmed := [one for one in found if one.lower() not in ticked]:
        raise UnconfirmedRecipients(unconfirmed)
    return found


def check_allows_email(message: Message) -> None:
    """Refuse to schedule `message` for a lead or client who does not want email: it would be held.

    Raises:
        InvalidInput: the sentence says so.
    """
    thread = message.thread
    if refusal := refusal_of_email(thread.lead, thread.client, is_answer=bool(message.in_reply_to)):
        raise InvalidInput(refusal)


def find_sent_message(key: UUID, *, by: User) -> Message | None:
    """Return the email that the draft `key` of `by` was sent as; None if it was not sent, or taken back."""
    draft = Draft.everything.select_related("message").filter(pk=key, author=by).first()
    message = draft.message if draft else None
    return message if message is not None and not message.is_deleted else None


def check_unfilled_placeholders(draft: Draft) -> None:
    """Refuse an email with unfilled placeholders or without a subject.

    Raises:
        InvalidInput: the text names the placeholders.
    """
    placeholders = list(dict.fromkeys(UNFILLED_PLACEHOLDER.findall(f"{draft.subject}\n{draft.body}")))
    if placeholders:
        examples = ", ".join(placeholders[:5])
        raise InvalidInput(f"Fill in or remove the placeholders: {examples}.")
    if not draft.subject.strip():
        raise InvalidInput("Enter a subject.")


def text_below(draft: Draft, by: User) -> str:
    """Return what stands below the text: the signature, and the quoted message if the author asked for that."""
    quoted_text = quote_message(draft.reply_to) if draft.quotes and draft.reply_to else ""
    signature = signature_block(load_signature(by)) if draft.signs else ""
    return "\n\n".join(filter(None, [signature, quoted_text]))


def create_thread_for_draft(draft: Draft, by: User) -> Thread:
    """Create the thread of a new email, in the mailbox that receives its replies."""
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
    """Take back a queued email. It becomes a draft of `by` again.

    Raises:
        NotPermitted: `by` may not send messages.
        IllegalTransition: the email is being sent or was sent, or it belongs to a suggestion.
    """
    delivery = lock_delivery_for_user(message, by)
    withdraw(message)
    return restore_as_draft(delivery.row, "taken back", by)


@transaction.atomic
def edit_as_new(message: Message, *, by: User) -> Draft:
    """Turn an email that failed to send, or is held, into a draft of `by`, and remove it from its thread.

    Raises:
        NotPermitted: `by` may not send messages.
        IllegalTransition: the email was sent or may have been, or it belongs to a suggestion.
    """
    delivery = lock_delivery_for_user(message, by, MessageState.FAILED, MessageState.HELD)
    outbox.remove_from_thread(message)
    return restore_as_draft(delivery.row, "returned", by)


def restore_as_draft(delivery: EmailDelivery, verb: str, by: User) -> Draft:
    """Turn the email of `delivery`, which was removed from its thread, into a draft of `by`."""
    message, thread = delivery.message, delivery.message.thread
    finish(delivery)
    summary = f"Email “{message}” to {', '.join(message.to_emails)} {verb} to drafts"
    record(thread, verb, timeline_owner=timeline_owner_of(thread), by=by, summary=summary)
    replied_message = find_replied_message(message)
    quoted_text = f"\n\n{quote_message(replied_message)}" if replied_message and quote_message(replied_message) else ""
    is_quoting = bool(quoted_text) and message.body_text.endswith(quoted_text)
    body, is_signed = remove_signature(message.body_text.removesuffix(quoted_text), load_signature(delivery.ordered_by))
    draft = Draft(
        author=by,
        thread=thread,
        reply_to=replied_message,
        to=", ".join(message.to_emails),
        cc=", ".join(message.cc_emails),
        subject=message.subject,
        body=body,
        quotes=is_quoting,
        signs=is_signed or not load_signature(by),
        attachments=[{key: entry[key] for key in entry if key != "url"} for entry in message.attachments],
    )
    if OPENED_FOR_DRAFT in thread.metadata and not thread.messages.filter(deleted_at=None).exists():
        draft.thread, draft.lead, draft.client = None, thread.lead, thread.client
        Thread.objects.filter(pk=thread.pk).update(deleted_at=timezone.now())
        return save_version(draft)
    newer_draft = Draft.objects.select_for_update().filter(author=by, thread=thread).first()
    return save_version(merge_drafts(draft, newer_draft) if newer_draft else draft)


def find_replied_message(message: Message) -> Message | None:
    """Return the message that `message` replies to, according to its draft, or else to its In-Reply-To."""
    sent_draft = Draft.everything.filter(message=message).select_related("reply_to").first()
    if sent_draft is not None:
        return sent_draft.reply_to
    return (
        Message.objects.filter(thread=message.thread_id, message_id=message.in_reply_to).exclude(message_id="").first()
    )


def merge_drafts(draft: Draft, other: Draft) -> Draft:
    """Merge `draft` into `other`, its text first, because a thread has only one draft per author."""
    other.body = f"{draft.body}\n\n{other.body}".strip()
    other.to, other.cc, other.subject = draft.to, draft.cc, draft.subject
    other.reply_to, other.quotes = draft.reply_to, draft.quotes
    digests = {entry["sha256"] for entry in draft.attachments}
    other.attachments = [*draft.attachments, *(entry for entry in other.attachments if entry["sha256"] not in digests)]
    return other
