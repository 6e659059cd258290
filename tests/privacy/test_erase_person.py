"""Tests of erasing a person."""

from copy import deepcopy
from datetime import date, timedelta
from shutil import copytree

import pytest
from django.apps import apps
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, models
from django.utils import timezone

from ai_log.models import AIInteraction
from crm.exceptions import IllegalTransition
from crm.models import ActivityLog, Client, Contact, CustomField, ErasedPerson
from crm.records.activity import record
from crm.records.consent import closed_channels
from crm.records.local_time import agency_today
from crm.records.privacy.erasure_plan import plan_erasure
from crm.records.privacy.person import Person, find_same_person
from crm.records.privacy.transitions import delete_kept_clients, erase
from inbox.models import Message, PurgedMail, Thread
from inbox.transitions import delete_removed_files
from leads.models import ImportBatch, Lead, Policy, PolicyStatus
from tests.cast import (
    make_client,
    make_lead,
    make_suggestion,
    make_user,
)
from tests.privacy.person_records import ADDRESS, ATTACHMENT, NAME, PHONE, make_outsider, make_person

pytestmark = pytest.mark.django_db
REASON = "Request of 3 November"
# What the page says stays: the policy that is kept has its number and carrier.
KEPT_COLUMNS = {"policies.number", "policies.carrier", "policies.search_text"}


@pytest.fixture(scope="module")
def stored_person(module_transaction):
    """A person in every table, stored once for all tests; each undoes what it does to the rows."""
    rows = make_person(make_user("olga", "agent"))
    Policy.everything.filter(pk=rows[Policy].pk).update(status=PolicyStatus.LAPSED, expires_on=agency_today())
    certain = [one.record for one in find_same_person(rows[Lead]) if one.is_certain]
    assert len(certain) == 3
    return {**rows, "person": Person([rows[Lead], *certain]), "files": settings.MEDIA_ROOT}


@pytest.fixture
def person(stored_person, db):
    """Files and objects of the test's own: deleting an object clears its key."""
    copytree(stored_person["files"], settings.MEDIA_ROOT)
    return deepcopy(stored_person)


def stored_bytes() -> bytes:
    return b"".join(one.read_bytes() for one in settings.MEDIA_ROOT.rglob("*") if one.is_file())


def columns_with(*texts: str) -> set[str]:
    """Return the columns of all tables in which one of `texts` stands, as “table.column”."""
    found = set()
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            if not model._meta.managed or model._meta.proxy:
                continue
            for field in model._meta.concrete_fields:
                column, table = connection.ops.quote_name(field.column), model._meta.db_table
                text = f"encode({column}, 'escape')" if isinstance(field, models.BinaryField) else f"{column}::text"
                cursor.execute(
                    f'SELECT 1 FROM "{table}" WHERE {text} ILIKE ANY(%s) LIMIT 1', [[f"%{one}%" for one in texts]]
                )
                if cursor.fetchone():
                    found.add(f"{table}.{field.column}")
    return found


def test_nothing_about_the_person_is_left_except_what_the_page_says(person, ada, settings):
    outsider = make_outsider()
    batch = ImportBatch.objects.get(pk=person[ImportBatch].pk)
    path = default_storage.save("imports/x/people.csv", ContentFile(f"{NAME},{ADDRESS}".encode()))
    ImportBatch.objects.filter(pk=batch.pk).update(file_path=path, outcome={"examples": [{"name": NAME}]})
    record(ada, "exported", by=ada, summary=f"Exported 1 lead (q={ADDRESS}).", filters={"q": ADDRESS})
    planted = (NAME, ADDRESS, PHONE, "zorq")
    assert len(columns_with(*planted)) > 60
    assert ATTACHMENT in stored_bytes()
    erase(person["person"], reason=REASON, by=ada)
    left = columns_with(*planted)
    own = {"mailboxes", "saved_views", "import_batches", "saved_views_history", "mailboxes_history", "folder_mails"}
    own |= {"schema_changes", "field_statistics", "tags"}  # of staff about keys, and the names of keys and tags
    assert {column for column in left if column.split(".")[0] not in own} - KEPT_COLUMNS == set()
    assert columns_with(NAME, ADDRESS, PHONE) == set()
    assert Lead.objects.get().pk == outsider[Lead].pk and Thread.objects.get().pk == outsider[Thread].pk
    while delete_removed_files():
        pass
    assert ATTACHMENT not in stored_bytes() and b"zorq" not in stored_bytes()
    erased = ErasedPerson.objects.get()
    entry = ActivityLog.objects.for_target(erased).get()
    assert (entry.actor, entry.summary) == (ada, f"Erased a person on request: {REASON}")
    assert entry.metadata["rows"]["leads"] == 2


def test_references_to_the_person_are_emptied(person, ada):
    keys = {"lead": str(person[Lead].pk), "contact": str(person[Contact].pk)}
    for kind in keys:
        CustomField.objects.create(table="crm.client", key=kind, label=kind.title(), kind=kind)
    live, deleted = (make_client(name=name, custom_fields={**keys, "x": 1}) for name in ("Olga", "Otto"))
    Client.objects.filter(pk=deleted.pk).update(deleted_at=timezone.now())
    erase(person["person"], reason=REASON, by=ada)
    for client in (live, deleted):
        assert Client.everything.get(pk=client.pk).custom_fields == {"x": 1}


