"""Who is told of what: in the transaction of what happened, by each app's own transitions."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition
from crm.models import Notification, NotificationKind, NotificationSetting
from crm.records.activity import SYSTEM_ACTOR
from crm.records.handover import hand_over
from crm.records.local_time import agency_today
from crm.records.notifications.due import DUE_PERIOD, notice_due
from crm.records.notifications.notify import notify
from crm.records.transitions import assign, save_edit
from inbox.imap.connection import LoginRefused
from inbox.imap.transitions import TOLD_FAILURE, mark_fetch_failed, mark_login_refused
from inbox.models import Mailbox, Message, Thread
from inbox.transitions import add_to_thread, log_conversation
from inbox.transitions import assign as assign_thread
from leads.importing.batches.transitions import save_failure
from leads.models import ImportBatch, ImportState, Task
from leads.transitions import add_task
from suggestions.transitions import approve
from support.transitions import escalate
from tests.cast import make_client, make_lead, make_suggestion, make_thread, make_ticket, make_user

pytestmark = pytest.mark.django_db


def told(user, kind=None):
    """Return kind, record and count of what `user` is told."""
    rows = Notification.objects.shown_to(user)
    rows = rows.filter(kind=kind) if kind else rows
    return [(row.kind, row.target_id, row.count) for row in rows]


def write_in(thread, *, minutes_ago=1, **fields):
    fields = {"direction": "in", "from_email": "lee@example.com", "body_text": "How much?", **fields}
    return add_to_thread(Message(thread=thread, sent_at=timezone.now() - timedelta(minutes=minutes_ago), **fields))


@pytest.mark.parametrize("make", [make_lead, make_client, make_ticket])
def test_new_owner_is_told_and_who_assigns_is_not(ann, bob, max, make):
    record = make(assigned_to=ann)
    Notification.objects.all().delete()
    assign(record, bob, by=max)
    assert told(bob) == [("assigned", record.pk, 1)]
    assert not told(ann)
    assert not told(max)
    assert Notification.objects.get().actor == max


def test_nobody_is_told_of_taking_a_record_themselves(ann):
    assign(make_lead(), ann, by=ann)
    assert not told(ann)


def test_assignees_of_tasks_and_conversations_are_told(ann, bob):
    task = Task(title="Call", lead=make_lead(assigned_to=ann), assignee=bob)
    add_task(task, by=ann)
    thread = make_thread(lead=make_lead(assigned_to=ann))
    assign_thread(thread, bob, by=ann)
    assert {one[:2] for one in told(bob)} == {("assigned", task.pk), ("assigned", thread.pk)}


def test_edited_assignee_is_told(ann, bob):
    task = Task(title="Call", assignee=ann)
    add_task(task, by=ann)
    saved, task.assignee = Task.objects.get(pk=task.pk), bob
    save_edit(task, ["assignee"], saved, by=ann)
    assert told(bob) == [("assigned", task.pk, 1)]


def test_colleague_who_takes_over_is_told_of_each_record(ann, bob, ada):
    lead, client = make_lead(assigned_to=bob), make_client(assigned_to=bob)
    hand_over(bob, ann, by=ada)
    assert {one[1] for one in told(ann, "assigned")} == {lead.pk, client.pk}


def test_refused_action_tells_nothing(ann, bob, max):
    lead = make_lead(assigned_to=bob)
    Notification.objects.all().delete()
    with pytest.raises(IllegalTransition):
        assign(lead, bob, by=max)
    with pytest.raises(RuntimeError), transaction.atomic():
        assign(lead, ann, by=max)
        raise RuntimeError
    assert not Notification.objects.exists()


def test_user_without_access_to_a_record_is_not_told(ann, bob, stranger):
    lead = make_lead(assigned_to=ann)
    Notification.objects.all().delete()
    inactive = make_user("left", "manager", is_active=False)
    assert notify(NotificationKind.MENTIONED, lead, [ann, bob, stranger, inactive], by=SYSTEM_ACTOR) == [ann]
    assert Notification.objects.get().reader == ann


def test_kind_without_registered_words_is_refused(ann):
    with pytest.raises(LookupError, match="due.*leads.lead"):
        notify(NotificationKind.DUE, make_lead(), [ann], by=SYSTEM_ACTOR)


def test_messages_of_a_conversation_add_up_until_they_are_read(ann):
    thread = make_thread(lead=make_lead(assigned_to=ann))
    for minutes in (3, 2, 1):
        write_in(thread, minutes_ago=minutes)
    assert told(ann, "answered") == [("answered", thread.pk, 3)]
    Notification.objects.update(read_at=timezone.now())
    write_in(thread, minutes_ago=0)
    assert sorted(told(ann, "answered")) == [("answered", thread.pk, 1), ("answered", thread.pk, 3)]


def test_only_a_person_outside_who_wrote_just_now_is_an_answer(ann):
    lead = make_lead(assigned_to=ann)
    write_in(make_thread(lead=lead), minutes_ago=60 * 24 * 4)
    write_in(make_thread(lead=lead), nature="AUTO_REPLY")
    write_in(make_thread(lead=lead), direction="out", state="SENT", from_email="ann@agency.example")
    log_conversation(lead, source="SMS", direction="in", subject="Text", body="She texted.", by=ann)
    assert not told(ann, "answered")


def test_assignee_of_a_conversation_is_told_of_answers_in_place_of_the_owner(ann, bob):
    thread = make_thread(lead=make_lead(assigned_to=ann))
    Thread.objects.filter(pk=thread.pk).update(assigned_to=bob)
    write_in(thread)
    assert [one[1] for one in told(bob, "answered")] == [thread.pk]
    assert not told(ann, "answered")


def test_escalation_is_told_to_owner_and_supervisors(ann, bob, max):
    ticket = make_ticket(assigned_to=ann)
    escalate(ticket, why="The client waits.", by=bob)
    assert told(ann, "escalated") == told(max, "escalated") == [("escalated", ticket.pk, 1)]
    assert not told(bob)


def test_approver_is_told_when_an_approved_suggestion_fails(max, monkeypatch):
    suggestion = make_suggestion("TASK", suggested_content={"title": "Call", "assignee": "max"})
    monkeypatch.setattr("suggestions.kinds.task.add_task", refuse)
    approve(suggestion, by=max)
    assert told(max, "failed") == [("failed", suggestion.pk, 1)]


def refuse(*args, **kwargs):
    raise IllegalTransition("It is closed.")


def test_owner_is_told_when_a_mailbox_fails_for_good(ann, ada):
    ann.user_permissions.add(Permission.objects.get(codename="view_mailbox"))
    own = Mailbox.objects.create(address="ann@agency.example", owner=ann)
    shared = Mailbox.objects.create(address="office@agency.example")
    for _ in range(TOLD_FAILURE - 1):
        mark_fetch_failed(own, "No answer.")
    assert not told(ann)
    for _ in range(3):
        mark_fetch_failed(own, "No answer.")
    assert told(ann) == [("failed", own.pk, 1)]
    mark_login_refused(shared, LoginRefused("The password is wrong."))
    assert told(ada) == [("failed", shared.pk, 1)]


def test_user_who_imports_is_told_when_the_import_fails(max):
    batch = ImportBatch.objects.create(file_name="x.csv", file_hash="x", imported_by=max, state=ImportState.RUNNING)
    save_failure(batch, "The disk is full.")
    save_failure(batch, "Again.")
    assert told(max) == [("failed", batch.pk, 1)]


def test_due_task_is_told_once_for_each_due_time(ann):
    now, today = timezone.now(), agency_today()
    lead = make_lead(assigned_to=ann)
    task = Task.objects.create(title="Call", lead=lead, due_on=today)
    Task.objects.create(title="Later", lead=lead, due_on=today + timedelta(days=1))
    Task.objects.create(title="Long ago", lead=lead, due_on=today - DUE_PERIOD - timedelta(days=1))
    Task.objects.create(title="Done", lead=lead, due_on=today, status="DONE")
    assert notice_due(now) == 1
    assert told(ann, "due") == [("due", task.pk, 1)]
    Notification.objects.update(read_at=now)
    assert notice_due(now) == 0
    Task.objects.filter(pk=task.pk).update(due_on=today - timedelta(days=1))
    assert notice_due(now) == 1


def test_due_task_is_told_to_its_assignee_and_not_to_a_user_who_left(ann, bob):
    lead = make_lead(assigned_to=ann)
    task = Task.objects.create(title="Call", lead=lead, assignee=bob, due_on=agency_today())
    notice_due(timezone.now())
    assert told(bob, "due") == [("due", task.pk, 1)]
    assert not told(ann, "due")
    bob.is_active = False
    bob.save()
    Task.objects.create(title="Write", lead=lead, assignee=bob, due_on=agency_today())
    assert notice_due(timezone.now()) == 0


def test_kind_that_is_switched_off_is_not_stored_and_due_stays_off_later(ann, max):
    for kind in ("assigned", "due"):
        NotificationSetting.objects.create(user=ann, kind=kind, in_page=False, by_email=False)
    lead = make_lead()
    assign(lead, ann, by=max)
    Task.objects.create(title="Call", lead=lead, due_on=agency_today())
    assert notice_due(timezone.now()) == 1
    assert not told(ann)
    NotificationSetting.objects.all().delete()
    assert notice_due(timezone.now()) == 0


def test_database_refuses_due_without_time_and_a_second_unread_one(ann):
    lead = make_lead()
    row = {"reader": ann, "target_type": "leads.lead", "target_id": lead.pk}
    for fields in ({"kind": "due"}, {"kind": "assigned", "due_at": timezone.now()}, {"kind": "assigned", "count": 0}):
        with pytest.raises(ValidationError):
            Notification(**row, **fields).full_clean()
    Notification.objects.create(**row, kind="assigned")
    with pytest.raises(ValidationError, match="unread notification of this already"):
        Notification(**row, kind="assigned").full_clean()
