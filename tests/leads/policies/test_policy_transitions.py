"""A policy from quote to renewal: each change, what it refuses, and what it leaves behind."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.local_time import agency_today
from crm.records.transitions import soft_delete
from leads.models import InsuranceType, Lead, Policy, PolicyStatus, Source
from leads.models.policy import TRANSITIONS
from leads.policies.terms import next_term
from leads.policies.transitions import (
    activate,
    bind,
    cancel,
    create_policy,
    lapse,
    lapse_expired,
    move,
    open_renewal_lead,
    renew,
)
from leads.tasks import lapse_expired_policies
from tests.cast import make_client, make_lead, make_policy, make_user

pytestmark = pytest.mark.django_db
TERMS = {
    "carrier": "Harbor Mutual",
    "premium": Decimal(900),
    "effective_on": date(2026, 1, 31),
    "expires_on": date(2026, 7, 31),
}


@pytest.fixture
def alice():
    return make_user("alice", "agent")


@pytest.fixture
def quote():
    return make_policy(status="QUOTED", carrier="", number="", premium=None, effective_on=None, expires_on=None)


def summaries(client) -> list[str]:
    return list(ActivityLog.objects.on_timeline_of(client).values_list("summary", flat=True))


def test_quote_is_bound_and_activated(quote, alice):
    bind(quote, by=alice, **TERMS)
    assert (quote.status, quote.premium, quote.expires_on) == ("BOUND", 900, date(2026, 7, 31))
    activate(quote, number=" HM-77 ", by=alice)
    assert (quote.status, quote.number) == ("ACTIVE", "HM-77")
    assert summaries(quote.client) == [
        "Auto · Harbor Mutual · HM-77: bound → active",
        "Auto · Harbor Mutual: quoted → bound",
    ]


def test_quote_without_premium_is_not_bound(quote, alice):
    with pytest.raises(InvalidInput, match="Only a quote may lack its carrier, premium"):
        bind(quote, by=alice, **{**TERMS, "premium": None})
    quote.refresh_from_db()
    assert quote.status == "QUOTED"


def test_policy_without_number_is_not_activated(alice):
    policy = make_policy(status="BOUND", number="")
    with pytest.raises(InvalidInput, match="Enter the policy number"):
        activate(policy, by=alice)


@pytest.mark.parametrize("was", PolicyStatus.values)
@pytest.mark.parametrize("status", [status for status in PolicyStatus if status != "QUOTED"])
def test_only_the_transitions_of_the_table_are_possible(was, status):
    ended = {"cancelled_on": date(2026, 1, 1), "cancellation_reason": "OTHER"}
    policy = make_policy(status=was, **(ended if was == "CANCELLED" else {}))
    changes = ended if status == "CANCELLED" else {}
    if status in TRANSITIONS[was]:
        move(policy, status, by=SYSTEM_ACTOR, **changes)
        assert policy.status == status
    else:
        with pytest.raises(IllegalTransition, match=f"is {PolicyStatus(was).label.lower()}; only"):
            move(policy, status, by=SYSTEM_ACTOR, **changes)


def test_viewer_changes_no_policy():
    viewer, policy = make_user("vera", "viewer"), make_policy()
    for change in (
        lambda: cancel(policy, reason="OTHER", cancelled_on=agency_today(), by=viewer),
        lambda: renew(policy, by=viewer),
        lambda: open_renewal_lead(policy, by=viewer),
        lambda: create_policy(Policy(client=policy.client, insurance_type=policy.insurance_type), by=viewer),
    ):
        with pytest.raises(NotPermitted):
            change()


def test_deleted_policy_is_not_changed(alice):
    policy = make_policy()
    soft_delete(policy, by=SYSTEM_ACTOR)
    with pytest.raises(IllegalTransition, match="is deleted; restore it first"):
        renew(policy, by=alice)


def test_new_policy_is_on_the_timeline_of_its_client(alice):
    client, line = make_client(), InsuranceType.objects.get(code="home")
    policy = Policy(client=client, insurance_type=line, carrier="Harbor Mutual")
    create_policy(policy, by=alice)
    assert summaries(client) == ["Policy quoted: Home · Harbor Mutual"]
    with pytest.raises(IllegalTransition, match="A new policy is quoted, bound or active"):
        create_policy(Policy(client=client, insurance_type=line, status="RENEWED"), by=alice)
    soft_delete(client, by=SYSTEM_ACTOR)
    with pytest.raises(IllegalTransition, match="is deleted; restore it first"):
        create_policy(Policy(client=client, insurance_type=line), by=alice)


def test_cancellation_keeps_its_reason(alice):
    policy = make_policy()
    with pytest.raises(InvalidInput, match="Choose a reason"):
        cancel(policy, reason="", cancelled_on=agency_today(), by=alice)
    cancel(policy, reason="RISK_GONE", cancelled_on=date(2026, 5, 4), by=alice)
    assert (policy.status, policy.cancelled_on, policy.cancellation_reason) == (
        "CANCELLED",
        date(2026, 5, 4),
        "RISK_GONE",
    )
    assert "active → cancelled (Sold or closed)" in summaries(policy.client)[0]


def test_renewal_is_a_quote_for_the_next_term_with_the_same_data(alice):
    policy = make_policy(effective_on=date(2026, 3, 1), expires_on=date(2026, 9, 1), data={"make": "Saab"})
    renewal = renew(policy, premium=Decimal(1300), by=alice)
    assert policy.status == "RENEWED"
    assert (renewal.status, renewal.renewed_from, renewal.premium) == ("QUOTED", policy, 1300)
    assert (renewal.effective_on, renewal.expires_on) == (date(2026, 9, 1), date(2027, 3, 1))
    assert (renewal.data, renewal.carrier, renewal.client) == ({"make": "Saab"}, policy.carrier, policy.client)
    with pytest.raises(IllegalTransition, match="is renewed; only a policy that is active or lapsed"):
        renew(policy, by=alice)


def test_lapsed_policy_can_still_be_renewed(alice):
    policy = make_policy(status="LAPSED", days_left=-5)
    assert renew(policy, by=alice).renewed_from == policy


def test_cancelled_renewal_makes_the_last_policy_active_again(alice):
    policy = make_policy()
    cancel(renew(policy, by=alice), reason="NOT_TAKEN", cancelled_on=agency_today(), by=alice)
    policy.refresh_from_db()
    assert policy.status == "ACTIVE"
    assert renew(policy, by=alice).renewed_from == policy


@pytest.mark.parametrize(
    ("first", "last", "next_last"),
    [
        (date(2026, 1, 1), date(2027, 1, 1), date(2028, 1, 1)),
        (date(2024, 2, 29), date(2025, 2, 28), date(2026, 2, 28)),
        (date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)),
        (date(2026, 1, 1), date(2026, 1, 11), date(2026, 1, 21)),
    ],
)
def test_next_term_is_as_long(first, last, next_last):
    assert next_term(first, last) == (last, next_last)


def test_renewal_lead_carries_client_and_coverage(alice):
    client = make_client(name="Ann Ames", email="ann@example.com", assigned_to=alice)
    policy = make_policy(client=client, line="umbrella", data={"limit": 5})
    lead = open_renewal_lead(policy, by=alice)
    assert (lead.contact_name, lead.contact_email, lead.assigned_to) == ("Ann Ames", "ann@example.com", alice)
    assert (lead.source_type, lead.estimated_value) == (Source.RENEWAL, policy.premium)
    assert (lead.expected_close_date, lead.line_data) == (policy.expires_on, {"umbrella": {"limit": 5}})
    assert policy.renewal_lead == lead
    with pytest.raises(IllegalTransition, match="already has a lead for its renewal"):
        open_renewal_lead(policy, by=alice)
    assert renew(policy, by=alice).lead == lead


def test_open_lead_with_the_same_address_is_named(alice):
    make_lead(contact_email="ann@example.com")
    policy = make_policy(client=make_client(email="ann@example.com"))
    with pytest.raises(InvalidInput, match="Another open lead already has this address"):
        open_renewal_lead(policy, by=alice)
    assert Lead.objects.filter(source_type=Source.RENEWAL).count() == 0


def test_policy_that_has_not_expired_does_not_lapse(alice):
    with pytest.raises(IllegalTransition, match="cancel it to end it earlier"):
        lapse(make_policy(days_left=0), by=alice)


def test_nightly_job_lapses_what_expired_without_a_renewal():
    expired = [make_policy(days_left=-1), make_policy(days_left=-400, status="BOUND")]
    others = [make_policy(days_left=0), make_policy(days_left=-3, status="RENEWED")]
    lapse_expired_policies(0)
    for policy in (*expired, *others):
        policy.refresh_from_db()
    assert [policy.status for policy in (*expired, *others)] == ["LAPSED", "LAPSED", "ACTIVE", "RENEWED"]
    entry = ActivityLog.objects.on_timeline_of(expired[0].client).get()
    assert (entry.actor_type, entry.summary) == ("system", f"{expired[0]}: active → lapsed")


def test_expired_policies_lapse_in_batches():
    today = agency_today()
    for _ in range(3):
        make_policy(days_left=-2)
    assert [lapse_expired(today, most=2) for _ in range(3)] == [2, 1, 0]
    assert not Policy.objects.expired(today + timedelta(days=1)).exists()
