"""LINK_THREAD: link a conversation to its lead or client."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field, model_validator

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import ActivityLog, Client
from crm.records.activity import Actor
from crm.records.transitions import describe_record
from crm.text.cleaning import ensure_full_stop
from inbox.models import Thread
from inbox.transitions import link, unlink
from leads.models import Lead
from suggestions.choices import LabelCache
from suggestions.kinds.base import LocalKind, Payload
from suggestions.models import APPROVED_STATUSES, Suggestion, SuggestionType

LINK_VERBS = ("linked", "unlinked")
# In the result: the conversation was linked already.
ALREADY_LINKED = "linked_already"


def record_key_field(record: str, title: str, **kwargs: Any) -> Any:
    return Field(title=title, json_schema_extra={"readonly": True, "record": record}, **kwargs)


class LinkThreadPayload(Payload):
    thread: UUID = record_key_field("thread", "Conversation")
    lead: UUID | None = record_key_field("lead", "Lead", default=None)
    client: UUID | None = record_key_field("client", "Client", default=None)
    insteadOfLead: UUID | None = record_key_field("lead", "Instead of the lead", default=None)
    insteadOfClient: UUID | None = record_key_field("client", "Instead of the client", default=None)

    @model_validator(mode="after")
    def exactly_one_target(self) -> "LinkThreadPayload":
        if (self.lead is None) == (self.client is None):
            raise ValueError("Name a lead or a client to link the conversation to, and not both.")
        return self

    @property
    def field(self) -> str:
        """Return the column of the thread that it sets."""
        return "lead" if self.lead else "client"

    @property
    def target(self) -> UUID:
        return self.lead or self.client

    @property
    def instead_of(self) -> UUID | None:
        return self.insteadOfLead if self.lead else self.insteadOfClient


class LinkThreadKind(LocalKind):
    type = SuggestionType.LINK_THREAD
    Payload = LinkThreadPayload
    permission, action_phrase = "inbox.change_thread", "link a conversation"
    # Keys are of no use to a reader.
    summary_field = ""

    @classmethod
    def fill_defaults(cls, content: Any, suggestion: Suggestion) -> Any:
        """Fill in the thread and the target from the suggestion, and the other way round."""
        if not isinstance(content, dict):
            return content
        if suggestion.thread_id:
            content = {"thread": key_text(suggestion.thread_id), **content}
        if not content.get("lead") and not content.get("client"):
            field = "lead" if suggestion.lead_id else "client"
            content[field] = key_text(getattr(suggestion, f"{field}_id"))
        payload = cls.parse_content(content)
        thread = require_thread(payload)
        suggestion.thread = suggestion.thread or thread
        if suggestion.lead_id is None and suggestion.client_id is None:
            # This sets its timeline, and who may see it.
            setattr(suggestion, payload.field, require_target(payload))
        return cls.refresh_payload(payload, suggestion).model_dump(mode="json")

    @classmethod
    def guard(cls, payload: LinkThreadPayload, suggestion: Suggestion) -> None:
        thread = require_thread(payload)
        require_target(payload)
        if suggestion.thread_id != thread.pk or getattr(suggestion, f"{payload.field}_id") != payload.target:
            raise InvalidInput("It links the conversation that it is about to the lead or client that it is about.")
        now = getattr(thread, f"{payload.field}_id")
        if now == payload.target and suggestion.status in APPROVED_STATUSES:
            return  # linked in the meantime, by a person or by triage, as approved
        if now == payload.target:
            raise IllegalTransition(f"The conversation “{thread}” is already linked to this {payload.field}.")
        if now != payload.instead_of:
            raise IllegalTransition(f"{describe_current_link(payload, thread)} Look again.")

    @classmethod
    def urgency(cls, payload: LinkThreadPayload) -> int:
        return 2

    @classmethod
    def sentence(cls, payload: LinkThreadPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        labels = labels or LabelCache()
        thread = record_name(suggestion, "thread", payload.thread, labels)
        target = record_name(suggestion, payload.field, payload.target, labels)
        instead = f" instead of {former_link(payload, labels)}" if payload.instead_of else ""
        return ensure_full_stop(f"Link the conversation “{thread}” to {target}{instead}")

    @classmethod
    def execute(cls, payload: LinkThreadPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        target, thread = require_target(payload), require_thread(payload)
        if getattr(thread, f"{payload.field}_id") == payload.target:
            return {"thread": str(payload.thread), payload.field: str(target.pk), ALREADY_LINKED: True}
        link(thread, by=by, **{payload.field: target})
        was = {f"was_{payload.field}": str(payload.instead_of)} if payload.instead_of else {}
        return {"thread": str(payload.thread), payload.field: str(target.pk), **was}

    @classmethod
    def change_since_proposed(cls, payload: LinkThreadPayload, suggestion: Suggestion) -> tuple[datetime, str] | None:
        thread = require_thread(payload)
        if getattr(thread, f"{payload.field}_id") in (payload.instead_of, payload.target):
            return None
        latest = ActivityLog.objects.for_target(thread).filter(verb__in=LINK_VERBS).first()
        return (latest.occurred_at if latest else thread.updated_at), describe_current_link(payload, thread)

    @classmethod
    def refresh_payload(cls, payload: LinkThreadPayload, suggestion: Suggestion) -> LinkThreadPayload:
        thread = require_thread(payload)
        instead = {"insteadOfLead": thread.lead_id} if payload.lead else {"insteadOfClient": thread.client_id}
        return payload.model_copy(update={"insteadOfLead": None, "insteadOfClient": None, **instead})

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        payload = cls.parse_content(suggestion.approved_content)
        thread = require_thread(payload)
        if suggestion.result.get(ALREADY_LINKED):
            raise IllegalTransition(f"The conversation “{thread}” was linked already: unlink it there.")
        if getattr(thread, f"{payload.field}_id") != payload.target:
            raise IllegalTransition(describe_current_link(payload, thread))
        if payload.instead_of is None:
            unlink(thread, getattr(thread, payload.field), by=by)
        else:
            was = require_live(Lead if payload.lead else Client, payload.instead_of)
            link(thread, by=by, **{payload.field: was})


def key_text(key: UUID | None) -> str | None:
    return str(key) if key else None


def record_name(suggestion: Suggestion, field: str, key: UUID, labels: LabelCache) -> str:
    """Return the name of the record, without a query if it is a record of the suggestion."""
    return (
        labels.name_of(getattr(suggestion, field))
        if getattr(suggestion, f"{field}_id") == key
        else labels.record_label(field, key)
    )


def former_link(payload: LinkThreadPayload, labels: LabelCache) -> str:
    """Return the name of the record to unlink; the log, which is not written for one reader, does not name it."""
    return f"another {payload.field}" if labels.user is None else labels.record_label(payload.field, payload.instead_of)


def describe_current_link(payload: LinkThreadPayload, thread: Thread) -> str:
    link = f"another {payload.field}" if getattr(thread, f"{payload.field}_id") else f"no {payload.field}"
    # The reader may not be allowed to see the thread, nor what it is linked to.
    return f"The conversation is linked to {link} since this was suggested."


def require_thread(payload: LinkThreadPayload) -> Thread:
    """Return the thread, or the thread that it was merged into."""
    thread = Thread.everything.filter(pk=payload.thread).first()
    return require_live(Thread, thread.merged_thread.pk if thread else payload.thread)


def require_target(payload: LinkThreadPayload) -> Lead | Client:
    return require_live(Lead if payload.lead else Client, payload.target)


def require_live(model: type[Any], key: UUID) -> Any:
    """Return the live record.

    Raises:
        IllegalTransition: it is deleted, or gone.
    """
    row = model.everything.filter(pk=key).first()
    if row is None:
        raise IllegalTransition(f"The {model._meta.verbose_name} of this suggestion no longer exists.")
    if row.is_deleted:
        raise IllegalTransition(f"The {describe_record(row)} is deleted; restore it first.")
    return row
