"""The records of a colleague with a planted word in every text column."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from ai_log.models import AIInteraction
from crm.models import (
    Client,
    ContactClient,
    CustomField,
    DuplicatePair,
    FieldStatistic,
    KindChange,
    KindChangeValue,
    Project,
    SavedView,
    SchemaChange,
    Tag,
    User,
)
from crm.records.activity import SYSTEM_ACTOR, record
from crm.records.merging.transitions import merge
from crm.records.transitions import purge, soft_delete
from inbox.models import (
    Direction,
    Draft,
    EmailDelivery,
    EmailSignature,
    FolderMail,
    Mailbox,
    Message,
    Reading,
    SetAside,
    Thread,
    ThreadKey,
)
from inbox.models.web_form import WebForm
from inbox.transitions import add_to_thread
from leads.models import (
    ContactLead,
    ImportBatch,
    ImportChange,
    Lead,
    LeadConversion,
    Task,
    TierChange,
)
from leads.models.import_batch import ImportedRecord
from suggestions.models import SuggestionExecution
from suggestions.transitions import approve
from tests.cast import (
    make_client,
    make_contact,
    make_lead,
    make_policy,
    make_suggestion,
    make_thread,
    make_ticket,
    make_user,
)
from tests.end_to_end.planting import planted_rows


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
        Tag.objects.create(name="x", colour="red"),
        make_decided_request(owner),
        FieldStatistic.objects.create(
            table="leads.lead", column="custom_fields", key="x", row_count=9, filled_count=1, near_keys=["x"]
        ),
        make_policy(client=client, lead=lead),
        AIInteraction.objects.create(lead=lead, type="Chat", source="Agent UI"),
    ]


def make_rows_of_nobody(owner: User) -> list[Any]:
    """Return planted rows that only users who see every owner may open: about several owners, or what a purge kept."""
    client = make_client()
    with planted_rows():
        purged, lead = make_lead(assigned_to=owner), make_lead(assigned_to=owner)
        others_thread = make_thread(lead=make_lead(assigned_to=make_user("third", "agent")))
        contact = make_contact()
        ContactLead.objects.create(lead=purged, contact=contact)
        mailbox = Mailbox.objects.create(address="gone@agency.example", owner=owner)
        unlinked, call = make_thread(mailbox=mailbox), make_thread(lead=purged, source="CALL")
        rows = [
            *(contact, unlinked, call, make_suggestion(lead=purged), make_suggestion(lead=lead, thread=others_thread)),
            add_to_thread(Message(thread=call, sent_at=timezone.now(), direction=Direction.IN, body_text="x")),
            Task.objects.create(title="x", lead=purged),
            make_ticket(client=client, lead=purged),
            AIInteraction.objects.create(lead=purged, type="Chat", source="Agent UI"),
        ]
        for one in (purged, mailbox):
            soft_delete(one, by=SYSTEM_ACTOR)
            purge(one, by=SYSTEM_ACTOR)
    with connection.cursor() as cursor:
        # The database restricts what is kept when the transaction ends.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    return rows


def make_decided_request(owner: User) -> SchemaChange:
    """Create a request about a key without a custom field: its name comes from records."""
    decided = {"state": "DECIDED", "decision": "stay", "decision_reason": "x", "decided_at": timezone.now()}
    texts = {"key": "x", "why": "x", "expected_use": "x"}
    return SchemaChange.objects.create(
        table="leads.lead", proposed="index", requested_by=owner, decided_by=owner, **texts, **decided
    )


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
    yield EmailSignature.objects.create(user=owner, text="x")
    yield EmailDelivery.objects.create(message=message, run_after=timezone.now() + timedelta(days=1))
    yield ThreadKey.objects.create(mailbox=mailbox, key="x", thread=rows[Thread])
    yield FolderMail.objects.create(mailbox=mailbox, folder="x", uidvalidity=1, uid=1)
    form = WebForm.objects.create(name="Website", heading="Ask us")
    yield form.submissions.create(thread=rows[Thread], content_digest="x", outcome="NEW_LEAD")
    yield ImportedRecord.objects.create(record_id=client.pk, record_type="crm.client", batch=batch)
    yield ImportChange.objects.create(batch=batch, lead=lead, line=2, changes={})
    field = CustomField.objects.create(table="crm.client", key="level", label="Level", kind="number")
    kinds = {"from_kind": "text", "to_kind": "number", "misfit_rule": "stop", "aside_key": "level_as_text"}
    change = KindChange.objects.create(field=field, state="UNDONE", **kinds)
    value = {"table": "crm.client", "record_id": client.pk, "before": ["x"], "after": ["x"], "is_kept": True}
    yield KindChangeValue.objects.create(change=change, **value)
    sides = {"first_table": "crm.client", "first_id": client.pk, "second_table": "leads.lead", "second_id": lead.pk}
    yield DuplicatePair.objects.create(**sides, score=60, reasons=[])
