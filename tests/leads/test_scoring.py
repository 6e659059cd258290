"""Tests of signals and scores."""

import json
import threading
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from leads.models import Lead, LeadStatus, ScoringPolicy
from leads.scoring.explanation import (
    DEFAULT_SIGNAL_WEIGHTS,
    break_down_score,
    detail_text,
    score_explanation,
    validate_signal,
)
from leads.scoring.rescoring import preview_tier_changes, rescore_all_leads, rescore_leads
from leads.transitions import activate_policy, add_signals, change_status, create_policy_version, set_tier_override
from tests.cast import make_lead, page_text
from tests.examples import examples

pytestmark = pytest.mark.django_db


def reload(lead):
    return Lead.everything.get(pk=lead.pk)


def make_signal(name="budget_mentioned", *, days=0.0, **more):
    at = timezone.now() - timedelta(days=days)
    return {"type": name, "timestamp": at.isoformat(), "weight": DEFAULT_SIGNAL_WEIGHTS.get(name, (0.2, 30))[0], **more}


def make_policy(**changes):
    active_policy = ScoringPolicy.objects.active()
    names = ("weights", "half_life_days", "hot_from", "warm_from", "dormant_after_days")
    new_policy = ScoringPolicy(
        **{**{name: getattr(active_policy, name) for name in names}, "note": "Another version.", **changes}
    )
    create_policy_version(new_policy, by=SYSTEM_ACTOR)
    return new_policy


def database_score(signals, at, active_policy):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lead_score(%s::jsonb, %s::jsonb, %s, %s)",
            [json.dumps(signals), json.dumps(active_policy.weights), float(active_policy.half_life_days), at],
        )
        return cursor.fetchone()[0]


def test_seeded_policy_matches_the_design():
    active_policy = ScoringPolicy.objects.active()
    assert {
        name: (one["weight"], one["half_life_days"]) for name, one in active_policy.weights.items()
    } == DEFAULT_SIGNAL_WEIGHTS
    assert (active_policy.version, active_policy.hot_from, active_policy.warm_from) == (
        1,
        Decimal("0.70"),
        Decimal("0.40"),
    )
    first = {"email_opened": 0.10, "replied_quickly": 0.20, "multiple_stakeholders": 0.15, "budget_mentioned": 0.25}
    assert first.items() <= {name: weight for name, (weight, _) in DEFAULT_SIGNAL_WEIGHTS.items()}.items()


def test_score_matches_hand_calculation():
    lead = make_lead()
    add_signals(
        lead,
        [make_signal(days=60), make_signal("replied_quickly"), make_signal("competitor_mentioned", days=120)],
        by=SYSTEM_ACTOR,
    )
    # 0.25 halved once, 0.20 unchanged, −0.10 halved twice.
    assert lead.overall_score == Decimal("0.30")
    assert (lead.priority_tier, lead.last_scored_at is not None) == ("cold", True)


@settings(max_examples=examples(150), deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*DEFAULT_SIGNAL_WEIGHTS, "found_by_a_model", "imported_score"]),
            st.floats(-1, 1, allow_nan=False).map(lambda x: round(x, 3)),
            st.floats(-1, 4000).map(lambda x: round(x, 4)),
        ),
        max_size=12,
    )
)
def test_python_and_database_scores_agree(draws):
    active_policy, at = ScoringPolicy.objects.active(), timezone.now()
    signals = [
        {"type": name, "weight": weight, "timestamp": (at - timedelta(days=days)).isoformat()}
        for name, weight, days in draws
    ]
    explanation = break_down_score(signals, active_policy, at)
    assert explanation.score == database_score(signals, at, active_policy)
    assert len(explanation.contributions) == sum(days >= 0 for _, _, days in draws)


def test_unknown_signal_type_uses_its_own_weight():
    lead = make_lead()
    add_signals(lead, [{**make_signal("found_by_a_model", days=30), "weight": 0.8}], by=SYSTEM_ACTOR)
    assert lead.overall_score == Decimal("0.40")


