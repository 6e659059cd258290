"""Records of a reader that refer to records of a colleague which the reader may not open."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.files.base import ContentFile
from django.db import models
from django.utils import timezone

from agents.assistant.chats import ASSISTANT_AGENT
from ai_log.models import AIInteraction
from crm.models import Client, ContactClient, CustomField, CustomFieldTable, Notification, Project, User
from crm.models.custom_field import REFERENCE_TABLES
from crm.records.activity import SYSTEM_ACTOR, record
from crm.records.duplicates.matching import COLUMNS
from crm.records.duplicates.pairs import find_all_pairs
from crm.records.merging.transitions import merge, unmerge
from crm.records.notifications.tables import NOTIFIED_TABLES
from crm.records.transitions import create
from inbox.models import (
    Direction,
    Draft,
    EmailTemplate,
    Mailbox,
    Message,
    Thread,
)
from inbox.transitions import add_to_thread, link, unlink
from leads.conversion.transitions import client_from_lead, convert, undo_conversion
from leads.importing.batches.transitions import upload_file
from leads.models import (
    ContactLead,
    ImportBatch,
    Lead,
    Policy,
    Task,
)
from suggestions.models import Suggestion, SuggestionType
from support.models import SupportTicket
from support.transitions import add_ticket_note
from tests.cast import make_client, make_contact, make_lead, make_policy, make_suggestion, make_thread, make_ticket
from tests.end_to_end.addresses import ANY_KEY
from tests.end_to_end.planting import plant, refusals_ignored

CHART_KINDS = ("text", "choice", "choices")
SHARED_PHONE = "+49 731 5550142"


def make_referring_records(reader: User, owner: User, hidden: dict[type, Any]) -> list[models.Model]:
    """Return records that `reader` may see and that refer to records of `owner` which `reader` may not see."""
    lead = make_lead(assigned_to=reader, line="auto", import_batch=hidden[ImportBatch], contact_phone=SHARED_PHONE)
    client = make_client(assigned_to=reader, phone=SHARED_PHONE)
    contact = make_contact(email="shared@customer.example", phone=SHARED_PHONE)
    find_duplicates_of_hidden(hidden)
    for one in (lead, hidden[Lead]):
        ContactLead.objects.create(lead=one, contact=contact)
    for one in (client, hidden[Client]):
        ContactClient.objects.create(client=one, contact=contact)
    for target in (lead, client):
        hidden_task = Task.objects.create(title="x", assignee=owner, **{target._meta.model_name: target})
        plant(hidden_task)
        record(hidden_task, "created", by=owner, summary="zorq_activity_task", timeline_owner=target)
    record(hidden[Lead], "noted", by=reader, summary="zorq_own_note")
    record(lead, "linked", by=reader, summary="zorq_own_link", client=str(hidden[Client].pk))
    make_hidden_records_around(lead, client, owner, hidden)
    rows = [
        lead,
        *referring_conversions(lead, reader, owner, hidden),
        *referring_merges(lead, reader, owner),
        *referring_policies(lead, client, hidden),
        client,
        contact,
        *referring_threads(lead, reader, hidden),
        *referring_suggestions(lead, client, owner, hidden),
        Task.objects.create(title="Call", lead=hidden[Lead], assignee=reader),
        *tasks_of_hidden_records(lead, reader, hidden),
        ticket_noted_on_an_open_client(owner),
        Task.objects.create(title="Call", client=hidden[Client], project=hidden[Project], assignee=reader),
        make_ticket(client=hidden[Client], lead=hidden[Lead], thread=hidden[Thread], assigned_to=reader),
        make_ticket(client=client, lead=hidden[Lead], thread=hidden[Thread]),
        ticket_like_a_hidden_one(reader, owner, hidden),
        Draft.objects.create(author=reader, lead=hidden[Lead]),
        Draft.objects.create(author=reader, client=hidden[Client]),
        Draft.objects.create(author=reader, thread=hidden[Thread], reply_to=hidden[Message]),
        *referring_imports(reader, hidden),
    ]
    # They have no page of their own.
    list(notifications_of_hidden_records(reader, owner, hidden))
    refer_by_custom_fields(rows, hidden)
    share_custom_fields(hidden)
    return rows


def notifications_of_hidden_records(reader: User, owner: User, hidden: dict[type, Any]) -> Iterator[Notification]:
    """Yield what `reader` was told while the records were open to everyone."""
    for model, row in hidden.items():
        if (label := model._meta.label_lower) in NOTIFIED_TABLES:
            for kind in set(NOTIFIED_TABLES[label].words) - {"due"}:
                yield Notification.objects.create(
                    reader=reader, actor=owner, kind=kind, target_type=label, target_id=row.pk, by_email=True
                )


def share_custom_fields(hidden: dict[type, Any]) -> None:
    """Define fields by which charts group, with planted words as the values of hidden records."""
    for table in CustomFieldTable.values:
        for kind in CHART_KINDS:
            CustomField.objects.create(table=table, key=f"shared_{kind}", label=f"Shared {kind}", kind=kind)
        row = hidden[apps.get_model(table)]
        word = f"zorq_shared_{row._meta.model_name}"
        values = {f"shared_{kind}": [word] if kind == "choices" else word for kind in CHART_KINDS}
        type(row).everything.filter(pk=row.pk).update(custom_fields={**row.custom_fields, **values})


def refer_by_custom_fields(rows: list[models.Model], hidden: dict[type, Any]) -> None:
    """Give each of `rows` custom fields that refer to a hidden record of each table; the lists show them.

    A template with their placeholders is the first one, which the walk previews.
    """
    tables = {apps.get_model(label): kind for kind, label in REFERENCE_TABLES.items()}
    values = {f"ref_{kind}": str(hidden[model].pk) for model, kind in tables.items() if model in hidden}
    for table in CustomFieldTable.values:
        for key in values:
            kind = key.removeprefix("ref_")
            CustomField.objects.create(table=table, key=key, label=f"Refers to {kind}", kind=kind, is_on_list=True)
    for row in rows:
        if row._meta.label_lower in CustomFieldTable:
            known = row.custom_fields
            type(row).everything.filter(pk=row.pk).update(custom_fields={**known, **values})
            # The history of the record names them as well.
            type(row).everything.filter(pk=row.pk).update(custom_fields={**known, **values, "last": 1})
    body = " ".join(f"{{{{custom.{key}}}}}" for key in values)
    template = EmailTemplate.objects.order_by("name").first()
    EmailTemplate.objects.filter(pk=template.pk).update(subject="About you", body=body)


def make_hidden_records_around(lead: Lead, client: Client, owner: User, hidden: dict[type, Any]) -> None:
    """Create records that belong to `lead` or `client` too, and that only `owner` may open."""
    both = {"lead": lead, "client": hidden[Client]}
    thread = make_thread(lead=hidden[Lead], client=client)
    message = {"direction": Direction.IN, "from_email": "x@hidden.example", "body_text": "x"}
    message = add_to_thread(Message(thread=thread, sent_at=timezone.now(), **message))
    own_thread = make_thread(lead=lead)
    rows = [
        *(thread, message),
        make_suggestion(lead=hidden[Lead], client=client, thread=own_thread),
        make_ticket(**both, assigned_to=owner, thread=own_thread),
        Draft.objects.create(author=owner, client=client),
        Draft.objects.create(author=owner, thread=own_thread),
        AIInteraction.objects.create(**both, type="Chat", source="Agent UI"),
        AIInteraction.objects.create(lead=lead, asked_by=owner, agent=ASSISTANT_AGENT, conversation_id=ANY_KEY),
        AIInteraction.objects.create(type="PromptResponse", source="Backend Middleware"),
    ]
    with refusals_ignored():
        for row in rows:
            plant(row)
    Thread.everything.filter(pk=thread.pk).update(participant_emails=["shared@customer.example"])
    # The dashboard shows the most urgent ones.
    Lead.everything.filter(pk=hidden[Lead].pk).update(priority_tier="hot", overall_score=1)
    Suggestion.everything.filter(pk=hidden[Suggestion].pk).update(priority=30_000)


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


def referring_suggestions(lead: Lead, client: Client, owner: User, hidden: dict[type, Any]) -> Iterator[Suggestion]:
    """Yield suggestions about `lead`, a shared thread and a prospect that name hidden records."""
    links = {"thread": hidden[Thread], "client": hidden[Client], "ticket": hidden[SupportTicket]}
    interaction = AIInteraction.objects.create(
        lead=hidden[Lead], type="Chat", source="Agent UI", content="zorq_prompt", ai_response="zorq_answer"
    )
    yield make_suggestion(client=client)
    with refusals_ignored():
        yield plant(
            make_suggestion(
                lead=lead, **links, message=hidden[Message], project=hidden[Project], interaction=interaction
            )
        )
    yield reply_of_an_assignee(client.assigned_to, hidden)
    quoted = {"lead": Lead, "message": Message, "thread": Thread}
    evidence = [
        {"source": name, "id": str(hidden[model].pk), "quote": f"zorq_quoted_{name}"} for name, model in quoted.items()
    ]
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
    known = plant(make_lead(assigned_to=owner))
    Lead.everything.filter(pk=known.pk).update(contact_email="known@customer.example")


def tasks_of_hidden_records(lead: Lead, reader: User, hidden: dict[type, Any]) -> Iterator[Task]:
    """Yield a task that was about a hidden lead before. An unassigned task of the hidden lead has planted words."""
    plant(Task.objects.create(title="x", lead=hidden[Lead]))
    moved = Task.objects.create(title="Call", lead=hidden[Lead], client=hidden[Client], assignee=reader)
    Task.everything.filter(pk=moved.pk).update(lead=lead, client=None)
    yield moved


def ticket_noted_on_an_open_client(owner: User) -> Client:
    """Return a client that everyone sees, with a ticket of `owner` whose notes are on the client's timeline."""
    client = make_client()
    ticket = make_ticket(client=client, assigned_to=owner)
    add_ticket_note(ticket, "zorq_ticket_note", internal=True, by=owner)
    plant(ticket)
    return client


