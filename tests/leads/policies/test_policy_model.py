"""What the database refuses of a policy, and the sets of policies that people name."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction

from crm.records.local_time import agency_today
from leads.models import Policy
from tests.cast import make_client, make_policy, make_user

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("constraint", "columns"),
    [
        ("policies_status_valid", {"status": "SOLD"}),
        ("policies_billing_period_valid", {"billing_period": "DAILY"}),
        ("policies_premium_not_negative", {"premium": -1}),
        ("policies_dates_in_order", {"effective_on": DAY, "expires_on": DAY}),
        ("policies_terms_complete", {"premium": None}),
        ("policies_terms_complete", {"carrier": ""}),
        ("policies_terms_complete", {"expires_on": None}),
        ("policies_terms_complete", {"effective_on": None}),
        ("policies_cancelled_with_reason", {"status": "CANCELLED"}),
        ("policies_cancelled_with_reason", {"status": "CANCELLED", "cancelled_on": DAY}),
        ("policies_cancelled_with_reason", {"cancelled_on": DAY, "cancellation_reason": "OTHER"}),
        ("policies_data_object", {"data": []}),
    ],
)
def test_the_database_refuses_an_impossible_policy(constraint, columns):
    policy = make_policy()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Policy.objects.filter(pk=policy.pk).update(**columns)


def test_a_quote_may_lack_price_and_dates():
    quote = make_policy(status="QUOTED", carrier="", premium=None, effective_on=None, expires_on=None)
    assert quote.days_left is None


def test_a_policy_has_one_renewal_that_is_not_cancelled():
    policy = make_policy(status="RENEWED")
    first = make_policy(status="QUOTED", renewed_from=policy, client=policy.client)
    with pytest.raises(IntegrityError, match="policies_one_renewal"), transaction.atomic():
        make_policy(status="QUOTED", renewed_from=policy, client=policy.client)
    Policy.objects.filter(pk=first.pk).update(status="CANCELLED", cancelled_on=DAY, cancellation_reason="NOT_TAKEN")
    make_policy(status="QUOTED", renewed_from=policy, client=policy.client)


def test_a_policy_is_not_its_own_renewal():
    policy = make_policy()
    with pytest.raises(IntegrityError, match="policies_not_own_renewal"), transaction.atomic():
        Policy.objects.filter(pk=policy.pk).update(renewed_from=policy)


def test_expiring_policies_run_and_end_within_the_window():
    today = agency_today()
    inside = [make_policy(days_left=days) for days in (0, 60)]
    bound = make_policy(status="BOUND", days_left=30)
    for days, status in ((-1, "ACTIVE"), (61, "ACTIVE"), (30, "RENEWED"), (30, "LAPSED")):
        make_policy(days_left=days, status=status)
    assert set(Policy.objects.expiring(today)) == {*inside, bound}
    assert set(Policy.objects.expired(today)) == set(Policy.objects.running().filter(expires_on__lt=today))
    assert Policy.objects.expired(today + timedelta(days=1)).filter(pk=inside[0].pk).exists()


def test_an_agent_sees_the_policies_of_own_and_unassigned_clients():
    alice, bob = make_user("alice", "agent"), make_user("bob", "agent")
    own, unassigned = make_policy(client=make_client(assigned_to=alice)), make_policy()
    of_bob = make_policy(client=make_client(assigned_to=bob))
    assert set(Policy.objects.visible_to(alice)) == {own, unassigned}
    assert set(Policy.objects.visible_to(make_user("mona", "manager"))) == {own, unassigned, of_bob}