def test_signal_type_counts_once_per_message(ann):
    lead, message = make_lead(), "01890000-0000-7000-8000-000000000001"
    assert add_signals(lead, [make_signal(source=message)], by=ann) == 1
    assert add_signals(lead, [make_signal(source=message), make_signal("decision_maker", source=message)], by=ann) == 1
    assert add_signals(lead, [make_signal(source="01890000-0000-7000-8000-000000000002")], by=ann) == 1
    assert len(lead.signals) == 3


def test_newest_500_signals_are_kept():
    lead = make_lead()
    add_signals(lead, [make_signal("email_opened", days=n, count=n) for n in range(600)], by=SYSTEM_ACTOR)
    assert sorted(signal["count"] for signal in lead.signals) == list(range(500))


@pytest.mark.parametrize(
    ("signal", "error"),
    [
        ("hot", "needs a type"),
        ([], "needs a type"),
        ({}, "needs a type"),
        ({**make_signal(), "colour": "red"}, "optional keys are: count"),
        (make_signal("Budget!"), "lower-case letters"),
        (make_signal(days=-2), "not in the future"),
        ({**make_signal(), "timestamp": "2026-02-30T10:00:00Z"}, "ISO date"),
        ({**make_signal(), "timestamp": 5}, "ISO date"),
        ({**make_signal(), "weight": 1.01}, "from -1 to 1"),
        ({**make_signal(), "weight": True}, "from -1 to 1"),
        ({**make_signal(), "weight": float("nan")}, "from -1 to 1"),
        (make_signal(count=1.5), "whole number"),
        (make_signal(value="much"), "value of a signal"),
        (make_signal(source="there"), "ID of a message"),
        (make_signal(note="n" * 301), "note of a signal"),
        (make_signal(note="\x00"), "note of a signal"),
    ],
)
def test_invalid_signal_is_refused(signal, error):
    lead = make_lead()
    with pytest.raises(InvalidInput, match=error):
        add_signals(lead, [make_signal(), signal], by=SYSTEM_ACTOR)
    assert reload(lead).signals == []


def test_adding_signals_needs_permission(vera):
    with pytest.raises(NotPermitted):
        add_signals(make_lead(), [make_signal()], by=vera)


@pytest.mark.parametrize("moment", ["2026-02-30T10:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T99:00:00Z"])
def test_impossible_timestamp_is_refused_by_database(moment):
    lead = make_lead()
    with pytest.raises(DatabaseError, match="not a real date"), transaction.atomic():
        Lead.objects.filter(pk=lead.pk).update(signals=[{**make_signal(), "timestamp": moment}])


def test_silent_lead_becomes_dormant_and_closed_lead_keeps_score(ann):
    now = timezone.now()
    quiet, talking = (make_lead(contact_name=name) for name in ("Quiet", "Talking"))
    for lead, days in ((quiet, 31), (talking, 29)):
        Lead.objects.filter(pk=lead.pk).update(last_contact_at=now - timedelta(days=days))
        add_signals(
            lead, [make_signal(), make_signal("decision_maker"), make_signal("meeting_scheduled")], by=SYSTEM_ACTOR
        )
    assert (quiet.priority_tier, talking.priority_tier) == ("dormant", "hot")
    change_status(talking, LeadStatus.objects.get(pk="CLOSED_WON"), by=ann)
    Lead.objects.filter(pk=talking.pk).update(last_contact_at=now - timedelta(days=4000))
    list(rescore_all_leads(ScoringPolicy.objects.active(), now + timedelta(days=4000)))
    assert (reload(talking).priority_tier, reload(quiet).overall_score) == ("hot", Decimal("0.00"))