def reply_of_an_assignee(reader: User, hidden: dict[type, Any]) -> Suggestion:
    """Return a reply that `reader` is to approve in a thread of a hidden lead."""
    thread = make_thread(lead=hidden[Lead], assigned_to=reader)
    message = {"direction": Direction.IN, "from_email": "known@customer.example", "body_text": "How much is it?"}
    add_to_thread(Message(thread=thread, sent_at=timezone.now(), **message))
    content = {"thread": str(thread.pk), "body": "Hello"}
    return make_suggestion(SuggestionType.REPLY, lead=hidden[Lead], thread=thread, suggested_content=content)


def referring_conversions(lead: Lead, reader: User, owner: User, hidden: dict[type, Any]) -> Iterator[Lead]:
    """Yield a lead that became a hidden client, and one with hidden work on its client. `lead` became one before."""
    undo_conversion(convert(lead, hidden[Client], by=SYSTEM_ACTOR), by=SYSTEM_ACTOR)
    lead.refresh_from_db()
    converted, worked_on = (make_lead(assigned_to=reader, line="auto") for _ in range(2))
    convert(converted, hidden[Client], by=SYSTEM_ACTOR)
    yield converted
    client = convert(worked_on, client_from_lead(worked_on), by=SYSTEM_ACTOR).client
    hidden_lead = make_lead(assigned_to=owner, converted_to_client=client, converted_at=timezone.now())
    hidden_task = Task(title="zorq_created", client=client, assignee=owner)
    create(hidden_task, by=owner, timeline_owner=client)
    for row in (hidden_lead, hidden_task):
        plant(row)
    yield worked_on


