"""Assigning conversations."""

import threading

import pytest
from django.db import connection, connections

from crm.exceptions import IllegalTransition, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import assign as give
from crm.records.transitions import soft_delete
from inbox.models import Thread
from inbox.transitions import assign, link, unlink
from leads.ownership import repair_owner_column
from tests.cast import browser, make_client, make_lead, make_thread, make_user

pytestmark = pytest.mark.django_db
LIST = "/inbox/thread/"


def current_owner(thread):
    return Thread.objects.get(pk=thread.pk).owner


def test_assigned_thread_is_visible_to_assignee_and_lead_owner_and_logged(ann, bob):
    lead = make_lead(assigned_to=ann)
    thread = make_thread(lead=lead)
    assign(thread, bob, by=ann)
    assert current_owner(thread) == bob
    assert thread in Thread.objects.visible_to(bob)
    assert thread in Thread.objects.visible_to(ann)
    assert thread not in Thread.objects.visible_to(make_user("luis", "agent"))
    line = ActivityLog.objects.on_timeline_of(lead)[0]
    assert (line.verb, line.metadata) == ("assigned", {"was": None, "now": str(bob.pk), "name": "Ann"})
    assert line.summary.endswith("assigned: unassigned → Bob")


def test_unassigned_thread_follows_lead_owner_again(ann, bob, max):
    lead = make_lead(assigned_to=ann)
    thread = make_thread(lead=lead)
    assign(thread, bob, by=max)
    give(lead, None, by=max)
    assert current_owner(thread) == bob
    give(lead, ann, by=ann)
    assign(thread, None, by=bob)
    assert current_owner(thread) == ann


@pytest.mark.parametrize("maker", [make_lead, make_client])
def test_assigned_owner_survives_linking_and_unlinking(ann, bob, max, maker):
    whose, thread = maker(assigned_to=ann), make_thread()
    assign(thread, bob, by=bob)
    link(thread, **{"lead" if maker is make_lead else "client": whose}, by=max)
    assert current_owner(thread) == bob
    give(whose, None, by=max)
    assert current_owner(thread) == bob
    unlink(thread, by=bob)
    assert current_owner(thread) == bob


def test_assigning_a_colleagues_thread_needs_reassign_permission(ann, bob, max, vera):
    thread = make_thread(lead=make_lead(assigned_to=bob))
    with pytest.raises(NotPermitted):
        assign(thread, ann, by=ann)
    with pytest.raises(NotPermitted):
        assign(make_thread(), vera, by=vera)
    assert not Thread.objects.exclude(assigned_to=None).exists()
    assign(thread, ann, by=max)
    assert current_owner(thread) == ann


def test_invalid_assignment_is_refused_with_reason(ann):
    thread, gone = make_thread(), make_thread()
    soft_delete(gone, by=SYSTEM_ACTOR)
    assign(thread, ann, by=ann)
    with pytest.raises(IllegalTransition, match="already assigned to Ann"):
        assign(thread, ann, by=ann)
    with pytest.raises(IllegalTransition, match="is deleted"):
        assign(gone, ann, by=ann)
    with pytest.raises(IllegalTransition, match="is inactive"):
        assign(thread, make_user("former", "agent", is_active=False), by=ann)
    assert current_owner(thread) == ann


def test_repair_restores_thread_owners(ann, bob):
    given, followed = make_thread(lead=make_lead(assigned_to=ann)), make_thread(lead=make_lead(assigned_to=ann))
    assign(given, bob, by=ann)
    assert repair_owner_column("threads") == 0
    Thread.objects.update(owner=None)
    assert repair_owner_column("threads") == 2
    assert (current_owner(given), current_owner(followed)) == (bob, ann)


def test_assign_and_take_actions_on_thread_page(as_ann, ann, bob):
    thread = make_thread()
    url = f"{LIST}{thread.pk}/do/"
    assert "Assign to me" in as_ann.get(f"{LIST}{thread.pk}/change/").content.decode()
    as_ann.post(f"{url}take/")
    assert current_owner(thread) == ann
    answer = as_ann.post(f"{url}assign/", {"assignee": str(bob.pk)}, follow=True)
    assert current_owner(thread) == bob
    # She can no longer see it.
    assert answer.redirect_chain == [(LIST, 302)]
    assert "assigned to Bob" in answer.content.decode()


def test_bulk_assign_threads_and_filter_by_assignee(as_ann, ann, bob):
    rows = [make_thread(subject=f"Nobody's {n}", last_direction="in") for n in range(3)]
    sent = {"action": "assign", "_selected_action": [str(row.pk) for row in rows], "apply": "1"}
    as_ann.post(LIST, {**sent, "assignee": str(ann.pk)})
    make_thread(subject="Ann's lead's", lead=make_lead(assigned_to=ann), last_direction="in")
    mine = as_ann.get(LIST, {"assigned": "me"}).context["cl"]
    assert [tab["label"] for tab in mine.tabs if tab["current"]] == ["Mine"]
    assert sorted(row.subject for row in mine.page.rows) == ["Nobody's 0", "Nobody's 1", "Nobody's 2"]
    assert "for Ann" in as_ann.get(LIST, {"assigned": "me"}).content.decode()
    assert not browser(bob).get(LIST, {"assigned": str(ann.pk)}).context["cl"].page.rows


@pytest.mark.django_db(transaction=True)
def test_unassigning_during_lead_handover_gives_thread_to_new_owner(ann, bob, max):
    """The second assignment waits for the first one and then sees its result."""
    lead = make_lead(assigned_to=ann)
    thread = make_thread(lead=lead)
    assign(thread, max, by=max)

    def give_back() -> None:
        try:
            assign(thread, None, by=max)
        finally:
            connections["default"].close()

    connection.set_autocommit(False)
    try:
        give(lead, bob, by=max)
        other = threading.Thread(target=give_back)
        other.start()
        other.join(0.3)
        connection.commit()
    finally:
        connection.set_autocommit(True)
    other.join(10)
    assert current_owner(thread) == bob
