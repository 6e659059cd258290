"""Tests of exporting everything about a person."""

import io
import json
import zipfile

import pytest
from django.apps import apps
from django.db import models

from ai_log.models import AIInteraction
from crm.models import ActivityLog, Client, Contact, DuplicatePair, KindChangeValue, Merge, Notification
from crm.records.merging.transitions import merge
from crm.records.privacy import tables
from crm.records.privacy.footprint import reachable_models, trace
from crm.records.privacy.person import Person, find_same_person
from crm.screens.privacy.archive import plain_file_name, shown_columns
from inbox.models import Message, SetAside, Thread
from leads.models import Lead
from leads.models.import_batch import ImportedRecord
from support.models import SupportTicket
from tests.cast import browser, make_client, make_contact, make_lead, make_thread, make_ticket, page_text
from tests.crm.test_architecture import our_models
from tests.end_to_end.planting import PLANTED
from tests.privacy.person_records import ADDRESS, ATTACHMENT, NAME, PHONE, make_outsider, make_person

pytestmark = pytest.mark.django_db
# Tables that a finder reaches.
FOUND = {ActivityLog, DuplicatePair, ImportedRecord, KindChangeValue, Merge, Notification, SetAside}


def privacy_url(record) -> str:
    return f"/{record._meta.app_label}/{record._meta.model_name}/{record.pk}/privacy/"