def test_tier_override_survives_rescoring(ann):
    lead = make_lead()
    set_tier_override(lead, "hot", by=ann)
    add_signals(lead, [make_signal("bounced")], by=SYSTEM_ACTOR)
    list(rescore_all_leads(ScoringPolicy.objects.active(), timezone.now()))
    assert (reload(lead).priority_tier, reload(lead).overall_score) == ("hot", Decimal("0.00"))


def test_unchanged_leads_are_not_written():
    leads = [make_lead(contact_name=f"Lead {n}") for n in range(7)]
    active_policy = ScoringPolicy.objects.active()
    list(rescore_all_leads(active_policy, timezone.now()))
    before = {lead.pk: reload(lead).last_scored_at for lead in leads}
    changing = leads[0]
    Lead.objects.filter(pk=changing.pk).update(signals=[make_signal()])
    assert sum(changed for _, changed in rescore_all_leads(active_policy, timezone.now(), batch=2)) == 1
    assert reload(changing).overall_score == Decimal("0.25")
    assert [reload(lead).last_scored_at for lead in leads[1:]] == [before[lead.pk] for lead in leads[1:]]


def test_shown_total_equals_stored_score(ann, as_ann):
    lead = make_lead(assigned_to=ann)
    add_signals(
        lead, [make_signal(days=20), make_signal("replied_quickly", days=3, note="Within an hour.")], by=SYSTEM_ACTOR
    )
    active_policy = ScoringPolicy.objects.active()
    list(rescore_all_leads(active_policy, timezone.now() + timedelta(days=1)))
    active_policy.refresh_from_db()
    explanation = score_explanation(reload(lead), active_policy)
    assert explanation.is_current
    page = as_ann.get(f"/leads/lead/{lead.pk}/sections/end/").content.decode()
    assert explanation.current.total_text in page and "Within an hour." in page


def test_weekly_change_is_explained(ann):
    lead = make_lead(assigned_to=ann)
    add_signals(lead, [make_signal(days=40), make_signal("decision_maker", days=2)], by=SYSTEM_ACTOR)
    explanation = score_explanation(reload(lead), ScoringPolicy.objects.active())
    assert [share.label for share in explanation.new_contributions] == ["Decision maker"]
    assert explanation.change_text.startswith("+0.1") and explanation.faded_text.startswith("−0.0")


def test_tier_changes_are_recorded():
    lead = make_lead()
    add_signals(lead, [make_signal(), make_signal("meeting_scheduled")], by=SYSTEM_ACTOR)
    add_signals(lead, [make_signal("decision_maker")], by=SYSTEM_ACTOR)
    changes = lead.tier_changes.order_by("at", "id").values_list("was", "now")
    assert [*changes][-2:] == [("cold", "warm"), ("warm", "hot")] or [*changes] == [(None, "warm"), ("warm", "hot")]


@pytest.mark.django_db(transaction=True)
def test_signal_added_during_rescoring_is_not_lost():
    lead = make_lead()
    started, go_on = threading.Event(), threading.Event()

    def add():
        try:
            with transaction.atomic():
                add_signals(Lead.objects.get(pk=lead.pk), [make_signal()], by=SYSTEM_ACTOR)
                started.set()
                go_on.wait(10)
        finally:
            connection.close()

    thread = threading.Thread(target=add)
    thread.start()
    assert started.wait(10)
    # The other thread has locked the row, so this run skips it.
    Lead.objects.exclude(pk=lead.pk).update(signals=[])
    list(rescore_all_leads(ScoringPolicy.objects.active(), timezone.now() + timedelta(days=3650)))
    go_on.set()
    thread.join(10)
    assert reload(lead).overall_score == Decimal("0.25")