def test_kept_policy_loses_the_person_and_goes_when_its_time_is_over(person, ada):
    erase(person["person"], reason=REASON, by=ada)
    policy = Policy.objects.select_related("client").get()
    assert (policy.client.name, policy.client.email, policy.data, policy.lead) == ("Erased person", "", {}, None)
    assert (policy.number, policy.premium) == (person[Policy].number, person[Policy].premium)
    kept = ErasedPerson.objects.get()
    years = settings.POLICY_RETENTION_YEARS
    assert (kept.client, kept.keep_until) == (policy.client, date(agency_today().year + years, 12, 31))
    assert delete_kept_clients(kept.keep_until) == 0
    assert delete_kept_clients(kept.keep_until + timedelta(days=1)) == 1
    assert not Policy.everything.exists() and not Client.everything.exists()
    assert delete_kept_clients(kept.keep_until + timedelta(days=1)) == 0


def test_kept_client_with_a_name_again_stays(person, ada):
    erase(person["person"], reason=REASON, by=ada)
    Client.objects.update(name="Dana again")
    assert delete_kept_clients(date.max) == 0
    assert Client.objects.get().name == "Dana again"


def test_policy_beyond_its_retention_is_deleted(person, ada, settings):
    settings.POLICY_RETENTION_YEARS = 0
    ended = agency_today() - timedelta(days=400)
    Policy.everything.update(expires_on=ended, effective_on=ended - timedelta(days=365))
    erase(person["person"], reason=REASON, by=ada)
    assert not Policy.everything.exists() and not Client.everything.exists()


def test_erased_email_does_not_come_back(person, ada):
    box = person["received"].mailbox
    erase(person["person"], reason=REASON, by=ada)
    assert PurgedMail.objects.filter(mailbox=box).exists()
    assert not Message.everything.filter(mailbox=box).exists()


@pytest.mark.parametrize("same", [{"contact_email": ADDRESS.upper()}, {"contact_phone": "0731/5550199"}])
def test_new_lead_of_an_erased_person_must_not_be_contacted(person, ada, same):
    erase(person["person"], reason=REASON, by=ada)
    assert not closed_channels(make_lead().communications)
    lead = make_lead(communications={"email": {"consent": True}}, **same)
    lead.refresh_from_db()
    assert closed_channels(lead.communications) == {"email", "phone", "sms"}
    Lead.objects.filter(pk=lead.pk).update(communications={})
    Lead.objects.filter(pk=lead.pk).update(contact_email=lead.contact_email, notes="x")
    lead.refresh_from_db()
    assert lead.communications == {}


def test_new_client_of_an_erased_person_must_not_be_contacted(person, ada):
    erase(person["person"], reason=REASON, by=ada)
    client = make_client(email=ADDRESS)
    client.refresh_from_db()
    assert closed_channels(client.communications) == {"email", "phone", "sms"}


def test_ai_calls_keep_their_numbers_only(person, ada):
    AIInteraction.objects.create(type="Chat", source="Agent UI", content=f"Who is {ADDRESS}?", prompt_tokens=7)
    erase(person["person"], reason=REASON, by=ada)
    assert {(one.content, one.lead, one.client) for one in AIInteraction.objects.all()} == {("", None, None)}
    assert AIInteraction.objects.filter(prompt_tokens=7).exists()


def test_obstacles_are_named_and_nothing_is_erased(person, ada, ann):
    Policy.everything.update(status=PolicyStatus.ACTIVE)
    Message.everything.filter(pk=person[Message].pk).update(direction="out", state="QUEUED")
    ImportBatch.objects.update(state="RUNNING")
    approved = make_suggestion(lead=person[Lead])
    approved.executions.create(attempt=1, idempotency_key="x")
    sentences = plan_erasure(person["person"]).obstacles
    assert [sentence.split(" ", 2)[:2] for sentence in sorted(sentences)] == [
        *(["1", "email"], ["An", "approved"], ["The", "import"], ["The", "policy"])
    ]
    with pytest.raises(IllegalTransition):
        erase(person["person"], reason=REASON, by=ada)
    assert Lead.objects.filter(pk=person[Lead].pk).exists() and not ErasedPerson.objects.exists()


def test_erasure_that_fails_leaves_everything(person, ada, monkeypatch):
    before = columns_with(NAME)
    monkeypatch.setattr("crm.records.privacy.transitions.delete_row_audit", lambda plan: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        erase(person["person"], reason=REASON, by=ada)
    assert columns_with(NAME) == before


def test_second_erasure_is_told_that_the_person_is_gone(person, ada):
    erase(person["person"], reason=REASON, by=ada)
    with pytest.raises(IllegalTransition, match="One of these records is gone"):
        erase(person["person"], reason=REASON, by=ada)
    assert ErasedPerson.objects.count() == 1
