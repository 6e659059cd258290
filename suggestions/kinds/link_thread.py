"""LINK_THREAD: say whose conversation it is."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field, model_validator

from crm.exceptions import BadInput, IllegalMove
from crm.models import ActivityLog, Client
from crm.records.activity import Actor
from crm.records.transitions import named
from crm.text.cleaning import with_full_stop
from inbox.models import Thread
from inbox.transitions import link, unlink
from leads.models import Lead
from suggestions.choices import Names
from suggestions.kinds.base import Kind, Payload
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType

LINKINGS = ("linked", "unlinked")
LET_THROUGH = (SuggestionStatus.APPROVED, SuggestionStatus.MODIFIED)
# In the result: there was nothing left to do.
ALREADY = "linked_already"


def key_of(record: str, title: str, **kwargs: Any) -> Any:
    return Field(title=title, json_schema_extra={"readonly": True, "record": record}, **kwargs)


class LinkThreadPayload(Payload):
    thread: UUID = key_of("thread", "Conversation")
    lead: UUID | None = key_of("lead", "Lead", default=None)
    client: UUID | None = key_of("client", "Client", default=None)
    insteadOfLead: UUID | None = key_of("lead", "Instead of the lead", default=None)
    insteadOfClient: UUID | None = key_of("client", "Instead of the client", default=None)

    @model_validator(mode="after")
    def exactly_one_target(self) -> "LinkThreadPayload":
        if (self.lead is None) == (self.client is None):
            raise ValueError("Name a lead or a client to link the conversation to, and not both.")
        return self

    @property
    def field(self) -> str:
        """Which column of the conversation it sets."""
        return "lead" if self.lead else "client"

    @property
    def target(self) -> UUID:
        return self.lead or self.client

    @property
    def instead_of(self) -> UUID | None:
        return self.insteadOfLead if self.lead else self.insteadOfClient


class LinkThreadKind(Kind):
    type = SuggestionType.LINK_THREAD
    Payload = LinkThreadPayload
    permission, deed = "inbox.change_thread", "link a conversation"
    # Keys say nothing to people.
    gist = ""

    @classmethod
    def completed(cls, content: Any, suggestion: Suggestion) -> Any:
        """The conversation and the target are those of the suggestion where it names none, and the other way round."""
        if not isinstance(content, dict):
            return content
        content = {"thread": text(suggestion.thread_id), **content}
        if not content.get("lead") and not content.get("client"):
            field = "lead" if suggestion.lead_id else "client"
            content[field] = text(getattr(suggestion, f"{field}_id"))
        payload = cls.check(content)
        thread = thread_of(payload)
        suggestion.thread = suggestion.thread or thread
        if suggestion.lead_id is None and suggestion.client_id is None:
            # Whose timeline it stands on, and who may see it.
            setattr(suggestion, payload.field, target_of(payload))
        return cls.renewed(payload, suggestion).model_dump(mode="json")

    @classmethod
    def guard(cls, payload: LinkThreadPayload, suggestion: Suggestion) -> None:
        thread, target = thread_of(payload), target_of(payload)
        if suggestion.thread_id != thread.pk or getattr(suggestion, f"{payload.field}_id") != payload.target:
            raise BadInput("It links the conversation that it is about to the lead or client that it is about.")
        now = getattr(thread, f"{payload.field}_id")
        if now == payload.target and suggestion.status in LET_THROUGH:
            return  # somebody else has done it meanwhile, or triage: what was approved is so
        if now == payload.target:
            raise IllegalMove(f"The conversation “{thread}” is already linked to {target}.")
        if now != payload.instead_of:
            raise IllegalMove(f"{moved(payload, thread)} Look again.")

    @classmethod
    def sentence(cls, payload: LinkThreadPayload, suggestion: Suggestion, names: Names | None = None) -> str:
        names = names or Names()
        thread = named_here(suggestion, "thread", payload.thread, names)
        target = named_here(suggestion, payload.field, payload.target, names)
        instead = f" instead of {names.record(payload.field, payload.instead_of)}" if payload.instead_of else ""
        return with_full_stop(f"Links the conversation “{thread}” to {target}{instead}")

    @classmethod
    def execute(cls, payload: LinkThreadPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        target, thread = target_of(payload), thread_of(payload)
        if getattr(thread, f"{payload.field}_id") == payload.target:
            return {"thread": str(payload.thread), payload.field: str(target.pk), ALREADY: True}
        link(thread, by=by, **{payload.field: target})
        was = {f"was_{payload.field}": str(payload.instead_of)} if payload.instead_of else {}
        return {"thread": str(payload.thread), payload.field: str(target.pk), **was}

    @classmethod
    def overtaken(cls, payload: LinkThreadPayload, suggestion: Suggestion) -> tuple[datetime, str] | None:
        thread = thread_of(payload)
        if getattr(thread, f"{payload.field}_id") in (payload.instead_of, payload.target):
            return None
        latest = ActivityLog.objects.done_to(thread).filter(verb__in=LINKINGS).first()
        return (latest.occurred_at if latest else thread.updated_at), moved(payload, thread)

    @classmethod
    def renewed(cls, payload: LinkThreadPayload, suggestion: Suggestion) -> LinkThreadPayload:
        thread = thread_of(payload)
        instead = {"insteadOfLead": thread.lead_id} if payload.lead else {"insteadOfClient": thread.client_id}
        return payload.model_copy(update={"insteadOfLead": None, "insteadOfClient": None, **instead})

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        payload = cls.check(suggestion.approved_content)
        thread = thread_of(payload)
        if suggestion.result.get(ALREADY):
            raise IllegalMove(f"The conversation “{thread}” was linked already: unlink it there.")
        if getattr(thread, f"{payload.field}_id") != payload.target:
            raise IllegalMove(moved(payload, thread))
        if payload.instead_of is None:
            unlink(thread, getattr(thread, payload.field), by=by)
        else:
            was = found(Lead if payload.lead else Client, payload.instead_of)
            link(thread, by=by, **{payload.field: was})


def text(key: UUID | None) -> str | None:
    return str(key) if key else None


def named_here(suggestion: Suggestion, field: str, key: UUID, names: Names) -> str:
    """How the record is called; what the suggestion is about has been read with it."""
    return str(getattr(suggestion, field)) if getattr(suggestion, f"{field}_id") == key else names.record(field, key)


def moved(payload: LinkThreadPayload, thread: Thread) -> str:
    now = getattr(thread, payload.field)
    return f"The conversation “{thread}” is linked to {now or f'no {payload.field}'} since this was suggested."


def thread_of(payload: LinkThreadPayload) -> Thread:
    """The conversation, or the one that it has become part of."""
    meant = Thread.everything.filter(pk=payload.thread).first()
    return found(Thread, meant.whole.pk if meant else payload.thread)


def target_of(payload: LinkThreadPayload) -> Lead | Client:
    return found(Lead if payload.lead else Client, payload.target)


def found(model: type[Any], key: UUID) -> Any:
    """The live record.

    Raises:
        IllegalMove: it is deleted, or gone.
    """
    row = model.everything.filter(pk=key).first()
    if row is None:
        raise IllegalMove(f"The {model._meta.verbose_name} of this suggestion no longer exists.")
    if row.is_deleted:
        raise IllegalMove(f"The {named(row)} is deleted; restore it first.")
    return row
