"""Everything that the tables can hold about one person, with planted words."""

from typing import Any

from django.utils import timezone

from ai_log.models import AIInteraction
from crm.models import Client, Contact, DuplicatePair, User
from crm.records.activity import SYSTEM_ACTOR, record
from crm.records.merging.transitions import merge
from inbox.incoming.arrivals import Arrival
from inbox.incoming.transitions import receive_many
from inbox.models import EmailDelivery, Mailbox, Message, Provider, Reading, SetAside, Thread
from inbox.models.web_form import WebForm
from leads.models import ImportBatch, ImportChange, Lead, LeadConversion, TierChange
from leads.models.import_batch import ImportedRecord
from suggestions.models import Suggestion, SuggestionExecution
from tests.cast import make_lead, make_thread
from tests.end_to_end.hidden_records import make_hidden_records
from tests.inbox.raw_emails import raw_email

NAME, ADDRESS, PHONE = "Zorqa Dana Plantwood", "dana@planted.example", "+49 731 5550199"
OUTSIDER = "other@stranger.example"
ATTACHMENT = b"zorq_attachment_bytes"


def make_person(owner: User) -> dict[type, Any]:
    """Return the rows of a person of `owner`, by table: a lead that became a client, with a contact of its own."""
    rows = make_hidden_records(owner)
    lead, client, contact = rows[Lead], rows[Client], rows[Contact]
    Lead.everything.filter(pk=lead.pk).update(contact_name=NAME, contact_email=ADDRESS, contact_phone=PHONE)
    Client.everything.filter(pk=client.pk).update(name=NAME, email=ADDRESS, phone=PHONE)
    Contact.everything.filter(pk=contact.pk).update(name=NAME, email=ADDRESS, phone=PHONE)
    for row in (lead, client, contact):
        row.refresh_from_db()
    Lead.everything.filter(pk=lead.pk).update(import_batch=rows[ImportBatch])
    merge(lead, make_lead(contact_name=NAME, contact_email="", notes="zorq_duplicate"), {}, by=SYSTEM_ACTOR)
    LeadConversion.objects.create(lead=lead, client=client, converted_by=owner)
    TierChange.objects.create(lead=lead, now="hot", at=timezone.now())
    SuggestionExecution.objects.create(
        suggestion=rows[Suggestion], attempt=1, state="FAILED", idempotency_key="zorq_secret_key", error="zorq_error"
    )
    Reading.objects.create(message=rows[Message], interaction=rows[AIInteraction], signs=[])
    EmailDelivery.objects.create(message=rows[Message], run_after=timezone.now())
    SetAside.objects.filter(pk=rows[SetAside].pk).update(raw=f"From: {ADDRESS}\n\nzorq_set_aside_raw".encode())
    Message.everything.filter(pk=rows[Message].pk).update(token="zorq_secret_token")
    form = WebForm.objects.create(name="Website", heading="Ask us")
    form.submissions.create(thread=rows[Thread], content_digest="x", outcome="NEW_LEAD")
    form.refusals.create(reason="FIELDS", day=timezone.now().date(), last_message=f"{ADDRESS.upper()} is too long.")
    ImportedRecord.objects.create(record_id=client.pk, record_type="crm.client", batch=rows[ImportBatch])
    ImportChange.objects.create(
        batch=rows[ImportBatch], lead=lead, line=2, changes={"notes": ["", f"zorq_changed by {NAME}"]}
    )
    DuplicatePair.objects.create(
        first_table="crm.client", first_id=client.pk, second_table="leads.lead", second_id=lead.pk, score=60, reasons=[]
    )
    record(lead, "noted", by=owner, summary=f"Called {NAME} at {PHONE}")
    return {**rows, "received": receive_email(f"{NAME} <{ADDRESS}>")}


def receive_email(sender: str, **headers: str) -> Message:
    """Receive an email with an attachment, which is linked to the person by its address."""
    mailbox, _ = Mailbox.objects.get_or_create(address="office@agency.example", provider=Provider.IMPORT)
    body = b'--b\r\n\r\nzorq_email_text\r\n--b\r\nContent-Type: application/pdf; name="zorq offer.pdf"\r\n\r\n'
    raw = raw_email("planted", by=sender, Content_Type='multipart/mixed; boundary="b"', **headers)
    raw = raw.replace(b"Body of planted", body + ATTACHMENT + b"\r\n--b--")
    receive_many(mailbox, [Arrival("test#1", raw)])
    return Message.objects.get(message_id="<planted@x.example>")


def make_outsider() -> dict[type, Any]:
    """Return rows of another person, who is in touch with the first one's colleagues only."""
    lead = make_lead(contact_name="Olaf Outsider", contact_email=OUTSIDER, notes="outsider_notes")
    return {Lead: lead, Thread: make_thread(lead=lead, subject="outsider_subject", participant_emails=[OUTSIDER])}
