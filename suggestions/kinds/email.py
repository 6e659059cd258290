"""What every type has in common that sends a mail: written when approved, sent as it was written, once."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from django.conf import settings
from django.utils import timezone
from pydantic import AfterValidator, Field

from crm.exceptions import BadInput, IllegalMove, refusing
from crm.models import Client, User
from crm.records.activity import Actor
from crm.records.transitions import named
from crm.runtime.delivery import Delivery, Outcome
from crm.text.addresses import MOST_RECIPIENTS, addresses, domain, header, house
from inbox.attachments import keep
from inbox.email_templates.placeholders import filled, values_for
from inbox.incoming.parsing import File
from inbox.models import Mailbox, Message, MessageState, Thread, ThreadSource
from inbox.outgoing import outbox, tracking
from leads.models import Lead
from suggestions.kinds.base import OutwardKind
from suggestions.models import Suggestion, SuggestionExecution

GONE = "The mail that was written for this is no longer there."
OPENED_FOR = "opened_for_suggestion"


def recipients(texts: list[str]) -> list[str]:
    """Addresses of a payload; what is wrong with one is told as the fault of its field."""
    try:
        return addresses(texts)
    except BadInput as refusal:
        raise ValueError(str(refusal)) from None


To = Annotated[
    list[str],
    Field(default_factory=list, max_length=MOST_RECIPIENTS, title="To", description="One address a line."),
    AfterValidator(recipients),
]


@dataclass(frozen=True)
class Draft:
    """A mail with its gaps filled in, before anybody has let it go out; `quoted` is what it repeats of theirs."""

    to: list[str]
    subject: str
    text: str
    quoted: str = ""
    answers: Message | None = None

    @property
    def whole(self) -> str:
        return f"{self.text}\n\n{self.quoted}" if self.quoted else self.text


class MailKind(OutwardKind):
    """A type that sends one mail. Subclasses say what is in it."""

    permission, deed = outbox.SEND, "send messages"
    # In which whoever has let it go out can think again.
    wait = timedelta(seconds=10)
    cannot_be_undone = "A mail that went out cannot be taken back."
    # Whether it goes into the conversation of the suggestion, or begins one of its own.
    joins: ClassVar[bool] = True
    # Whether it leads to its proposal, where it may be noted that somebody looks at it.
    links: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def draft(cls, payload: Any, suggestion: Suggestion, sender: User | None) -> Draft:
        """The mail from `sender`.

        Raises:
            Refused: it cannot be written.
        """

    @classmethod
    def files(cls, payload: Any, suggestion: Suggestion, sender: User | None) -> list[File]:
        """What goes along with it."""
        return []

    @classmethod
    def guard(cls, payload: Any, suggestion: Suggestion) -> None:
        draft = cls.draft(payload, suggestion, owner(suggestion))
        header(draft.subject, "subject")
        outbox.worded(draft.whole)
        outbox.addressed(draft.to, [])
        if suggestion.thread is not None and suggestion.thread.is_deleted:
            raise IllegalMove(f"The {named(suggestion.thread)} is deleted; restore it first.")

    @classmethod
    def recipients(cls, payload: Any, suggestion: Suggestion) -> list[str]:
        return list(payload.to)

    @classmethod
    def prose(cls, payload: Any, suggestion: Suggestion) -> str:
        draft = cls.draft(payload, suggestion, owner(suggestion))
        return f"{draft.subject}\n\n{draft.text}"

    @classmethod
    def preview(cls, payload: Any, suggestion: Suggestion, by: User | None = None) -> list[tuple[str, str]]:
        sender = by or owner(suggestion)
        draft = cls.draft(payload, suggestion, sender)
        name, ours, answer = outbox.written_by(sender, cls.mailbox(suggestion))
        lines = [("From", f"{name} <{ours}>"), ("Answers go to", answer), ("To", ", ".join(draft.to))]
        lines += [("Subject", header(draft.subject, "subject")), ("Text", outbox.worded(draft.whole))]
        lines += [
            ("Attached", f"{file.name} ({len(file.data):,} bytes)") for file in cls.files(payload, suggestion, sender)
        ]
        return [(label, text) for label, text in [*lines, *cls.carried(suggestion)] if text]

    @classmethod
    def carried(cls, suggestion: Suggestion) -> list[tuple[str, str]]:
        """What the mail carries beside what is written: as `outbox.compose` puts it there."""
        thread = cls.joined(suggestion)
        if not tracking.is_wanted(thread.lead if thread is not None else suggestion.lead):
            return []
        link = f"{tracking.INVITES} {settings.PUBLIC_URL}/… (an address for this mail alone)" if cls.links else ""
        return [("Last line", link), ("Carries", tracking.PICTURE)]

    # In the transaction of the decision

    @classmethod
    def prepare(cls, payload: Any, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor) -> None:
        sender = by.user or owner(suggestion)
        draft = cls.draft(payload, suggestion, sender)
        execution.message = outbox.compose(
            cls.conversation(suggestion, draft),
            sender=sender,
            to=draft.to,
            subject=draft.subject,
            text=draft.whole,
            message_id=f"<{execution.idempotency_key}@{domain()}>",
            reply_to_message=draft.answers,
            links=cls.links,
            attachments=[
                keep(file.name, file.type, file.data, inline=file.inline)
                for file in cls.files(payload, suggestion, sender)
            ],
            by=by,
        )
        execution.external_reference = execution.message.message_id
        execution.save(update_fields=["message", "external_reference"])
        cls.clear_away(suggestion, but=execution)

    @classmethod
    def clear_away(cls, suggestion: Suggestion, *, but: SuggestionExecution | None = None) -> int:
        keys = suggestion.executions.exclude(message=None).values_list("message", flat=True)
        failed = Message.objects.filter(pk__in=list(keys), state=MessageState.FAILED)
        left = list(failed.exclude(pk=but.message_id) if but else failed)
        for message in left:
            outbox.take_out(message)
            empty_away(message)
        return len(left)

    @classmethod
    def conversation(cls, suggestion: Suggestion, draft: Draft) -> Thread:
        """Where the mail stands: that of the suggestion, that of an attempt before, or a new one."""
        if (thread := cls.joined(suggestion)) is not None:
            return thread
        attempts = suggestion.executions.values("message__thread")
        earlier = Thread.objects.filter(pk__in=attempts, metadata__has_key=OPENED_FOR).first()
        if earlier is not None:
            return earlier
        thread = Thread(
            source=ThreadSource.EMAIL,
            subject=draft.subject[:500],
            lead=suggestion.lead,
            client=suggestion.client,
            project=suggestion.project,
            metadata={OPENED_FOR: str(suggestion.pk)},
        )
        with refusing():
            thread.full_clean()
            thread.save(force_insert=True)
        return thread

    @classmethod
    def joined(cls, suggestion: Suggestion) -> Thread | None:
        """The conversation of the suggestion, where the mail goes into that."""
        thread = suggestion.thread
        return thread if cls.joins and thread is not None and thread.source == ThreadSource.EMAIL else None

    @classmethod
    def mailbox(cls, suggestion: Suggestion) -> Mailbox | None:
        """That of the conversation which it goes into."""
        thread = cls.joined(suggestion)
        return thread.mailbox if thread is not None else None

    @classmethod
    def withdraw(cls, execution: SuggestionExecution) -> None:
        message = execution.message
        if message is None:
            return
        outbox.withdraw(message)
        empty_away(message)

    @classmethod
    def give_up(cls, execution: SuggestionExecution, why: str, *, certain: bool = True) -> None:
        if execution.message is not None:
            (outbox.failed if certain else outbox.uncertain)(execution.message, why)

    # Outside of any transaction

    @classmethod
    def deliver(cls, execution: SuggestionExecution, go: Callable[[], Delivery | None]) -> Delivery:
        if execution.message is None:
            return Delivery(Outcome.REFUSED, GONE)
        return outbox.deliver(execution.message, go)

    @classmethod
    def recover(cls, execution: SuggestionExecution) -> Delivery:
        if execution.message is None:
            return Delivery(Outcome.UNKNOWN, GONE)
        return outbox.recovered(execution.message)

    # Once it is there

    @classmethod
    def arrived(
        cls, payload: Any, suggestion: Suggestion, execution: SuggestionExecution, *, by: Actor
    ) -> dict[str, Any]:
        message = execution.message
        if message is None:
            return {}
        outbox.sent(message)
        return {"thread": str(message.thread_id), "message": str(message.pk)}


def empty_away(message: Message) -> None:
    """The conversation that was begun for `message` goes with it, unless something else was said there."""
    mine = Thread.objects.filter(pk=message.thread_id, metadata__has_key=OPENED_FOR)
    mine.exclude(messages__deleted_at__isnull=True).update(deleted_at=timezone.now())


def whom(suggestion: Suggestion) -> Lead | Client:
    """The lead or client that it is written to.

    Raises:
        IllegalMove: there is none, or it is deleted.
    """
    found = suggestion.lead or suggestion.client
    if found is None:
        raise IllegalMove("This is for no lead and no client, or for one that no longer exists.")
    if found.is_deleted:
        raise IllegalMove(f"The {named(found)} is deleted; restore it first.")
    return found


def address_of(target: Lead | Client | None) -> str:
    if target is None:
        return ""
    return target.contact_email if isinstance(target, Lead) else target.email


def own_address(suggestion: Suggestion) -> list[str]:
    """The address of the lead or client, for what goes to nobody else.

    Raises:
        BadInput: none is known.
    """
    target = whom(suggestion)
    if not address_of(target):
        raise BadInput(f"No mail address of {target} is known: add one first.")
    return [address_of(target)]


def owner(suggestion: Suggestion) -> User | None:
    """Who writes where nobody has let it go out yet, or the policy has: the owner, if they still work here."""
    found = suggestion.lead or suggestion.client
    person = found.assigned_to if found else None
    return person if person is not None and person.is_active else None


def fill(text: str, suggestion: Suggestion, sender: User | None) -> str:
    """`text` with its gaps filled in for the lead or client, in a mail from `sender`."""
    return filled(text, values_for(whom(suggestion), sender))


def signed(sender: User | None) -> str:
    """How a mail that we word ourselves ends."""
    name = house()[0]
    return f"{sender}\n{name}" if sender else name
