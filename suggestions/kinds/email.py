"""What every type has in common that sends a mail: written when approved, sent as it was written, once."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from django.conf import settings
from django.utils import timezone
from pydantic import AfterValidator, Field

from crm.exceptions import IllegalTransition, InvalidInput, errors_as_invalid_input
from crm.models import Client, User
from crm.records.activity import Actor
from crm.records.transitions import describe_record
from crm.runtime.delivery import Delivery, DeliveryOutcome
from crm.text.addresses import MAX_RECIPIENTS, agency_domain, agency_sender, clean_addresses, clean_header
from inbox.attachments import store_attachment
from inbox.email_templates.placeholders import fill_placeholders, placeholder_values
from inbox.incoming.parsing import EmailFile
from inbox.models import Mailbox, Message, MessageState, Thread, ThreadSource
from inbox.outgoing import outbox, tracking
from leads.models import Lead
from suggestions.kinds.base import OutwardKind
from suggestions.models import Suggestion, SuggestionExecution

EMAIL_MISSING = "The mail that was written for this is no longer there."
OPENED_FOR_KEY = "opened_for_suggestion"


def parse_recipients(texts: list[str]) -> list[str]:
    """Addresses of a payload; what is wrong with one is told as the fault of its field."""
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
    """A mail with its gaps filled in, before anybody has let it go out; `quoted_text` is what it repeats of theirs."""

    to: list[str]
    subject: str
    text: str
    quoted_text: str = ""
    in_reply_to: Message | None = None

    @property
    def full_text(self) -> str:
        return f"{self.text}\n\n{self.quoted_text}" if self.quoted_text else self.text


class EmailKind(OutwardKind):
    """A type that sends one mail. Subclasses say what is in it."""

    permission, action_phrase = outbox.SEND_PERMISSION, "send messages"
    # In which whoever has let it go out can think again.
    undo_window = timedelta(seconds=10)
    irreversible_reason = "A mail that went out cannot be taken back."
    # Whether it goes into the conversation of the suggestion, or begins one of its own.
    uses_existing_thread: ClassVar[bool] = True
    # Whether it leads to its proposal, where it may be noted that somebody looks at it.
    links_to_proposal: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def draft(cls, payload: Any, suggestion: Suggestion, sender: User | None) -> EmailDraft:
        """The mail from `sender`.

        Raises:
            ActionRefused: it cannot be written.
        """

    @classmethod
    def attachments(cls, payload: Any, suggestion: Suggestion, sender: User | None) -> list[EmailFile]:
        """What goes along with it."""
        return []

    @classmethod
    def guard(cls, payload: Any, suggestion: Suggestion) -> None:
        draft = cls.draft(payload, suggestion, default_sender(suggestion))
        clean_header(draft.subject, "subject")
        outbox.check_body(draft.full_text)
        outbox.check_recipients(draft.to, [])
        if suggestion.thread is not None and suggestion.thread.is_deleted:
            raise IllegalTransition(f"The {describe_record(suggestion.thread)} is deleted; restore it first.")

    @classmethod
    def recipients(cls, payload: Any, suggestion: Suggestion) -> list[str]:
        return list(payload.to)

    @classmethod
    def outgoing_text(cls, payload: Any, suggestion: Suggestion) -> str:
        draft = cls.draft(payload, suggestion, default_sender(suggestion))
        return f"{draft.subject}\n\n{draft.text}"

    @classmethod
    def preview(cls, payload: Any, suggestion: Suggestion, by: User | None = None) -> list[tuple[str, str]]:
        sender = by or default_sender(suggestion)
        draft = cls.draft(payload, suggestion, sender)
        name, from_address, reply_to = outbox.sender_headers(sender, cls.mailbox(suggestion))
        lines = [("From", f"{name} <{from_address}>"), ("Answers go to", reply_to), ("To", ", ".join(draft.to))]
        lines += [("Subject", clean_header(draft.subject, "subject")), ("Text", outbox.check_body(draft.full_text))]
        lines += [
            ("Attached", f"{file.name} ({len(file.data):,} bytes)")
            for file in cls.attachments(payload, suggestion, sender)
        ]
        return [(label, text) for label, text in [*lines, *cls.tracking_lines(suggestion)] if text]

    @classmethod
    def tracking_lines(cls, suggestion: Suggestion) -> list[tuple[str, str]]:
        """What the mail carries beside what is written: as `outbox.compose` puts it there."""
        thread = cls.existing_thread(suggestion)
        if not tracking.should_track(thread.lead if thread is not None else suggestion.lead):
            return []
        link = (
            f"{tracking.PROPOSAL_LINK_TEXT} {settings.PUBLIC_URL}/… (an address for this mail alone)"
            if cls.links_to_proposal
            else ""
        )
        return [("Last line", link), ("Carries", tracking.TRACKING_NOTICE)]

    # In the transaction of the decision

    @classmethod
    def prepare(cls, payload: Any, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor) -> None:
        sender = by.user or default_sender(suggestion)
        draft = cls.draft(payload, suggestion, sender)
        execution.message = outbox.compose(
            cls.get_or_create_thread(suggestion, draft),
            sender=sender,
            to=draft.to,
            subject=draft.subject,
            text=draft.full_text,
            message_id=f"<{execution.idempotency_key}@{agency_domain()}>",
            reply_to_message=draft.in_reply_to,
            links_to_proposal=cls.links_to_proposal,
            attachments=[
                store_attachment(file.name, file.type, file.data, inline=file.inline)
                for file in cls.attachments(payload, suggestion, sender)
            ],
            by=by,
        )
        execution.external_reference = execution.message.message_id
        execution.save(update_fields=["message", "external_reference"])
        cls.discard_failed_attempts(suggestion, except_execution=execution)

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
        """Where the mail stands: that of the suggestion, that of an attempt before, or a new one."""
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
        """The conversation of the suggestion, where the mail goes into that."""
        thread = suggestion.thread
        return (
            thread if cls.uses_existing_thread and thread is not None and thread.source == ThreadSource.EMAIL else None
        )

    @classmethod
    def mailbox(cls, suggestion: Suggestion) -> Mailbox | None:
        """That of the conversation which it goes into."""
        thread = cls.existing_thread(suggestion)
        return thread.mailbox if thread is not None else None

    @classmethod
    def withdraw(cls, execution: SuggestionExecution) -> None:
        message = execution.message
        if message is None:
            return
        outbox.withdraw(message)
        delete_empty_thread(message)

    @classmethod
    def mark_undelivered(cls, execution: SuggestionExecution, why: str, *, certain: bool = True) -> None:
        if execution.message is not None:
            (outbox.mark_email_failed if certain else outbox.mark_email_uncertain)(execution.message, why)

    # Outside of any transaction

    @classmethod
    def deliver(cls, execution: SuggestionExecution, last_check: Callable[[], Delivery | None]) -> Delivery:
        if execution.message is None:
            return Delivery(DeliveryOutcome.REJECTED, EMAIL_MISSING)
        return outbox.deliver(execution.message, last_check)

    @classmethod
    def recover(cls, execution: SuggestionExecution) -> Delivery:
        if execution.message is None:
            return Delivery(DeliveryOutcome.UNCONFIRMED, EMAIL_MISSING)
        return outbox.recover_delivery(execution.message)

    # Once it is there

    @classmethod
    def record_delivery(
        cls, payload: Any, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor
    ) -> dict[str, Any]:
        message = execution.message
        if message is None:
            return {}
        outbox.mark_email_sent(message)
        return {"thread": str(message.thread_id), "message": str(message.pk)}


def delete_empty_thread(message: Message) -> None:
    """The conversation that was begun for `message` goes with it, unless something else was said there."""
    own_threads = Thread.objects.filter(pk=message.thread_id, metadata__has_key=OPENED_FOR_KEY)
    own_threads.exclude(messages__deleted_at__isnull=True).update(deleted_at=timezone.now())


def require_recipient(suggestion: Suggestion) -> Lead | Client:
    """The lead or client that it is written to.

    Raises:
        IllegalTransition: there is none, or it is deleted.
    """
    found = suggestion.lead or suggestion.client
    if found is None:
        raise IllegalTransition("This is for no lead and no client, or for one that no longer exists.")
    if found.is_deleted:
        raise IllegalTransition(f"The {describe_record(found)} is deleted; restore it first.")
    return found


def customer_email(target: Lead | Client | None) -> str:
    if target is None:
        return ""
    return target.contact_email if isinstance(target, Lead) else target.email


def recipient_addresses(suggestion: Suggestion) -> list[str]:
    """The address of the lead or client, for what goes to nobody else.

    Raises:
        InvalidInput: none is known.
    """
    target = require_recipient(suggestion)
    if not customer_email(target):
        raise InvalidInput(f"No mail address of {target} is known: add one first.")
    return [customer_email(target)]


def default_sender(suggestion: Suggestion) -> User | None:
    """Who writes where nobody has let it go out yet, or the policy has: the owner, if they still work here."""
    found = suggestion.lead or suggestion.client
    person = found.assigned_to if found else None
    return person if person is not None and person.is_active else None


def fill_for_recipient(text: str, suggestion: Suggestion, sender: User | None) -> str:
    """`text` with its gaps filled in for the lead or client, in a mail from `sender`."""
    return fill_placeholders(text, placeholder_values(require_recipient(suggestion), sender))


def email_signature(sender: User | None) -> str:
    """How a mail that we word ourselves ends."""
    name = agency_sender()[0]
    return f"{sender}\n{name}" if sender else name