def test_policy_is_immutable_and_new_one_gets_next_version(ada):
    active_policy = ScoringPolicy.objects.active()
    with pytest.raises(DatabaseError), transaction.atomic():
        ScoringPolicy.objects.filter(pk=active_policy.pk).update(hot_from=Decimal("0.5"))
    with pytest.raises(DatabaseError), transaction.atomic():
        ScoringPolicy.objects.filter(pk=active_policy.pk).delete()
    assert make_policy(hot_from=Decimal("0.60")).version == 2


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"warm_from": Decimal("0.80")}, "Warm must begin above 0 and below hot"),
        ({"hot_from": Decimal("1.10")}, "hot must begin at 1 or less"),
        ({"weights": {"x": {"weight": 2, "half_life_days": 3}}}, "Weights must be from -1 to 1"),
        ({"weights": {"x": {"weight": 1, "half_life_days": 0}}}, "half-lives above 0"),
        ({"weights": {"x": 1}}, "Weights must be from -1 to 1"),
        ({"weights": []}, "JSON object"),
        ({"dormant_after_days": 0}, "dormant after days"),
        ({"note": "  "}, "Note"),
    ],
)
def test_invalid_policy_is_refused(changes, error):
    with pytest.raises(InvalidInput, match=error):
        make_policy(**changes)


def test_policy_can_be_previewed_then_activated_and_rescores_all(ada):
    warm = make_lead(contact_name="Warm")
    add_signals(warm, [make_signal(), make_signal("decision_maker")], by=SYSTEM_ACTOR)
    milder = make_policy(hot_from=Decimal("0.45"), warm_from=Decimal("0.10"))
    assert preview_tier_changes(milder, timezone.now())[("warm", "hot")] == 1
    assert reload(warm).priority_tier == "warm"
    activate_policy(milder, by=ada)
    assert ScoringPolicy.objects.active() == milder
    assert ActivityLog.objects.filter(verb="activated").get().summary.endswith("instead of version 1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'leads.score_all'")
        assert cursor.fetchone()[0] == 1
    call_command("score_leads", verbosity=0)
    assert reload(warm).priority_tier == "hot"
    with pytest.raises(IllegalTransition, match="already active"):
        activate_policy(milder, by=ada)


def test_changing_policy_needs_permission(ann, max):
    other = make_policy()
    with pytest.raises(NotPermitted):
        activate_policy(other, by=ann)
    activate_policy(other, by=max)
    with pytest.raises(NotPermitted):
        create_policy_version(ScoringPolicy(note="Mine.", weights={}), by=ann)


def test_lead_with_100000_signals_is_scored_and_page_is_truncated(as_max):
    lead, now = make_lead(), timezone.now()
    Lead.objects.filter(pk=lead.pk).update(signals=[make_signal("email_opened", days=n / 100) for n in range(100_000)])
    assert rescore_leads([lead.pk], ScoringPolicy.objects.active(), now) == 1
    assert reload(lead).overall_score == Decimal("1.00")
    answer = as_max.get(f"/leads/lead/{lead.pk}/sections/end/")
    assert "98,000 more signals count toward the score" in page_text(answer)
    assert len(answer.content) < 300_000
    assert add_signals(reload(lead), [make_signal("fit")], by=SYSTEM_ACTOR) == 1
    assert len(reload(lead).signals) == 500


def test_valid_signal_fields_are_kept():
    signal = validate_signal(make_signal(count=3, value=12.5, note="By phone."), timezone.now())
    assert (signal["count"], signal["value"], signal["note"]) == (3, 12.5, "By phone.")


@pytest.mark.parametrize(
    ("signal_type", "key", "detail", "text"),
    [
        ("budget_mentioned", "value", 70000, "$70,000"),
        ("budget_mentioned", "value", 1234.5, "$1,234.5"),
        ("fit", "value", 1.0, "100 %"),
        ("fit", "value", 0.75, "75 %"),
        ("multiple_stakeholders", "count", 2, "2 in all"),
        ("urgency_detected", "value", 3, "3"),
        ("fit", "note", "Auto for an individual", "Auto for an individual"),
        ("fit", "value", {"a": 1}, "{'a': 1}"),
    ],
)
def test_detail_of_a_signal_is_written_for_reading(signal_type, key, detail, text):
    assert detail_text(signal_type, key, detail) == text
