"""A policy that expires soon proposes a follow-up for its client, once."""

from datetime import timedelta

import pytest

from agents.next_best_action.renewals import propose_renewals
from agents.tasks import propose_renewals as nightly_job
from agents.tasks import withdraw_refused
from crm.models import Client
from crm.records.activity import SYSTEM_ACTOR
from crm.records.local_time import agency_style, agency_today
from crm.records.transitions import soft_delete
from leads.models import Policy
from leads.policies.transitions import cancel, open_renewal_lead, renew
from suggestions.models import Suggestion
from suggestions.policy.consent import ContactNotPermitted
from suggestions.transitions import reject, submit
from tests.cast import make_client, make_policy, make_suggestion, make_user

pytestmark = pytest.mark.django_db
NO_EMAIL = {"email": {"do_not_contact": True}}


def client_with(communications, **kw):
    return make_client(email="ann@example.com", communications=communications, **kw)


def test_follow_up_drafts_an_email_about_the_expiry():
    policy = make_policy(client=make_client(email="ann@example.com"), days_left=45, number="HM-9")
    nightly_job(0)
    suggestion = Suggestion.objects.get()
    day = agency_style().long_day(policy.expires_on)
    assert (suggestion.type, suggestion.status, suggestion.client) == ("FOLLOW_UP", "PENDING", policy.client)
    assert suggestion.reasoning == f"The policy Auto · Harbor Mutual · HM-9 expires on {day}."
    assert agency_today(suggestion.expires_at) == policy.expires_on + timedelta(days=1)
    content = suggestion.suggested_content
    assert (content["suggestedAction"], content["urgency"]) == ("SEND_EMAIL", "low")
    assert f"your auto policy HM-9 with Harbor Mutual expires on {day}." in content["message"]


@pytest.mark.parametrize(("days", "urgency"), [(0, "high"), (14, "high"), (15, "medium"), (30, "medium"), (31, "low")])
def test_urgency_grows_as_the_expiry_comes_closer(days, urgency):
    make_policy(days_left=days)
    propose_renewals()
    assert Suggestion.objects.get().suggested_content["urgency"] == urgency


def test_only_running_policies_within_sixty_days_are_proposed():
    for days, status in ((61, "ACTIVE"), (-1, "ACTIVE"), (30, "LAPSED"), (30, "RENEWED"), (30, "QUOTED")):
        make_policy(days_left=days, status=status)
    soft_delete(make_policy().client, by=SYSTEM_ACTOR)
    assert propose_renewals() == 0


def test_one_proposal_for_each_policy_and_expiry_date():
    policy = make_policy(days_left=40)
    assert [propose_renewals(), propose_renewals()] == [1, 0]
    reject(Suggestion.objects.get(), by=make_user("mona", "manager"), code="NOT_NEEDED")
    assert propose_renewals() == 0
    Policy.objects.filter(pk=policy.pk).update(expires_on=make_policy(days_left=50, status="QUOTED").expires_on)
    assert propose_renewals() == 1


def test_next_to_expire_come_first():
    later, sooner = make_policy(days_left=50), make_policy(days_left=5)
    assert propose_renewals(most=1) == 1
    assert Suggestion.objects.get().client == sooner.client
    assert propose_renewals(most=1) == 1
    assert Suggestion.objects.latest("id").client == later.client


@pytest.mark.parametrize("settle", ["renew", "cancel", "lead"])
def test_proposal_is_withdrawn_once_it_is_settled(settle):
    policy = make_policy(client=make_client(email="ann@example.com"))
    propose_renewals()
    if settle == "renew":
        renew(policy, by=SYSTEM_ACTOR)
    elif settle == "cancel":
        cancel(policy, reason="OTHER", cancelled_on=policy.expires_on, by=SYSTEM_ACTOR)
    else:
        open_renewal_lead(policy, by=SYSTEM_ACTOR)
    assert propose_renewals() == 0
    suggestion = Suggestion.objects.get()
    assert (suggestion.status, suggestion.reject_code) == ("REJECTED", "SUPERSEDED")


def test_client_who_wants_no_email_gets_a_task():
    make_policy(client=client_with(NO_EMAIL))
    propose_renewals()
    content = Suggestion.objects.get().suggested_content
    assert (content["suggestedAction"], content["message"]) == ("TASK", "")


def test_client_who_opts_out_of_email_later_gets_a_task_instead():
    policy = make_policy(client=client_with({}))
    propose_renewals()
    Client.objects.update(communications=NO_EMAIL)
    withdraw_refused(0)
    assert [propose_renewals(), propose_renewals()] == [1, 0]
    email, task = Suggestion.objects.filter(client=policy.client).order_by("id")
    assert (email.status, email.reject_code) == ("REJECTED", "SUPERSEDED")
    assert (task.status, task.suggested_content["suggestedAction"]) == ("PENDING", "TASK")


def test_email_to_a_client_who_opted_out_is_refused():
    with pytest.raises(ContactNotPermitted, match="The client does not want to be contacted by email"):
        make_suggestion("SEND_EMAIL", client=client_with(NO_EMAIL, name="Clara"))
    draft = make_suggestion("SEND_EMAIL", client=client_with({}))
    Suggestion.objects.filter(pk=draft.pk).update(status="DRAFT")
    Client.objects.update(communications=NO_EMAIL)
    draft.refresh_from_db()
    with pytest.raises(ContactNotPermitted):
        submit(draft, by=SYSTEM_ACTOR)


def test_placeholder_in_a_policy_number_stays_out_of_the_draft():
    make_policy(client=make_client(email="ann@example.com"), number="{{secret}}")
    propose_renewals()
    assert "secret" not in Suggestion.objects.get().suggested_content["message"]