def referring_merges(lead: Lead, reader: User, owner: User) -> Iterator[Lead]:
    """Yield a lead that was merged into a hidden one. A hidden lead was merged into `lead` for a while."""
    winner, other = (
        make_lead(assigned_to=owner, contact_name=f"zorq_merged_{name}", contact_email="")
        for name in ("winner", "other")
    )
    loser = make_lead(assigned_to=reader)
    merge(winner, loser, {}, by=SYSTEM_ACTOR)
    yield loser
    unmerge(merge(lead, other, {}, by=SYSTEM_ACTOR), by=SYSTEM_ACTOR)
    lead.refresh_from_db()


def ticket_like_a_hidden_one(reader: User, owner: User, hidden: dict[type, Any]) -> SupportTicket:
    """Return a ticket with the issue type of a resolved hidden one."""
    resolved = plant(make_ticket(client=hidden[Client], assigned_to=owner))
    own = make_ticket(client=None, lead=hidden[Lead], assigned_to=reader, issue_type="Billing")
    SupportTicket.everything.filter(pk=resolved.pk).update(
        issue_type=own.issue_type, status="Resolved", resolved_at=timezone.now()
    )
    return own


def referring_imports(reader: User, hidden: dict[type, Any]) -> Iterator[ImportBatch]:
    """Yield an import with a file, and imports that found hidden records, changed them, and left them when undone."""
    yield upload_file("own.csv", ContentFile(b"Name,Email,Region\nNora New,nora@new.example,North\n"), by=reader)
    lead, client = str(hidden[Lead].pk), str(hidden[Client].pk)
    examples = {
        "duplicate": [[2, f"Duplicate: the lead {lead} already has the address x@y.example."]],
        "updated": [[3, lead, {"notes": ["", "zorq_import_change"]}]],
    }
    kept = {"leads.lead": {lead: ["task"]}, "crm.client": {client: ["later work on it"]}}
    counts = {"rows_read": 3, "imported": 1, "duplicates": 1, "updated": 1}
    outcome = {"examples": examples, "kept": kept, "kept_changes": [[lead, ["notes"]]], **counts}
    for state in ("CHECKED", "UNDONE"):
        numbers = {"record_count": 1, "updated_count": 1, "imported_at": timezone.now()}
        yield ImportBatch.objects.create(
            file_name="own.csv", file_hash="y", imported_by=reader, state=state, outcome=outcome, **numbers
        )


def find_duplicates_of_hidden(hidden: dict[type, Any]) -> None:
    """Give hidden records the phone number that the reader's have, and find the pairs."""
    for model, columns in COLUMNS.items():
        model._base_manager.filter(pk=hidden[model].pk).update(**{columns.phone: SHARED_PHONE})
    for _ in find_all_pairs():
        pass
