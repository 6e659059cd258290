"""The records of a colleague with a planted word in every text column, and those of a reader that refer to them."""

import re
from collections.abc import Iterator
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from ai_log.models import AIInteraction
from crm.models import Client, ContactClient, Project, SavedView, User
from crm.records.activity import SYSTEM_ACTOR, record
from inbox.models import Direction, Draft, Mailbox, Message, SetAside, Thread
from inbox.transitions import add_to_thread, link, unlink
from leads.models import ContactLead, ImportBatch, Lead, Policy, Task
from suggestions.models import Suggestion, SuggestionType
from support.models import SupportTicket
from tests.cast import make_client, make_contact, make_lead, make_policy, make_suggestion, make_thread, make_ticket

# A page shows what was searched for, so this part of a planted word is not one itself.
PLANTED_PART = "orq_"
PLANTED = re.compile(r"zorq\w*", re.IGNORECASE)
# Codes and keys of the program, not texts of a person; the database computes `search_text`.
NOT_TEXT = {
    *("search_text", "table", "query", "agent", "rule", "dedupe_key", "content_hash", "variant", "token", "file_hash"),
    *("model_used", "ai_model_version", "source_digest", "source_path", "message_id", "conversation_id", "credentials"),
    *("status", "created_by"),
}
JSON_TEXTS = {
    "evidence": lambda word: [{"quote": word}],
    "notes": lambda word: [{"by": word, "body": word, "internal": True, "at": "2026-01-05T10:00:00Z"}],
    "attachments": lambda word: [{"name": word, "size": 3, "type": "text/plain"}],
    "media": lambda word: {"form_answers": [{"label": word, "value": word}], "participants": [word]},
    "findings": lambda word: [{"code": "x", "sentence": word, "asks": True}],
    "held_because": lambda word: [word],
    "custom_fields": lambda word: {"field": word},
    "address": lambda word: {"city": word},
    "auto_data": lambda word: {"field": word},
    "home_data": lambda word: {"field": word},
    "line_data": lambda word: {"umbrella": {"field": word}},
    "additional_insureds": lambda word: [{"name": word}],
    "data": lambda word: {"field": word},
    "edited_content": lambda word: {"title": word},
}


def plant(row: models.Model) -> models.Model:
    """Put a word of its own into every text column of `row`."""
    words = planted_values(type(row))
    type(row)._base_manager.filter(pk=row.pk).update(**words)
    row.refresh_from_db()
    return row


def planted_values(model: type[models.Model]) -> dict[str, Any]:
    """Return a text with a word of its own for every text column of `model`."""
    found = {
        field.name: planted_value(field, f"zorq_{model._meta.model_name}_{field.name}")
        for field in model._meta.concrete_fields
    }
    return {name: value for name, value in found.items() if value is not None}


def planted_value(field: models.Field, word: str) -> Any:
    """Return the value with `word` for `field`; None if it holds no text."""
    if field.name in NOT_TEXT or field.choices:
        return None
    if isinstance(field, models.JSONField):
        return JSON_TEXTS[field.name](word) if field.name in JSON_TEXTS else None
    if isinstance(field, ArrayField):
        return [f"{word}@hidden.example" if "email" in field.name else word]
    if isinstance(field, models.EmailField) or field.name.endswith("_email"):
        return f"{word}@hidden.example"
    if isinstance(field, models.URLField):
        return f"https://{word.replace('_', '-')}.example"
    return word[: field.max_length] if isinstance(field, models.CharField | models.TextField) else None


def make_hidden_records(owner: User) -> dict[type, Any]:
    """Return one record of `owner` for each table with owners, every text of which is planted."""
    lead = make_lead(assigned_to=owner, line="auto")
    client = make_client(assigned_to=owner)
    contact = make_contact()
    ContactLead.objects.create(lead=lead, contact=contact)
    ContactClient.objects.create(client=client, contact=contact)
    mailbox = Mailbox.objects.create(address="hidden@agency.example", owner=owner)
    thread = make_thread(lead=lead, mailbox=mailbox)
    message = {"direction": Direction.IN, "from_email": "x@hidden.example", "body_text": "x"}
    message = add_to_thread(Message(thread=thread, sent_at=timezone.now(), **message))
    ticket = make_ticket(client=client, thread=thread, assigned_to=owner)
    rows = [
        lead,
        client,
        contact,
        mailbox,
        thread,
        Message.objects.get(thread=thread),
        ticket,
        Project.objects.create(client=client, name="x"),
        Task.objects.create(title="x", lead=lead, assignee=owner),
        make_suggestion(lead=lead, thread=thread, ticket=ticket, suggested_content={"title": "zorq_suggestion_title"}),
        SetAside.objects.create(mailbox=mailbox, origin="x", reason="x", size=3, raw=b"abc"),
        Draft.objects.create(author=owner, lead=lead),
        SavedView.objects.create(name="x", table="leads.lead", owner=owner),
        make_policy(client=client, lead=lead),
        ImportBatch.objects.create(file_name="x", file_hash="x", imported_by=owner),
    ]
    for row in rows:
        plant(row)
    # The database refuses to change these texts.
    rows.append(
        AIInteraction.objects.create(lead=lead, type="Chat", source="Agent UI", **planted_values(AIInteraction))
    )
    for target in (lead, client, contact, thread, ticket):
        record(target, "noted", by=owner, summary=f"zorq_activity_{target._meta.model_name}")
    return {type(row): row for row in rows}