def export(page, record, *others) -> dict[str, bytes]:
    """Return the files of the archive by name."""
    chosen = [f"{one._meta.label_lower}:{one.pk}" for one in others]
    response = page.post(privacy_url(record), {"record": chosen})
    assert (response.status_code, response["Content-Type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))
    assert archive.testzip() is None
    return {name: archive.read(name) for name in archive.namelist()}


def test_archive_holds_everything_about_the_person_and_nothing_of_others(as_max, max, ann):
    rows, _ = make_person(ann), make_outsider()
    files = export(as_max, rows[Lead], rows[Client], rows[Contact])
    text = b"\n".join(files.values()).decode()
    words = {word for model, row in rows.items() if model in reachable_models() for word in planted_words(row)}
    words |= {"zorq_set_aside_raw", "zorq_email_text", NAME, ADDRESS, PHONE}
    assert len(words) > 40
    assert {word for word in words if word not in text} == set()
    assert "outsider" not in text.lower()
    assert ATTACHMENT in {data.strip() for name, data in files.items() if name.endswith("zorq offer.pdf")}
    assert any(name.endswith("original.eml") for name in files)
    index = files["index.html"].decode()
    assert f"Everything about {NAME}" in index and "Earlier versions of leads" in index
    for name in ("leads", "messages", "support_tickets", "policies", "activity_logs", "merges"):
        assert json.loads(files[f"tables/{name}.json"]), name
    assert "secret" not in text
    for record in (rows[Lead], rows[Client], rows[Contact]):
        entry = ActivityLog.objects.for_target(record).filter(verb="exported").get()
        assert (entry.actor, entry.summary) == (max, f"Exported everything about {record} on request")


def planted_words(row: models.Model) -> set[str]:
    shown = shown_columns(type(row))
    return {word for field in shown for word in PLANTED.findall(str(getattr(row, field.attname)))}


def test_every_table_of_people_is_in_the_builder(ann):
    """A table that is added later and refers to a person is exported by itself; here it needs a row."""
    rows = make_person(ann)
    footprint = trace(Person([rows[Lead], rows[Client], rows[Contact]]))
    without_history = {model for model in reachable_models() | FOUND if not hasattr(model, "pgh_label")}
    empty = {model._meta.label for model in without_history if not footprint.get(model)}
    assert empty == set()


def test_every_table_is_decided():
    """A new table is reached by a foreign key, by a finder, or says why it holds nothing about a person."""
    decided = reachable_models() | FOUND
    undecided = [model._meta.label for model in our_models() if model not in decided]
    assert [label for label in undecided if label.lower() not in tables.WITHOUT_PERSONS] == []
    assert {label for label in tables.WITHOUT_PERSONS if apps.get_model(label) in decided} == set()


def test_columns_with_secrets_are_decided():
    shown = {
        f"{model._meta.label_lower}.{field.name}"
        for model in reachable_models() | FOUND
        for field in shown_columns(model)
        if any(word in field.name for word in ("token", "secret", "password", "credential", "key"))
    }
    assert shown == {
        "suggestions.suggestion.dedupe_key",
        "suggestions.suggestionevent.dedupe_key",
        *(f"ai_log.aiinteraction.{name}_tokens" for name in ("prompt", "completion")),
        *(
            f"suggestions.{model}.{name}_tokens"
            for model in ("suggestion", "suggestionevent")
            for name in ("prompt", "completion")
        ),
    }


@pytest.mark.parametrize("role", ["agent", "viewer"])
def test_page_needs_the_permission(role, request):
    user = request.getfixturevalue({"agent": "ann", "viewer": "vera"}[role])
    lead = make_lead()
    assert browser(user).get(privacy_url(lead)).status_code == 403
    assert browser(user).post(privacy_url(lead)).status_code == 403
    assert "privacy/" not in browser(user).get(f"/leads/lead/{lead.pk}/change/").content.decode()


def test_page_is_reached_from_lead_client_and_contact(as_max):
    for row in (make_lead(), make_client(), make_contact()):
        page = as_max.get(f"/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/").content.decode()
        assert privacy_url(row) in page
        assert as_max.get(privacy_url(row)).status_code == 200


def test_records_of_the_same_person_are_found_with_the_reason(max):
    lead = make_lead(contact_name=NAME, contact_email=ADDRESS, contact_phone=PHONE)
    contact = make_contact(name="Other spelling", email=ADDRESS.upper())
    client = make_client(name="Her firm", email="firm@planted.example")
    Lead.everything.filter(pk=lead.pk).update(converted_to_client=client, converted_at=lead.created_at)
    firms_contact = make_contact(name="By the firm", email="firm@planted.example")
    duplicate = make_lead(contact_name="Duplicate", contact_email="")
    merge(lead, duplicate, {}, by=max)
    namesake = make_client(name=NAME.upper())
    same_phone = make_contact(name="Flatmate", phone=PHONE.replace(" ", ""))
    make_lead(contact_name="Somebody else")
    found = {one.record: (one.reason, one.is_certain) for one in find_same_person(Lead.objects.get(pk=lead.pk))}
    assert found == {
        contact: (f"Same email address: {ADDRESS}", True),
        client: ("Converted", True),
        firms_contact: ("Same email address: firm@planted.example", True),
        duplicate: ("Merged", True),
        namesake: ("Same name", False),
        same_phone: ("Same phone number", False),
    }


def test_only_ticked_records_are_exported(as_max):
    lead = make_lead(contact_name=NAME, contact_email=ADDRESS)
    contact = make_contact(name="Unticked", email=ADDRESS)
    assert f'value="crm.contact:{contact.pk}" checked' in page_text(as_max.get(privacy_url(lead)))
    assert "tables/contacts.json" not in export(as_max, lead)
    assert "tables/contacts.json" in export(as_max, lead, contact)
    stranger = make_contact(name="Stranger")
    assert "tables/contacts.json" not in export(as_max, lead, stranger)


def test_conversation_of_a_participant_belongs_to_the_record_a_ticket_of_another_client_does_not():
    contact = make_contact(email=ADDRESS)
    thread = make_thread(lead=make_lead(), participant_emails=[ADDRESS, "third@x.example"])
    make_ticket(client=make_client(), thread=thread)
    call = AIInteraction.objects.create(type="Chat", source="Agent UI", content=f"Who is {ADDRESS}?")
    footprint = trace(Person([contact]))
    assert (footprint[Thread], footprint[AIInteraction]) == ({thread.pk}, {call.pk})
    assert not footprint.get(SupportTicket) and not footprint.get(Lead)


def test_missing_file_is_listed(as_max):
    lead = make_lead()
    thread = make_thread(lead=lead)
    gone = [{"name": "lost.pdf", "stored": "incoming/aa/gone", "url": "https://files.example/1"}]
    Message.objects.create(thread=thread, direction="in", sent_at=lead.created_at, attachments=gone)
    listed = export(as_max, lead)["files/not included.txt"].decode()
    assert "lost.pdf. It is not stored here. https://files.example/1" in listed


@pytest.mark.parametrize(
    ("name", "plain"), [("../../etc/passwd", "passwd"), ("a\\b:c?.pdf", "a-b-c-.pdf"), ("", "file"), ("..", "file")]
)
def test_file_name_stays_in_its_folder(name, plain):
    assert plain_file_name(name) == plain


def test_long_file_name_keeps_its_ending():
    assert plain_file_name("x" * 300 + ".pdf") == "x" * 77 + ".pdf"
