"""Transitions of any record, and their history."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from django.contrib.messages import get_messages
from django.core.exceptions import ValidationError
from django.db import InternalError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ai_log.models import AIInteraction
from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted, errors_as_invalid_input
from crm.models import ActivityLog, ActorType, Client, ContactClient, Project, User
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from crm.records.history import display_value, load_history
from crm.records.tags.transitions import add_tag
from crm.records.transitions import add_note, assign, create, permission_name, purge, restore, soft_delete
from leads.models import ContactLead, Lead, LeadStatus, Task
from leads.transitions import change_status
from tests.cast import (
    browser,
    make_client,
    make_contact,
    make_lead,
    make_suggestion,
    make_thread,
    make_ticket,
    make_user,
    page_text,
)
from tests.form_parser import read_form

pytestmark = pytest.mark.django_db
REFUSED = (InternalError, ProgrammingError)  # by a trigger
NOTHING_PENDING = "SET CONSTRAINTS ALL IMMEDIATE"


@pytest.fixture
def one_of_each():
    """One record of every kind, with the transitions that roles allow."""
    client = make_client()
    project = Project.objects.create(client=client, name="Onboarding")
    task = Task.objects.create(title="Call")
    return [make_lead(), client, make_contact(), project, task, make_thread(), make_ticket(client=client)]


def logged_verbs(row) -> list[str]:
    return list(ActivityLog.objects.for_target(row).values_list("verb", flat=True))


# Constraints


def test_all_constraints_of_a_row_take_one_select(db):
    lead = make_lead()
    with CaptureQueriesContext(connection) as statements:
        lead.validate_constraints()
    selects = [query["sql"] for query in statements if query["sql"].startswith("SELECT")]
    assert len(selects) == 1, "one for every check and the unique email address"


def test_each_violated_constraint_is_named():
    taken, lead = make_lead(), make_lead()
    lead.contact_email, lead.overall_score, lead.tags = taken.contact_email, 2, [""]
    with pytest.raises(ValidationError) as caught:
        lead.validate_constraints()
    assert len(caught.value.messages) == 3
    with pytest.raises(ValidationError) as caught:
        lead.validate_constraints(exclude={"overall_score", "contact_email"})
    assert len(caught.value.messages) == 1


def test_check_with_null_passes_and_uncomputable_one_hides_no_other():
    lead = make_lead()
    lead.estimated_value = lead.priority_tier = None
    lead.validate_constraints()
    lead.custom_fields, lead.overall_score = {"a": "\0"}, 2
    with pytest.raises(ValidationError) as caught:
        lead.validate_constraints()
    assert "The overall score must lie between 0 and 1." in caught.value.messages


# Deleting, restoring, purging


def test_deleted_record_is_hidden_and_can_be_restored(one_of_each, max):
    for row in one_of_each:
        soft_delete(row, by=max)
        assert row.is_deleted
        assert not type(row).objects.filter(pk=row.pk).exists()
        assert type(row).everything.filter(pk=row.pk).exists()
        restore(row, by=max)
        assert not row.is_deleted
        assert type(row).objects.filter(pk=row.pk).exists()
        assert logged_verbs(row)[:2] == ["restored", "deleted"]


def test_record_actions_need_permission(one_of_each, ann, vera, stranger, max):
    for row in one_of_each:
        for who in (vera, stranger):
            with pytest.raises(NotPermitted, match="may not delete"):
                soft_delete(row, by=who)
        soft_delete(row, by=max)
        for who in (ann, vera, stranger):
            with pytest.raises(NotPermitted, match="may not restore"):
                restore(row, by=who)
        for who in (ann, vera, stranger, max):
            with pytest.raises(NotPermitted, match="may not purge"):
                purge(row, by=who)
        assert type(row).everything.get(pk=row.pk).is_deleted


def test_inactive_user_cannot_delete(max):
    lead = make_lead()
    max.is_active = False
    with pytest.raises(NotPermitted):
        soft_delete(lead, by=max)


def test_repeated_delete_or_restore_is_refused(one_of_each, ada):
    for row in one_of_each:
        with pytest.raises(IllegalTransition, match="is not deleted"):
            restore(row, by=ada)
        soft_delete(row, by=ada)
        with pytest.raises(IllegalTransition, match="already deleted"):
            soft_delete(row, by=ada)


def test_lead_with_duplicate_address_cannot_be_restored(max):
    lead = make_lead(contact_email="same@example.com")
    soft_delete(lead, by=max)
    make_lead(contact_email="Same@example.com")
    with pytest.raises(InvalidInput, match="Another open lead already has this address"):
        restore(lead, by=max)
    assert Lead.everything.get(pk=lead.pk).is_deleted
    assert logged_verbs(lead)[0] == "deleted"
    answer = browser(max).post(f"/leads/lead/{lead.pk}/do/restore/")
    assert answer.status_code == 422
    assert "Another open lead already has this address" in answer.content.decode()


def test_contact_with_duplicate_address_cannot_be_restored(max):
    contact = make_contact(email="same@example.com")
    soft_delete(contact, by=max)
    make_contact(email="SAME@example.com")
    with pytest.raises(InvalidInput, match="Another contact already has this address"):
        restore(contact, by=max)


def test_only_deleted_records_can_be_purged_and_purge_is_logged(one_of_each, ada):
    for row in reversed(one_of_each):  # the client's own rows first
        key = row.pk
        with pytest.raises(IllegalTransition, match="must be deleted before it is purged"):
            purge(row, by=ada)
        soft_delete(row, by=ada)
        purge(row, by=ada)
        assert not type(row).everything.filter(pk=key).exists()
        line = ActivityLog.objects.filter(target_id=key, verb="purged").get()
        assert (line.actor, line.summary) == (ada, f"Purged {row._meta.verbose_name} “{row}”")
        with pytest.raises(IllegalTransition, match="must be deleted before"):
            purge(row, by=ada)


def test_client_of_converted_lead_cannot_be_purged(ada):
    client = make_client(name="Needed")
    lead = make_lead(contact_name="Won one", contact_email="", status_id="CLOSED_WON")
    Lead.objects.filter(pk=lead.pk).update(converted_at=timezone.now(), converted_to_client=client)
    soft_delete(client, by=ada)
    with pytest.raises(IllegalTransition, match="“Needed” is still referenced by lead “Won one”"):
        purge(client, by=ada)
    assert Client.everything.get(pk=client.pk).is_deleted
    assert "purged" not in logged_verbs(client)


def test_purging_lead_deletes_links_and_keeps_related_records(ada):
    lead, contact = make_lead(), make_contact()
    change_status(lead, LeadStatus.objects.get(pk="ACTIVE"), by=ada)
    link = ContactLead.objects.create(lead=lead, contact=contact)
    staying = [
        Task.objects.create(title="Call", lead=lead),
        make_thread(lead=lead),
        make_ticket(lead=lead),
        make_suggestion(lead=lead),
        AIInteraction.objects.create(lead=lead, type="Chat", source="Agent UI", content="?"),
    ]
    soft_delete(lead, by=ada)
    purge(lead, by=ada)
    assert not ContactLead.everything.filter(pk=link.pk).exists()
    for row in staying:
        row.refresh_from_db()
        assert row.lead_id is None, row


def test_purge_page_confirms_and_redirects_to_list(ada, max):
    lead = make_lead()
    soft_delete(lead, by=ada)
    url = f"/leads/lead/{lead.pk}/do/purge/"
    assert browser(max).post(url).status_code == 403
    page = browser(ada)
    assert "Delete permanently" in page.get(url).content.decode()
    assert Lead.everything.filter(pk=lead.pk).exists()
    answer = page.post(url)
    assert (answer.status_code, answer["Location"]) == (302, "/leads/lead/")
    assert not Lead.everything.filter(pk=lead.pk).exists()


def test_delete_page_confirms(as_max, as_ann, ann):
    lead = make_lead(assigned_to=ann)
    url = f"/leads/lead/{lead.pk}/delete/"
    assert as_ann.post(url, {"post": "yes"}).status_code == 403
    assert as_max.get(url).status_code == 200
    assert not Lead.everything.get(pk=lead.pk).is_deleted
    assert as_max.post(url).status_code == 302
    assert Lead.everything.get(pk=lead.pk).is_deleted
    assert as_ann.get(f"/leads/lead/{lead.pk}/change/").status_code == 404
    assert "Restore" in as_max.get(f"/leads/lead/{lead.pk}/change/").content.decode()


def test_deleted_record_takes_no_note_and_no_owner(max, as_max):
    lead = make_lead()
    soft_delete(lead, by=max)
    with pytest.raises(IllegalTransition, match="is deleted"):
        add_note(lead, "n", by=max)
    with pytest.raises(IllegalTransition, match="is deleted"):
        assign(lead, max, by=max)
    for verb, data in {
        "note": {"body": "n"},
        "stage": {"stage": "ACTIVE"},
        "tier": {"tier": "hot"},
        "tag": {"tag": "x"},
        "task": {"title": "x"},
        "assign": {"owner": max.pk},
    }.items():
        answer = as_max.post(f"/leads/lead/{lead.pk}/do/{verb}/", data)
        assert answer.status_code == 422, verb
        assert "deleted" in answer.content.decode(), verb
    assert not Task.objects.exists()


# Notes


def test_note_is_on_timeline_and_is_not_a_contact(ann):
    lead = make_lead()
    add_note(lead, "  Called.\nWill think\x00 about it.  ", by=ann)
    line = ActivityLog.objects.on_timeline_of(lead)[0]
    assert (line.verb, line.actor, line.summary) == ("noted", ann, "Called.\nWill think about it.")
    lead.refresh_from_db()
    assert (lead.last_contact_at, lead.last_activity_at) == (None, line.occurred_at)


@pytest.mark.parametrize("body", ["", " \n\t", "\x00", " \x00 ", "x" * 10_001])
def test_empty_or_overlong_note_is_refused(ann, as_ann, body):
    lead = make_lead()
    with pytest.raises(InvalidInput, match="The note is empty|at most 10,000 characters"):
        add_note(lead, body, by=ann)
    assert as_ann.post(f"/leads/lead/{lead.pk}/do/note/", {"body": body}).status_code == 422
    assert logged_verbs(lead) == ["created"]


def test_note_of_10000_characters_is_stored(ann):
    lead = make_lead()
    add_note(lead, "x" * 10_000, by=ann)
    assert len(ActivityLog.objects.on_timeline_of(lead)[0].summary) == 10_000


def test_viewer_cannot_write_notes(vera):
    lead = make_lead()
    with pytest.raises(NotPermitted, match="may not write a note"):
        add_note(lead, "n", by=vera)
    assert browser(vera).post(f"/leads/lead/{lead.pk}/do/note/", {"body": "n"}).status_code == 403


# Owners


def test_user_with_change_permission_can_take_unassigned_record(ann):
    for row in (make_lead(), make_client(), make_ticket()):
        assign(row, ann, by=ann)
        row.refresh_from_db()
        assert row.assigned_to == ann
        line = ActivityLog.objects.for_target(row)[0]
        assert (line.verb, line.summary) == ("assigned", "Owner: Unassigned → Ann")
        assert line.metadata == {"name": "Ann", "was": None, "now": str(ann.pk)}


def test_other_assignments_need_reassign_permission(ann, bob, max):
    for row in (make_lead(assigned_to=bob), make_client(assigned_to=bob), make_ticket(assigned_to=bob)):
        for owner in (ann, None):
            with pytest.raises(NotPermitted, match="may not reassign"):
                assign(row, owner, by=ann)
        assign(row, ann, by=max)
        assign(row, None, by=max)
        with pytest.raises(NotPermitted, match="may not reassign"):
            assign(row, bob, by=ann)  # assigning an unassigned record to another user is a reassignment
        row.refresh_from_db()
        assert row.assigned_to is None


def test_assigning_to_current_owner_or_inactive_user_is_refused(max, ann):
    lead, gone = make_lead(assigned_to=ann), make_user("gone", "agent", is_active=False)
    with pytest.raises(IllegalTransition, match="already assigned to Ann"):
        assign(lead, ann, by=max)
    with pytest.raises(IllegalTransition, match="Gone is inactive and cannot be an owner"):
        assign(lead, gone, by=max)
    with pytest.raises(IllegalTransition, match="already unassigned"):
        assign(make_lead(), None, by=max)
    lead.refresh_from_db()
    assert (lead.assigned_to, logged_verbs(lead)) == (ann, ["created"])


def test_concurrent_take_leaves_one_owner(ann, bob):
    lead = make_lead()
    stale = Lead.objects.get(pk=lead.pk)
    assign(lead, ann, by=ann)
    with pytest.raises(NotPermitted, match="may not reassign"):
        assign(stale, bob, by=bob)
    assert Lead.objects.get(pk=lead.pk).assigned_to == ann


# The activity log


def test_record_stores_actor_target_and_timeline(ann):
    lead = make_lead()
    task, at = Task.objects.create(title="Call", lead=lead), timezone.now() - timedelta(days=1)
    line = record(task, "moved", by=ann, summary="Done", timeline_owner=lead, at=at, was="ON_DECK", now="DONE")
    line.refresh_from_db()
    assert (line.actor_type, line.actor, line.verb, line.summary) == ("user", ann, "moved", "Done")
    assert (line.target_type, line.target_id) == ("leads.task", task.pk)
    assert (line.about_type, line.about_id, line.occurred_at) == ("leads.lead", lead.pk, at)
    assert line.metadata == {"name": "Ann", "was": "ON_DECK", "now": "DONE"}
    assert line in ActivityLog.objects.on_timeline_of(lead)
    assert line in ActivityLog.objects.for_target(task)
    assert line not in ActivityLog.objects.on_timeline_of(task)


def test_machine_actor_keeps_its_name():
    lead = make_lead()
    record(lead, "scored", by=Actor(ActorType.AI, name="Scorer 2"), summary="0.81")
    line = ActivityLog.objects.on_timeline_of(lead)[0]
    assert (line.actor_type, line.actor, line.metadata) == ("ai", None, {"name": "Scorer 2"})


def test_machine_actor_is_refused_and_system_is_allowed():
    lead = make_lead()
    for kind in (ActorType.AI, ActorType.EXTERNAL):
        with pytest.raises(NotPermitted, match="Somebody may not"):
            add_note(lead, "n", by=Actor(kind, name="Somebody"))
    add_note(lead, "n", by=SYSTEM_ACTOR)


def test_log_entries_cannot_be_changed_even_with_sql(ann):
    add_note(make_lead(), "kept", by=ann)
    for attempt in (
        lambda: ActivityLog.objects.filter(verb="noted").update(summary="other"),
        lambda: ActivityLog.objects.filter(verb="noted").delete(),
        lambda: ActivityLog.objects.get(verb="noted").delete(),
        lambda: connection.cursor().execute("UPDATE activity_logs SET occurred_at = now()"),
        lambda: connection.cursor().execute("DELETE FROM activity_logs"),
    ):
        with pytest.raises(REFUSED, match="Cannot"), transaction.atomic():
            attempt()
    assert ActivityLog.objects.get(verb="noted").summary == "kept"


@pytest.mark.parametrize("table", ["activity_logs", "ai_interactions", "lead_stage_history"])
def test_append_only_tables_cannot_be_truncated(table):
    lead = make_lead()
    AIInteraction.objects.create(lead=lead, type="Chat", source="Agent UI", content="?")
    with connection.cursor() as cursor:
        cursor.execute(NOTHING_PENDING)
        with pytest.raises(REFUSED, match="Cannot truncate table"), transaction.atomic():
            cursor.execute(f"TRUNCATE {table} CASCADE")
        cursor.execute(f"SELECT count(*) FROM {table}")
        assert cursor.fetchone()[0] > 0


def test_leads_cannot_be_truncated():
    make_lead()
    with pytest.raises(REFUSED, match="Cannot truncate"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(NOTHING_PENDING)
        cursor.execute("TRUNCATE leads CASCADE")


def test_stage_history_cannot_be_changed(ada):
    lead = make_lead()
    change_status(lead, LeadStatus.objects.get(pk="ACTIVE"), by=ada)
    moves = lead.stage_history.all()
    for change in ({"to_status": "PROPOSAL_SENT"}, {"at": timezone.now()}, {"deleted_at": timezone.now()}):
        with pytest.raises(REFUSED, match="Cannot update"), transaction.atomic():
            moves.update(**change)
    ada.delete()
    assert [move.by for move in moves] == [None, None]


def test_log_has_no_forms():
    root = User.objects.create_superuser("root", password="x")
    line = record(make_lead(), "noted", by=SYSTEM_ACTOR, summary="n")
    page = browser(root)
    assert page.get("/crm/activitylog/").status_code == 200
    assert page.get(f"/crm/activitylog/{line.pk}/change/").status_code == 200
    for address in ("add/", f"{line.pk}/change/", f"{line.pk}/delete/"):
        assert page.post(f"/crm/activitylog/{address}", {"verb": "x"}).status_code == 403, address
    for verb in ("restore", "purge"):
        assert page.post(f"/crm/activitylog/{line.pk}/do/{verb}/").status_code in {403, 404}


def test_agent_sees_own_log_entries_and_those_of_own_records(as_ann, ann, bob):
    hers, theirs = make_lead(assigned_to=ann), make_lead(assigned_to=bob)
    add_note(hers, "Hers", by=ann)
    add_note(theirs, "Theirs", by=bob)
    text = as_ann.get("/crm/activitylog/").content.decode()
    assert "Hers" in text
    assert "Theirs" not in text
    assert as_ann.get(f"/leads/lead/{theirs.pk}/history/").status_code == 404


def test_last_activity_date_only_moves_forward(ann):
    lead = make_lead()
    now = timezone.now()
    for at, expected in ((now, now), (now - timedelta(days=9), now), (now + timedelta(1), now + timedelta(1))):
        record(lead, "noted", by=ann, summary="n", at=at)
        lead.refresh_from_db()
        assert lead.last_activity_at == expected
    record(Task.objects.create(title="t", lead=lead), "created", by=ann, summary="t", at=now - timedelta(days=20))
    lead.refresh_from_db()
    assert lead.last_activity_at == now + timedelta(1)


# The audit of rows


def save_form(page, lead: Lead, **changes: str) -> None:
    url = f"/leads/lead/{lead.pk}/change/?edit=1"
    form = read_form(page.get(url).content.decode(), "lead_form")
    assert page.post(url, {**form, **changes}).status_code == 302


def test_change_on_page_keeps_old_value_user_and_url(as_ann, ann):
    lead = make_lead(contact_name="Old name", assigned_to=ann)
    save_form(as_ann, lead, contact_name="New name")
    event = lead.events.select_related("pgh_context").get()
    assert event.contact_name == "Old name"
    assert event.pgh_context.metadata == {"user": str(ann.pk), "url": f"/leads/lead/{lead.pk}/change/"}
    lead.refresh_from_db()
    (change,) = load_history(lead)
    assert (change.changed_by, change.source) == ("Ann", f"/leads/lead/{lead.pk}/change/")
    assert change.fields == [("name", "Old name", "New name")]


def test_raw_sql_changes_are_audited():
    lead = make_lead(contact_name="Old name")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE leads SET contact_name = 'New name', estimated_value = 5 WHERE id = %s", [lead.pk])
        cursor.execute("UPDATE leads SET contact_name = 'Newer name' WHERE id = %s", [lead.pk])
    lead.refresh_from_db()
    newest, oldest = load_history(lead)
    assert (newest.changed_by, newest.fields) == ("The program", [("name", "New name", "Newer name")])
    assert oldest.fields == [("name", "Old name", "New name"), ("value", None, "5.00")]


def test_scores_and_contact_dates_are_not_audited():
    lead = make_lead()
    Lead.objects.filter(pk=lead.pk).update(
        overall_score="0.50",
        priority_tier="warm",
        signals=[{"type": "x", "timestamp": "2024-01-01T00:00:00Z", "weight": 0.5}],
        last_scored_at=timezone.now(),
        predicted_close_probability="0.30",
        last_contact_at=timezone.now(),
        last_activity_at=timezone.now(),
        awaiting_reply=True,
        rank=1,
    )
    assert not lead.events.exists()
    Lead.objects.filter(pk=lead.pk).update(overall_score="0.60", estimated_value=7)
    assert lead.events.count() == 1


def test_purge_keeps_audited_row(ada):
    lead = make_lead(contact_name="Gone for good")
    soft_delete(lead, by=ada)
    events, key = type(lead).events.rel.related_model, lead.pk
    purge(lead, by=ada)
    assert list(events.objects.filter(pgh_obj_id=key).order_by("pgh_id").values_list("contact_name", flat=True)) == [
        "Gone for good",
        "Gone for good",
    ]


def test_history_page_shows_old_and_new_values(as_max, ann):
    lead = make_lead(contact_name="Old name", notes="<b>old</b>")
    save_form(as_max, lead, contact_name="New name", notes="")
    text = page_text(as_max.get(f"/leads/lead/{lead.pk}/history/"))
    assert "<del>Old name</del> → <ins>New name</ins>" in text
    assert "<del>&lt;b&gt;old&lt;/b&gt;</del> → <ins>empty</ins>" in text
    assert "Max" in text
    assert f"/leads/lead/{lead.pk}/change/" in text
    assert "Changed name, notes" in text


def test_history_page_shows_owner_names_and_booleans(as_max, ann, max):
    lead, contact = make_lead(), make_contact()
    assign(lead, ann, by=max)
    text = page_text(as_max.get(f"/leads/lead/{lead.pk}/history/"))
    assert "<del>empty</del> → <ins>Ann</ins>" in text
    link = ContactClient.objects.create(client=make_client(), contact=contact, is_primary=True)
    ContactClient.objects.filter(pk=link.pk).update(is_primary=False)
    link.refresh_from_db()
    assert load_history(link)[0].fields == [("is primary", "Yes", "No")]


def test_history_writes_dates_like_every_page():
    lead = make_lead(expected_close_date=date(2026, 3, 5))
    Lead.objects.filter(pk=lead.pk).update(expected_close_date=None, closed_at=None)
    lead.refresh_from_db()
    assert load_history(lead)[0].fields == [("expected close date", "5 Mar 2026", None)]
    moment = datetime(2026, 3, 5, 9, 7, tzinfo=UTC)
    assert display_value(Lead._meta.get_field("closed_at"), moment) == "5 Mar 2026, 09:07"


# Creating


def test_creating_needs_permission_and_valid_values(vera, max):
    with pytest.raises(NotPermitted, match="may not add a client"):
        create(Client(name="x"), by=vera)
    for bad in (Client(name=""), Client(name="x" * 201), Client(name="x", tags=[""]), Client(name="x", email="no")):
        with pytest.raises(InvalidInput):
            create(bad, by=max)
    with pytest.raises(InvalidInput, match="must be a JSON object"):
        create(Client(name="x", custom_fields=[1]), by=max)
    with pytest.raises(InvalidInput, match="The database cannot store this value"):
        create(Client(name="x", notes="a\x00b"), by=max)
    assert not Client.objects.exists()


def test_database_refusal_uses_constraint_message():
    with pytest.raises(InvalidInput, match="The value must not be negative"), errors_as_invalid_input():
        Lead.objects.create(contact_name="x", estimated_value=-1)
    with pytest.raises(InvalidInput, match="The database cannot store this value"), errors_as_invalid_input():
        Lead.objects.filter(pk=make_lead().pk).update(contact_phone="5" * 41)
    with pytest.raises(InvalidInput, match="cannot store this value"), errors_as_invalid_input():
        Lead.objects.filter(pk=make_lead().pk).update(custom_fields={"a": "\x00"})


def test_every_record_action_has_a_permission(one_of_each, ada):
    for row in one_of_each:
        for deed in ("add", "change", "delete", "restore", "purge"):
            assert ada.has_perm(permission_name(row, deed)), (row, deed)


INPUTS = ["owner", "stage", "tier", "assignee", "due_on", "body", "title", "tag", "loss_reason", "loss_notes", "next"]


def test_garbage_input_never_breaks_an_action(as_max):
    lead = make_lead()
    for verb in ("stage", "take", "assign", "tier", "note", "task", "tag"):
        for text in ("\x00", "'", "9" * 400):
            sent = dict.fromkeys(INPUTS, text)
            assert as_max.get(f"/leads/lead/{lead.pk}/do/{verb}/", sent).status_code == 200, (verb, text)
            assert as_max.post(f"/leads/lead/{lead.pk}/do/{verb}/", sent).status_code in {302, 422}, (verb, text)
    assert as_max.post(f"/leads/lead/{lead.pk}/do/nothing/").status_code == 403
    assert as_max.post("/leads/lead/0190aaaa-0000-7000-8000-000000000000/do/note/", {"body": "x"}).status_code == 404


def test_null_bytes_are_removed():
    lead = make_lead()
    add_tag(lead, "r\x00ed", by=SYSTEM_ACTOR)
    with pytest.raises(InvalidInput):
        add_tag(lead, "\x00", by=SYSTEM_ACTOR)
    lost = LeadStatus.objects.get(pk="CLOSED_LOST")
    change_status(lead, lost, by=SYSTEM_ACTOR, loss_reason="FIT", loss_notes="too \x00dear")
    assert (lead.tags, lead.loss_notes) == (["red"], "too dear")


def test_refused_action_keeps_typed_values(as_max, max):
    lead = make_lead()
    answer = as_max.post(f"/leads/lead/{lead.pk}/do/stage/", {"stage": "CLOSED_LOST", "loss_notes": "Typed this"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "Choose a loss reason" in text
    assert "Typed this" in text
    assert not list(get_messages(answer.wsgi_request))
    assert json.dumps(ActivityLog.objects.for_target(lead)[0].metadata)


def test_people_are_found_by_an_address_in_any_case_and_never_by_an_empty_one(django_assert_num_queries):
    for make, name in ((make_client, "email"), (make_contact, "email"), (make_lead, "contact_email")):
        make(**{name: ""}), make(**{name: "other@x.example"})
        row = make(**{name: "Ann@X.example"})
        rows = type(row).objects
        assert list(rows.with_addresses(["ANN@x.EXAMPLE", ""])) == [row]
        with django_assert_num_queries(0):
            assert not rows.with_addresses([""]) and not rows.with_addresses([])
