"""The list, page and form of policies, and the panels of clients and leads."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crm.records.local_time import agency_today
from leads.models import InsuranceType, Lead, Policy
from leads.policies.transitions import renew
from tests.cast import browser, make_client, make_lead, make_policy, make_user, page_text, page_with_sections

pytestmark = pytest.mark.django_db
LIST, ADD = reverse("admin:leads_policy_changelist"), reverse("admin:leads_policy_add")


@pytest.fixture
def alice():
    return make_user("alice", "agent")


def page_of(policy) -> str:
    return reverse("admin:leads_policy_change", args=[policy.pk])


def policy_form(**values) -> dict[str, str]:
    return {
        "carrier": "Harbor Mutual",
        "number": "HM-1",
        "premium": "$1,200.50",
        "billing_period": "MONTHLY",
        "effective_on": "2026-01-01",
        "expires_on": "2027-01-01",
        "status": "ACTIVE",
        **values,
    }


def listed(user, query="") -> set[str]:
    rows = browser(user).get(f"{LIST}?{query}").context["cl"].result_list
    return {row.number for row in rows}


def test_tabs_and_filters_show_their_policies(alice):
    soon = make_policy(number="SOON", days_left=20)
    make_policy(number="LATER", days_left=200, line="home", carrier="Other Mutual", premium=90)
    make_policy(number="GONE", days_left=-20, status="LAPSED")
    make_policy(number="QUOTE", status="QUOTED")
    assert listed(alice) == {"SOON", "LATER", "GONE", "QUOTE"}
    assert listed(alice, "expiring=60") == {"SOON"}
    assert listed(alice, "status=LAPSED") == {"GONE"}
    assert listed(alice, "line=home") == listed(alice, "carrier=other mutual") == listed(alice, "premium_max=100")
    assert listed(alice, "line=home") == {"LATER"}
    assert listed(alice, "q=soon") == {"SOON"}
    assert listed(alice, f"client={soon.client.pk}") == {"SOON"}
    assert listed(alice, f"expires_to={agency_today()}") == {"GONE"}


def test_list_is_ordered_by_expiry_and_by_premium(alice):
    for number, days, premium in (("A", 90, 1), ("B", 10, 3), ("C", 50, 2)):
        make_policy(number=number, days_left=days, premium=premium)
    make_policy(number="D", status="QUOTED", premium=None, effective_on=None, expires_on=None)

    def numbers(query: str) -> list[str]:
        return [row.number for row in browser(alice).get(LIST + query).context["cl"].result_list]

    assert numbers("") == ["B", "C", "A", "D"]
    assert numbers("?order=premium") == ["B", "C", "A", "D"]


def test_list_costs_the_same_for_one_policy_and_for_many(alice, django_assert_num_queries):
    make_policy()
    with_one = browser(alice)
    with_one.get(LIST)
    with CaptureQueriesContext(connection) as one:
        with_one.get(LIST)
    for _ in range(10):
        make_policy(client=make_client(assigned_to=alice))
    with django_assert_num_queries(len(one)):
        with_one.get(LIST)


def test_policy_of_another_agents_client_is_not_found(alice):
    policy = make_policy(client=make_client(assigned_to=make_user("bob", "agent")))
    assert browser(alice).get(page_of(policy)).status_code == 404
    assert listed(alice) == set()
    assert browser(alice).post(page_of(policy).replace("change/", "do/renew/"), {"premium": "1"}).status_code == 404


def test_page_shows_terms_coverage_and_renewal(alice):
    policy = make_policy(data={"make": "Saab"}, billing_period="MONTHLY", days_left=10)
    renewal = renew(policy, by=alice)
    text = page_text(browser(alice).get(page_of(policy)))
    assert "$1,200.00 for the term, billed monthly" in text
    assert "Saab" in text
    assert page_of(renewal) in text
    assert "active → renewed" in text
    assert page_of(policy) in page_text(browser(alice).get(page_of(renewal)))


def test_form_shows_the_questions_of_the_chosen_line(alice):
    client, line = make_client(), InsuranceType.objects.get(code="auto")
    assert "data.make" not in page_text(browser(alice).get(f"{ADD}?client={client.pk}"))
    chosen = policy_form(client=client.pk, insurance_type=line.pk, _show_line="1")
    assert 'name="data.make"' in page_text(browser(alice).post(ADD, chosen))
    assert not Policy.objects.exists()


def test_policy_is_added_with_the_data_of_its_line(alice):
    client, line = make_client(), InsuranceType.objects.get(code="auto")
    sent = policy_form(client=client.pk, insurance_type=line.pk, **{"data.make": "Saab", "data.year": "1999"})
    response = browser(alice).post(ADD, sent)
    assert response.status_code == 302, response.context["adminform"].errors
    policy = Policy.objects.get()
    assert (policy.status, str(policy.premium), policy.billing_period) == ("ACTIVE", "1200.50", "MONTHLY")
    assert (policy.data["make"], policy.data["year"]) == ("Saab", 1999)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"expires_on": "2025-01-01"}, "The policy must expire after it takes effect."),
        ({"premium": "-1"}, "The premium must not be negative."),
        ({"premium": ""}, "Only a quote may lack its carrier, premium, effective or expiry date."),
        ({"status": "RENEWED"}, "Select a valid choice."),
    ],
)
def test_form_refuses_an_impossible_policy(alice, values, error):
    line = InsuranceType.objects.get(code="auto")
    sent = policy_form(client=make_client().pk, insurance_type=line.pk, **values)
    response = browser(alice).post(ADD, sent)
    assert response.status_code == 200
    assert error in page_text(response)


def test_edit_changes_the_data_and_not_the_status(alice):
    policy = make_policy(data={"make": "Saab"})
    response = browser(alice).post(
        page_of(policy), {**policy_form(status="QUOTED"), "data.make": "Volvo", "loaded_digest": ""}
    )
    assert response.status_code == 302, response.context["adminform"].errors
    policy.refresh_from_db()
    assert (policy.data["make"], policy.status, policy.carrier) == ("Volvo", "ACTIVE", "Harbor Mutual")


def test_actions_of_the_page_call_their_transitions(alice):
    quote = make_policy(status="QUOTED", number="", premium=None, effective_on=None, expires_on=None)

    def do(verb: str, **data: str):
        return browser(alice).post(page_of(quote).replace("change/", f"do/{verb}/"), data)

    terms = {"carrier": "C", "premium": "10", "effective_on": "2026-01-01", "expires_on": agency_today().isoformat()}
    for verb, data, status in (
        ("bind", terms, "BOUND"),
        ("activate", {"number": "N1"}, "ACTIVE"),
        ("renew", {"premium": "11"}, "RENEWED"),
    ):
        assert do(verb, **data).status_code == 302
        quote.refresh_from_db()
        assert quote.status == status
    response = do("cancel", reason="OTHER", cancelled_on="2026-01-02")
    assert response.status_code == 422
    assert "is renewed; only a policy that is quoted, bound or active can become cancelled" in page_text(response)


def test_confirmation_of_a_renewal_leads_to_the_next_policy(alice):
    policy = make_policy()
    response = browser(alice).post(page_of(policy).replace("change/", "do/renew/"), {"premium": "11"}, follow=True)
    assert page_of(Policy.objects.get(renewed_from=policy)) in page_text(response)


def test_client_page_lists_its_policies_and_offers_to_add_one(alice):
    policy = make_policy()
    url = reverse("admin:crm_client_change", args=[policy.client.pk])
    text = page_text(browser(alice).get(url))
    assert page_of(policy) in text
    assert f"{ADD}?client={policy.client.pk}" in text
    text = page_text(browser(make_user("vera", "viewer")).get(url))
    assert page_of(policy) in text
    assert ADD not in text


def test_lead_page_shows_the_policy_it_became(alice):
    lead: Lead = make_lead(assigned_to=alice)
    policy, hidden = make_policy(lead=lead), make_policy(lead=lead, client=make_client(assigned_to=make_user("bob")))
    text = page_with_sections(browser(alice), reverse("admin:leads_lead_change", args=[lead.pk]))
    assert page_of(policy) in text
    assert page_of(hidden) not in text
