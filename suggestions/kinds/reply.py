"""REPLY: answer the last mail of a conversation, to whoever wrote it and nobody else."""

from typing import Any
from uuid import UUID

from django.db.models import Case, When
from pydantic import Field

from crm.exceptions import IllegalMove
from crm.models import User
from crm.records.transitions import named
from inbox.drafts.replies import answering, quoted
from inbox.models import Direction, Message, Nature, Thread, ThreadSource
from suggestions.choices import Names
from suggestions.kinds.base import Payload
from suggestions.kinds.email import Draft, MailKind, fill
from suggestions.models import Suggestion, SuggestionType

BY_PERSONS = Case(When(nature=Nature.PERSON, then=0), default=1)


class ReplyPayload(Payload):
    body: str = Field(min_length=1, max_length=20_000, json_schema_extra={"widget": "textarea"})
    thread: UUID = Field(title="Conversation", json_schema_extra={"readonly": True, "record": "thread"})


class ReplyKind(MailKind):
    type = SuggestionType.REPLY
    Payload = ReplyPayload
    gist = "body"

    @classmethod
    def completed(cls, content: dict[str, Any], suggestion: Suggestion) -> dict[str, Any]:
        """With the conversation of the suggestion."""
        if not isinstance(content, dict) or content.get("thread") or not suggestion.thread_id:
            return content
        return {**content, "thread": str(suggestion.thread_id)}

    @classmethod
    def recipients(cls, payload: ReplyPayload, suggestion: Suggestion) -> list[str]:
        return [answered(payload, suggestion).from_email]

    @classmethod
    def sentence(cls, payload: ReplyPayload, suggestion: Suggestion, names: Names | None = None) -> str:
        thread = (names or Names()).record("thread", payload.thread)
        return f"Answers “{thread}” with a mail to whoever wrote last."

    @classmethod
    def draft(cls, payload: ReplyPayload, suggestion: Suggestion, sender: User | None) -> Draft:
        last = answered(payload, suggestion)
        return Draft(
            to=[last.from_email],
            subject=answering(last.subject or last.thread.subject),
            text=fill(payload.body, suggestion, sender),
            quoted=quoted(last),
            answers=last,
        )


def answered(payload: ReplyPayload, suggestion: Suggestion) -> Message:
    """The mail that is answered: the last that a person wrote, else the last that came in.

    Raises:
        IllegalMove: there is none, or it is not the conversation of this suggestion.
    """
    meant = Thread.everything.filter(pk=payload.thread).first()
    thread = meant.whole if meant else None
    if thread is None or thread.pk != suggestion.thread_id:
        raise IllegalMove("That is not the conversation of this suggestion.")
    if thread.is_deleted:
        raise IllegalMove(f"The {named(thread)} is deleted; restore it first.")
    received = Message.objects.filter(thread=thread, direction=Direction.IN).exclude(from_email="")
    last = received.select_related("thread").order_by(BY_PERSONS, "-sent_at", "-id").first()
    if thread.source != ThreadSource.EMAIL or last is None:
        raise IllegalMove(f"In “{thread}” there is no mail to answer.")
    return last
