"""The records of a colleague with a planted word in every text column, and those of a reader that refer to them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from ai_log.models import AIInteraction
from crm.models import Client, ContactClient, DuplicatePair, Project, SavedView, User
from crm.records.activity import SYSTEM_ACTOR, record
from crm.records.merging.transitions import merge
from inbox.models import (
    Direction,
    Draft,
    EmailDelivery,
    FolderMail,
    Mailbox,
    Message,
    Reading,
    SetAside,
    Thread,
    ThreadKey,
)
from inbox.models.web_form import WebForm
from inbox.transitions import add_to_thread, link, unlink
from leads.models import (
    ContactLead,
    ImportBatch,
    ImportChange,
    Lead,
    LeadConversion,
    Policy,
    Task,
    TierChange,
)
from leads.models.import_batch import ImportedRecord
from suggestions.models import Suggestion, SuggestionExecution, SuggestionType
from suggestions.transitions import approve
from support.models import SupportTicket
from tests.cast import make_client, make_contact, make_lead, make_policy, make_suggestion, make_thread, make_ticket
from tests.end_to_end.planting import plant, planted_rows


def make_hidden_records(owner: User) -> dict[Any, Any]:
    """Return one record of `owner` for each table with owners, by table; every text of every row is planted."""
    with planted_rows():
        rows = {type(row): row for row in make_records(owner)}
        for row in make_derived_rows(owner, rows):
            rows[type(row)] = row
    for row in rows.values():
        row.refresh_from_db()
    return rows


def make_records(owner: User) -> list[Any]:
    """Return the records of `owner` that people work with."""
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
    batch = ImportBatch.objects.create(file_name="x", file_hash="x", imported_by=owner)
    Lead.everything.filter(pk=lead.pk).update(import_batch=batch)
    for target in (lead, client, contact, thread, ticket):
        record(target, "noted", by=owner, summary="x")
    return [
        *(lead, client, contact, mailbox, thread, message, ticket, batch),
        Project.objects.create(client=client, name="x"),
        Task.objects.create(title="x", lead=lead, assignee=owner),
        make_suggestion(lead=lead, thread=thread, ticket=ticket, edited_content={}),
        SetAside.objects.create(mailbox=mailbox, origin="x", reason="x", size=3, raw=b"abc"),
        Draft.objects.create(author=owner, lead=lead),
        SavedView.objects.create(name="x", table="leads.lead", owner=owner),
        make_policy(client=client, lead=lead),
        AIInteraction.objects.create(lead=lead, type="Chat", source="Agent UI"),
    ]


def make_derived_rows(owner: User, rows: dict[type, Any]) -> Iterator[Any]:
    """Yield a row of each table that the program writes about the records in `rows`."""
    lead, client, message = rows[Lead], rows[Client], rows[Message]
    batch, mailbox = rows[ImportBatch], rows[Mailbox]
    merge(lead, make_lead(assigned_to=owner, contact_email=""), {}, by=SYSTEM_ACTOR)
    yield LeadConversion.objects.create(lead=lead, client=client, converted_by=owner)
    yield TierChange.objects.create(lead=lead, now="hot", at=timezone.now())
    approved = approve(make_suggestion(lead=lead), by=SYSTEM_ACTOR)
    yield SuggestionExecution.objects.create(suggestion=approved, attempt=2, state="FAILED", error="x")
    yield Reading.objects.create(message=message, interaction=rows[AIInteraction], signs=[])
    yield EmailDelivery.objects.create(message=message, run_after=timezone.now() + timedelta(days=1))
    yield ThreadKey.objects.create(mailbox=mailbox, key="x", thread=rows[Thread])
    yield FolderMail.objects.create(mailbox=mailbox, folder="x", uidvalidity=1, uid=1)
    form = WebForm.objects.create(name="Website", heading="Ask us")
    yield form.submissions.create(thread=rows[Thread], content_digest="x", outcome="NEW_LEAD")
    yield ImportedRecord.objects.create(record_id=client.pk, record_type="crm.client", batch=batch)
    yield ImportChange.objects.create(batch=batch, lead=lead, line=2, changes={})
    sides = {"first_table": "crm.client", "first_id": client.pk, "second_table": "leads.lead", "second_id": lead.pk}
    yield DuplicatePair.objects.create(**sides, score=60, reasons=[])


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
