"""REPLY: answer the last email of a conversation, to its sender only."""

from typing import Any
from uuid import UUID

from django.db.models import Case, When
from pydantic import Field

from crm.exceptions import IllegalTransition
from crm.models import User
from crm.records.transitions import describe_record
from inbox.drafts.replies import quote_message, reply_subject
from inbox.models import Direction, Message, Nature, Thread
from suggestions.choices import LabelCache
from suggestions.kinds.base import Payload
from suggestions.kinds.email import EmailDraft, EmailKind, fill_for_recipient
from suggestions.models import Suggestion, SuggestionType

PERSONS_FIRST = Case(When(nature=Nature.PERSON, then=0), default=1)


class ReplyPayload(Payload):
    body: str = Field(
        default="",
        max_length=20_000,
        json_schema_extra={"widget": "textarea"},
        description="A gap such as [[your answer]] is filled in before sending.",
    )
    thread: UUID = Field(title="Conversation", json_schema_extra={"readonly": True, "record": "thread"})


class ReplyKind(EmailKind):
    type = SuggestionType.REPLY
    Payload = ReplyPayload
    # Drafts begin alike: the reason tells more.
    summary_field = ""
    answers_a_message = True

    @classmethod
    def fill_defaults(cls, content: dict[str, Any], suggestion: Suggestion) -> dict[str, Any]:
        """Fill in the thread of the suggestion."""
        if not isinstance(content, dict) or content.get("thread") or not suggestion.thread_id:
            return content
        return {**content, "thread": str(suggestion.thread_id)}

    @classmethod
    def recipients(cls, payload: ReplyPayload, suggestion: Suggestion) -> list[str]:
        return [message_to_answer(payload, suggestion).from_email]

    @classmethod
    def sentence(cls, payload: ReplyPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        thread = (labels or LabelCache()).record_label("thread", payload.thread)
        verb = "Reply" if payload.body else "Write a reply"
        return f"{verb} in “{thread}”."

    @classmethod
    def urgency(cls, payload: ReplyPayload) -> int:
        return 3

    @classmethod
    def parts_to_write(cls, payload: ReplyPayload) -> list[str]:
        return super().parts_to_write(payload) if payload.body else ["your reply"]

    @classmethod
    def draft(
        cls, payload: ReplyPayload, suggestion: Suggestion, sender: User | None, *, is_final: bool = True
    ) -> EmailDraft:
        last = message_to_answer(payload, suggestion)
        return EmailDraft(
            to=[last.from_email],
            subject=reply_subject(last.subject or last.thread.subject),
            text=fill_for_recipient(payload.body, suggestion, sender, is_final=is_final),
            quoted_text=quote_message(last),
            in_reply_to=last,
        )


def message_to_answer(payload: ReplyPayload, suggestion: Suggestion) -> Message:
    """Return the email to answer: the last one that a person wrote, else the last one received.

    Raises:
        IllegalTransition: there is none, or it is in another thread.
    """
    named_thread = Thread.everything.filter(pk=payload.thread).first()
    thread = named_thread.merged_thread if named_thread else None
    if thread is None or thread.pk != suggestion.thread_id:
        raise IllegalTransition("This suggestion belongs to another conversation.")
    if thread.is_deleted:
        raise IllegalTransition(f"The {describe_record(thread)} is deleted; restore it first.")
    received = Message.objects.filter(thread=thread, direction=Direction.IN).exclude(from_email="")
    last = received.select_related("thread").order_by(PERSONS_FIRST, "-sent_at", "-id").first()
    if not thread.accepts_email or last is None:
        raise IllegalTransition(f"There is no email to answer in “{thread}”.")
    return last