def make_referring_records(reader: User, owner: User, hidden: dict[type, Any]) -> list[models.Model]:
    """Return records that `reader` may see and that refer to records of `owner` which `reader` may not see."""
    lead = make_lead(assigned_to=reader)
    client, contact = make_client(assigned_to=reader), make_contact(email="shared@customer.example")
    for one in (lead, hidden[Lead]):
        ContactLead.objects.create(lead=one, contact=contact)
    for one in (client, hidden[Client]):
        ContactClient.objects.create(client=one, contact=contact)
    for target in (lead, client):
        hidden_task = Task.objects.create(title="x", assignee=owner, **{target._meta.model_name: target})
        plant(hidden_task)
        record(hidden_task, "created", by=owner, summary="zorq_activity_task", timeline_owner=target)
    return [
        lead,
        make_lead(assigned_to=reader, converted_to_client=hidden[Client], converted_at=timezone.now()),
        make_lead(assigned_to=reader, import_batch=hidden[ImportBatch]),
        *referring_policies(lead, client, hidden),
        client,
        contact,
        *referring_threads(lead, reader, hidden),
        *referring_suggestions(lead, hidden),
        Task.objects.create(title="Call", lead=hidden[Lead], assignee=reader),
        Task.objects.create(title="Call", client=hidden[Client], project=hidden[Project], assignee=reader),
        make_ticket(client=hidden[Client], lead=hidden[Lead], thread=hidden[Thread], assigned_to=reader),
        make_ticket(client=None, lead=hidden[Lead], assigned_to=reader),
        make_ticket(client=client, lead=hidden[Lead], thread=hidden[Thread]),
        Draft.objects.create(author=reader, lead=hidden[Lead]),
        Draft.objects.create(author=reader, client=hidden[Client]),
        Draft.objects.create(author=reader, thread=hidden[Thread], reply_to=hidden[Message]),
    ]


def referring_policies(lead: Lead, client: Client, hidden: dict[type, Any]) -> Iterator[Policy]:
    """Yield a policy of `client` that came from a hidden lead, beside one of a hidden client that came from `lead`.

    The hidden lead also became `client`, whose timeline reaches back to it.
    """
    Lead.everything.filter(pk=hidden[Lead].pk).update(converted_to_client=client, converted_at=timezone.now())
    yield make_policy(client=client, lead=hidden[Lead], renewal_lead=hidden[Lead])
    plant(make_policy(client=hidden[Client], lead=lead, renewal_lead=lead))


def referring_threads(lead: Lead, reader: User, hidden: dict[type, Any]) -> Iterator[Thread]:
    """Yield a thread that also belongs to a hidden client, and an unlinked one that was linked to a hidden lead."""
    yield make_thread(lead=lead, client=hidden[Client], project=hidden[Project], mailbox=hidden[Mailbox])
    unlinked = make_thread(mailbox=None)
    link(unlinked, lead=hidden[Lead], by=SYSTEM_ACTOR)
    link(unlinked, client=hidden[Client], by=SYSTEM_ACTOR)
    unlink(unlinked, by=SYSTEM_ACTOR)
    Thread.everything.filter(pk=unlinked.pk).update(participant_emails=["shared@customer.example"])
    yield unlinked


def referring_suggestions(lead: Lead, hidden: dict[type, Any]) -> Iterator[Suggestion]:
    """Yield suggestions about `lead`, a shared thread and a prospect that name hidden records."""
    links = {"thread": hidden[Thread], "client": hidden[Client], "ticket": hidden[SupportTicket]}
    interaction = AIInteraction.objects.create(
        lead=hidden[Lead], type="Chat", source="Agent UI", content="zorq_prompt", ai_response="zorq_answer"
    )
    yield make_suggestion(lead=lead, **links, message=hidden[Message], project=hidden[Project], interaction=interaction)
    evidence = [{"source": "lead", "id": str(hidden[Lead].pk), "quote": "x"}]
    yield make_suggestion(SuggestionType.CHANGE_STATUS, lead=lead, evidence=evidence)
    instead = make_thread(lead=hidden[Lead])
    yield make_suggestion(SuggestionType.LINK_THREAD, lead=lead, thread=instead)
    linked_since = make_suggestion(SuggestionType.LINK_THREAD, lead=make_lead(), thread=make_thread())
    Thread.everything.filter(pk=linked_since.thread_id).update(lead=hidden[Lead])
    yield linked_since
    existing = {"client": str(hidden[Client].pk)}
    yield make_suggestion(SuggestionType.CONVERT_LEAD, lead=make_lead(), suggested_content=existing)
    prospect = {"contactName": "Nora", "contactEmail": "known@customer.example"}
    yield make_suggestion(SuggestionType.CREATE_LEAD, thread=make_thread(), suggested_content=prospect)
    make_known = Lead.everything.filter(pk=hidden[Lead].pk)
    make_known.update(contact_email="known@customer.example")
