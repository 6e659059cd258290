"""Tests of moving a lead to another stage."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from leads.models import Lead, LeadStageHistory, LeadStatus
from leads.transitions import change_status
from tests.cast import make_client, make_lead

pytestmark = pytest.mark.django_db


def stage(code: str) -> LeadStatus:
    return LeadStatus.objects.get(pk=code)


def test_stage_change_writes_history_and_timeline(ann):
    lead = make_lead(assigned_to=ann)
    change_status(lead, stage("ACTIVE"), by=ann)
    moves = list(
        LeadStageHistory.objects.filter(lead=lead).order_by("at").values_list("from_status", "to_status", "by")
    )
    assert moves == [(None, "NEW_OPPORTUNITIES", None), ("NEW_OPPORTUNITIES", "ACTIVE", ann.pk)]
    line = ActivityLog.objects.on_timeline_of(lead)[0]
    assert (line.verb, line.actor, line.metadata["was"], line.metadata["now"]) == (
        "moved",
        ann,
        "NEW_OPPORTUNITIES",
        "ACTIVE",
    )
    assert line.summary == "Stage: New opportunities → Active"


def test_closing_sets_date_and_reason_and_reopening_clears_them(ann):
    lead = make_lead()
    change_status(lead, stage("CLOSED_LOST"), by=ann, loss_reason="BUDGET", loss_notes=" too dear ")
    assert lead.closed_at is not None
    assert (lead.loss_reason, lead.loss_notes, lead.is_open) == ("BUDGET", "too dear", False)
    change_status(lead, stage("ACTIVE"), by=ann)
    assert (lead.closed_at, lead.loss_reason, lead.loss_notes, lead.is_open) == (None, "", "", True)


@pytest.mark.parametrize("reason", ["", "BORED"])
def test_closing_as_lost_needs_a_valid_reason(ann, reason):
    lead = make_lead()
    with pytest.raises(InvalidInput, match="Choose a loss reason"):
        change_status(lead, stage("CLOSED_LOST"), by=ann, loss_reason=reason)
    lead.refresh_from_db()
    assert lead.status_id == "NEW_OPPORTUNITIES"
    assert lead.stage_history.count() == 1


def test_change_to_same_stage_is_refused(ann):
    with pytest.raises(IllegalTransition, match="already in New opportunities"):
        change_status(make_lead(), stage("NEW_OPPORTUNITIES"), by=ann)


def test_stale_lead_is_not_moved_again(ann, bob):
    lead = make_lead()
    stale = Lead.objects.get(pk=lead.pk)
    change_status(lead, stage("ACTIVE"), by=ann)
    with pytest.raises(IllegalTransition, match="has been moved to Active in the meantime"):
        change_status(stale, stage("PROPOSAL_SENT"), by=bob)


@pytest.mark.django_db(transaction=True)
def test_second_of_two_simultaneous_moves_is_refused():
    lead = make_lead()
    both_read, outcomes = threading.Barrier(2), []

    def move(code: str) -> None:
        mine = Lead.objects.get(pk=lead.pk)
        both_read.wait()
        try:
            change_status(mine, stage(code), by=SYSTEM_ACTOR)
            outcomes.append("moved")
        except IllegalTransition as error:
            outcomes.append(str(error))
        finally:
            connection.close()

    movers = [threading.Thread(target=move, args=[code]) for code in ("ACTIVE", "PROPOSAL_SENT")]
    for mover in movers:
        mover.start()
    for mover in movers:
        mover.join()
    assert sorted(outcomes)[1] == "moved" and "in the meantime" in sorted(outcomes)[0]


def test_deleted_lead_cannot_change_stage(max):
    lead = make_lead()
    soft_delete(lead, by=max)
    with pytest.raises(IllegalTransition, match="is deleted"):
        change_status(lead, stage("ACTIVE"), by=max)


def test_converted_lead_stays_won(max):
    lead = make_lead(status_id="CLOSED_WON")
    Lead.objects.filter(pk=lead.pk).update(converted_at=lead.created_at, converted_to_client=make_client())
    with pytest.raises(IllegalTransition, match="must stay won"):
        change_status(lead, stage("ACTIVE"), by=max)


def test_reopening_is_refused_with_duplicate_address(max):
    lead = make_lead(contact_email="same@example.com", status_id="CLOSED_UNQUALIFIED")
    make_lead(contact_email="SAME@example.com")
    with pytest.raises(IllegalTransition, match="Another open lead has the same email address"):
        change_status(lead, stage("ACTIVE"), by=max)


def test_changing_stage_needs_permission(vera, stranger):
    lead = make_lead()
    for person in (vera, stranger):
        with pytest.raises(NotPermitted, match="may not change the stage"):
            change_status(lead, stage("ACTIVE"), by=person)


def test_closed_at_follows_stage_for_raw_sql():
    lead = make_lead()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE leads SET status_id = 'CLOSED_WON' WHERE id = %s", [lead.pk])
    lead.refresh_from_db()
    assert lead.closed_at is not None


def test_custom_stage_follows_its_category(ann):
    LeadStatus.objects.create(code="NO_SHOW", label="No show", category="lost", position=99)
    lead = make_lead()
    with pytest.raises(InvalidInput):
        change_status(lead, stage("NO_SHOW"), by=ann)
    change_status(lead, stage("NO_SHOW"), by=ann, loss_reason="GHOSTED")
    assert not lead.is_open


def test_category_of_stage_in_use_cannot_change():
    make_lead()
    with pytest.raises(IntegrityError, match="There are leads in this stage"), transaction.atomic():
        LeadStatus.objects.filter(pk="NEW_OPPORTUNITIES").update(category="won")
    LeadStatus.objects.filter(pk="ON_ICE").update(category="open")
    assert LeadStatus.objects.get(pk="ON_ICE").is_open


def test_system_can_change_stage():
    lead = make_lead()
    change_status(lead, stage("ACTIVE"), by=SYSTEM_ACTOR)
    assert ActivityLog.objects.on_timeline_of(lead)[0].actor_type == "system"
