"""Everything that the tables can hold about one person, with planted words."""

from typing import Any

from django.utils import timezone

from crm.models import Client, Contact, Notification, User
from crm.records.activity import record
from inbox.incoming.arrivals import Arrival
from inbox.incoming.transitions import receive_many
from inbox.models import Mailbox, Message, Provider, SetAside, Thread
from inbox.models.web_form import WebFormSubmission
from leads.models import ImportChange, Lead
from suggestions.models import SuggestionExecution
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
    SuggestionExecution.objects.filter(suggestion__lead=lead).update(idempotency_key="zorq_secret_key")
    Message.everything.filter(pk=rows[Message].pk).update(token="zorq_secret_token")
    SetAside.objects.filter(pk=rows[SetAside].pk).update(raw=f"From: {ADDRESS}\n\nzorq_set_aside_raw".encode())
    form = rows[WebFormSubmission].web_form
    form.refusals.create(reason="FIELDS", day=timezone.now().date(), last_message=f"{ADDRESS.upper()} is too long.")
    changes = {"notes": ["", f"zorq_changed by {NAME}"]}
    ImportChange.objects.filter(pk=rows[ImportChange].pk).update(changes=changes)
    record(lead, "noted", by=owner, summary=f"Called {NAME} at {PHONE}")
    rows[Notification] = Notification.objects.get(reader=owner, target_id=lead.pk)
    for row in rows.values():
        row.refresh_from_db()
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
