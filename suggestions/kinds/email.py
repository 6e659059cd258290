"""What all kinds that send an email have in common: it is composed and queued at the approval, and sent unchanged.

The send queue of the inbox delivers it, and tells its execution the outcome (`suggestions.transitions.email_delivery`).
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from django.conf import settings
from django.utils import timezone
from pydantic import AfterValidator, Field

from crm.exceptions import ActionRefused, IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import Client, User
from crm.records.activity import Actor
from crm.records.transitions import describe_record
from crm.text.addresses import MAX_RECIPIENTS, agency_domain, agency_sender, clean_addresses, clean_header
from crm.text.cleaning import collect_texts
from inbox.attachments import store_attachment
from inbox.email_templates.placeholders import (
    check_placeholders,
    fill_known_placeholders,
    fill_placeholders,
    find_gaps,
    placeholder_values,
)
from inbox.email_templates.signatures import load_signature, signature_block
from inbox.incoming.parsing import EmailFile
from inbox.models import EmailOrigin, Mailbox, Message, MessageState, Thread, ThreadSource
from inbox.outgoing import outbox, send_queue, tracking
from leads.models import Lead
from suggestions.kinds.base import Kind
from suggestions.models import Suggestion, SuggestionExecution

OPENED_FOR_KEY = "opened_for_suggestion"


def parse_recipients(texts: list[str]) -> list[str]:
    """Return the addresses of a payload; an invalid one is an error of its field."""
    try:
        return clean_addresses(texts)
    except InvalidInput as exception:
        raise ValueError(str(exception)) from None


RecipientList = Annotated[
    list[str],
    Field(default_factory=list, max_length=MAX_RECIPIENTS, title="To", description="One address a line."),
    AfterValidator(parse_recipients),
]


@dataclass(frozen=True)
class EmailDraft:
    """An email with its placeholders filled in, before approval; `quoted_text` is what it quotes."""

    to: list[str]
    subject: str
    text: str
    quoted_text: str = ""
    in_reply_to: Message | None = None

    @property
    def full_text(self) -> str:
        return f"{self.text}\n\n{self.quoted_text}" if self.quoted_text else self.text

    def signed_text(self, sender: User | None) -> str:
        """Return the whole text with the signature of `sender` between the text and the quote."""
        signature = signature_block(load_signature(sender))
        return "\n\n".join(filter(None, [self.text.rstrip(), signature, self.quoted_text]))


class EmailKind(Kind):
    """A kind that sends one email. Subclasses say what is in it."""

    is_outward = sends_email = True
    permission, action_phrase = outbox.SEND_PERMISSION, "send messages"
    undo_window = send_queue.UNDO_WINDOW
    preview_title = "Email preview"
    irreversible_reason = "An email that was sent cannot be taken back."
    # Whether it goes into the thread of the suggestion, or begins one of its own.
    uses_existing_thread: ClassVar[bool] = True
    # Whether it links to its proposal, where looking at it can be tracked.
    links_to_proposal: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def draft(cls, payload: Any, suggestion: Suggestion, sender: User | None, *, is_final: bool = True) -> EmailDraft:
        """Return the email from `sender`; unless `is_final`, placeholders without a value stay in it.

        Raises:
            ActionRefused: it cannot be composed.
        """

    @classmethod
    def attachments(cls, payload: Any, suggestion: Suggestion, sender: User | None) -> list[EmailFile]:
        """Return the files that go with it."""
        return []

    @classmethod
    def guard(cls, payload: Any, suggestion: Suggestion) -> None:
        draft = cls.draft(payload, suggestion, default_sender(suggestion), is_final=False)
        clean_header(draft.subject, "subject")
        outbox.check_body(draft.full_text)
        outbox.check_recipients(draft.to, [])
        if suggestion.thread is not None and suggestion.thread.is_deleted:
            raise IllegalTransition(f"The {describe_record(suggestion.thread)} is deleted; restore it first.")

    @classmethod
    def recipients(cls, payload: Any, suggestion: Suggestion) -> list[str]:
        return list(payload.to)

    @classmethod
    def contact_channels(cls, payload: Any) -> frozenset[str]:
        return frozenset({"email"})

    @classmethod
    def urgency(cls, payload: Any) -> int:
        return 2

    @classmethod
    def outgoing_text(cls, payload: Any, suggestion: Suggestion) -> str:
        draft = cls.draft(payload, suggestion, default_sender(suggestion), is_final=False)
        return f"{draft.subject}\n\n{draft.text}"

    @classmethod
    def parts_to_write(cls, payload: Any) -> list[str]:
        return find_gaps(collect_texts(list(payload.model_dump().values())))

    @classmethod
    def check_written(cls, payload: Any) -> None:
        """Refuse an email that a person has yet to complete.

        Raises:
            InvalidInput: the message names what is missing.
        """
        if parts := cls.parts_to_write(payload):
            raise InvalidInput(f"Fill in before sending: {', '.join(parts)}.")

    @classmethod
    def why_incomplete(cls, payload: Any, suggestion: Suggestion) -> str:
        try:
            cls.check_written(payload)
            cls.draft(payload, suggestion, default_sender(suggestion))
        except ActionRefused as refusal:
            return str(refusal)
        return ""

    @classmethod
    def preview(cls, payload: Any, suggestion: Suggestion, by: User | None = None) -> list[tuple[str, str]]:
        cls.check_written(payload)
        sender = by or default_sender(suggestion)
        draft = cls.draft(payload, suggestion, sender)
        name, from_address, reply_to = outbox.sender_headers(sender, cls.mailbox(suggestion))
        lines = [("From", f"{name} <{from_address}>"), ("Reply-to", reply_to), ("To", ", ".join(draft.to))]
        lines += [
            ("Subject", clean_header(draft.subject, "subject")),
            ("Text", outbox.check_body(draft.signed_text(sender))),
        ]
        lines += [
            ("Attached", f"{file.name} ({len(file.data):,} bytes)")
            for file in cls.attachments(payload, suggestion, sender)
        ]
        return [(label, text) for label, text in [*lines, *cls.tracking_lines(suggestion)] if text]

    @classmethod
    def tracking_lines(cls, suggestion: Suggestion) -> list[tuple[str, str]]:
        """Return what `outbox.compose` adds to the text for tracking, as label and text."""
        thread = cls.existing_thread(suggestion)
        if not tracking.should_track(thread.lead if thread is not None else suggestion.lead):
            return []
        link = (
            f"{tracking.PROPOSAL_LINK_TEXT} {settings.PUBLIC_URL}/… (an address for this email alone)"
            if cls.links_to_proposal
            else ""
        )
        return [("Last line", link), ("Carries", tracking.TRACKING_NOTICE)]

    # In the transaction of the approval

    @classmethod
    def queue_email(cls, payload: Any, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor) -> None:
        """Compose the email, and queue it for delivery when `execution` is due."""
        message = cls.compose_email(payload, suggestion, execution, by=by)
        execution.message, execution.external_reference = message, message.message_id
        execution.save(update_fields=["message", "external_reference"])
        cls.discard_failed_attempts(suggestion, except_execution=execution)
        send_queue.enqueue_send(message, by=by.user, origin=EmailOrigin.SUGGESTION, run_after=execution.run_after)

    @classmethod
    def compose_email(
        cls, payload: Any, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor
    ) -> Message:
        cls.check_written(payload)
        sender = by.user or default_sender(suggestion)
        draft = cls.draft(payload, suggestion, sender)
        return outbox.compose(
            cls.get_or_create_thread(suggestion, draft),
            sender=sender,
            to=draft.to,
            subject=draft.subject,
            text=draft.signed_text(sender),
            message_id=f"<{execution.idempotency_key}@{agency_domain()}>",
            reply_to_message=draft.in_reply_to,
            links_to_proposal=cls.links_to_proposal,
            attachments=[
                store_attachment(file.name, file.type, file.data, inline=file.inline)
                for file in cls.attachments(payload, suggestion, sender)
            ],
            by=by,
        )

    @classmethod
    def discard_failed_attempts(
        cls, suggestion: Suggestion, *, except_execution: SuggestionExecution | None = None
    ) -> int:
        message_keys = suggestion.executions.exclude(message=None).values_list("message", flat=True)
        failed = Message.objects.filter(pk__in=list(message_keys), state=MessageState.FAILED)
        failed_messages = list(failed.exclude(pk=except_execution.message_id) if except_execution else failed)
        for message in failed_messages:
            outbox.remove_from_thread(message)
            delete_empty_thread(message)
        return len(failed_messages)

    @classmethod
    def get_or_create_thread(cls, suggestion: Suggestion, draft: EmailDraft) -> Thread:
        """Return the thread of the email: that of the suggestion, that of an earlier attempt, or a new one."""
        if (thread := cls.existing_thread(suggestion)) is not None:
            return thread
        attempts = suggestion.executions.values("message__thread")
        previous_thread = Thread.objects.filter(pk__in=attempts, metadata__has_key=OPENED_FOR_KEY).first()
        if previous_thread is not None:
            return previous_thread
        thread = Thread(
            source=ThreadSource.EMAIL,
            subject=draft.subject[:500],
            lead=suggestion.lead,
            client=suggestion.client,
            project=suggestion.project,
            metadata={OPENED_FOR_KEY: str(suggestion.pk)},
        )
        with errors_as_invalid_input():
            thread.full_clean()
            thread.save(force_insert=True)
        return thread

    @classmethod
    def existing_thread(cls, suggestion: Suggestion) -> Thread | None:
        """Return the thread of the suggestion, where the email goes into it."""
        thread = suggestion.thread
        return thread if cls.uses_existing_thread and thread is not None and thread.accepts_email else None

    @classmethod
    def mailbox(cls, suggestion: Suggestion) -> Mailbox | None:
        """Return the mailbox of the existing thread that it goes into."""
        thread = cls.existing_thread(suggestion)
        return thread.mailbox if thread is not None else None

    @classmethod
    def withdraw(cls, execution: SuggestionExecution) -> None:
        if execution.message is not None:
            send_queue.withdraw(execution.message)
            delete_empty_thread(execution.message)

    # Once it is sent

    @classmethod
    def record_delivery(
        cls, payload: Any, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor
    ) -> dict[str, Any]:
        message = execution.message
        return {} if message is None else {"thread": str(message.thread_id), "message": str(message.pk)}


def delete_empty_thread(message: Message) -> None:
    """Delete the thread that was created for `message`, unless it holds other messages."""
    own_threads = Thread.objects.filter(pk=message.thread_id, metadata__has_key=OPENED_FOR_KEY)
    own_threads.exclude(messages__deleted_at__isnull=True).update(deleted_at=timezone.now())


def require_recipient(suggestion: Suggestion) -> Lead | Client:
    """Return the lead or client that the email is for.

    Raises:
        IllegalTransition: there is none, or it is deleted.
    """
    found = suggestion.lead or suggestion.client
    if found is None:
        raise IllegalTransition("There is no lead or client to write to, or it no longer exists.")
    if found.is_deleted:
        raise IllegalTransition(f"The {describe_record(found)} is deleted; restore it first.")
    return found


def customer_email(target: Lead | Client | None) -> str:
    if target is None:
        return ""
    return target.contact_email if isinstance(target, Lead) else target.email


def recipient_addresses(suggestion: Suggestion) -> list[str]:
    """Return the address of the lead or client, for emails that go to no other recipient.

    Raises:
        InvalidInput: it has no email address.
    """
    target = require_recipient(suggestion)
    if not customer_email(target):
        raise InvalidInput(f"{target} has no email address: add one first.")
    return [customer_email(target)]


def default_sender(suggestion: Suggestion) -> User | None:
    """Return the sender until a person approves it, and of what the policy approves: the owner, if still active."""
    found = suggestion.lead or suggestion.client
    person = found.assigned_to if found else None
    return person if person is not None and person.is_active else None


def fill_for_recipient(text: str, suggestion: Suggestion, sender: User | None, *, is_final: bool = True) -> str:
    """Return `text` with its placeholders filled in for the lead or client, in an email from `sender`.

    Unless `is_final`, placeholders without a value stay in it.
    """
    values = placeholder_values(require_recipient(suggestion), sender)
    if is_final:
        return fill_placeholders(text, values)
    check_placeholders(text)
    return fill_known_placeholders(text, values)


def email_signature(sender: User | None) -> str:
    """Return the signature of an email that the program words."""
    name = agency_sender()[0]
    return f"{sender}\n{name}" if sender else name
