"""“Mine or unassigned” is read owner by owner: the same rows in the same order as by one condition."""

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import Contact, ContactClient, User
from crm.records.base import owned_by_or_unassigned
from crm.records.owners import Restriction
from crm.records.owners.branches import disjoint_branches, owner_branches
from crm.screens.paging import Order, capped_count, capped_counts, fetch_page
from leads.admin import LeadAdmin
from leads.models import ContactLead, Lead, Policy
from leads.policies.screen import PolicyAdmin
from support.models import SupportTicket
from tests.cast import make_client, make_contact, make_lead, make_policy, make_ticket, make_user

PRIORITY = LeadAdmin.orders["priority"]


@pytest.fixture
def agent(db):
    """An agent with four leads, beside four of a colleague and four unassigned ones."""
    user, colleague = make_user("agent", role="agent"), make_user("colleague", role="agent")
    for number in range(12):
        owner = (user, colleague, None)[number % 3]
        address = f"lead{number}@example.com"
        make_lead(contact_email=address, assigned_to=owner, overall_score=f"0.{number:02}")
    return user


def test_branches_have_each_visible_row_once(agent):
    rows = Lead.objects.visible_to(agent).open()
    branches = owner_branches(rows)
    assert len(branches) == 2
    keys = [row.pk for branch in branches for row in branch]
    assert sorted(keys) == sorted(row.pk for row in rows)
    assert len(keys) == 8


def test_other_conditions_are_no_branches(agent):
    manager = make_user("chief", role="manager")
    assert len(owner_branches(Lead.objects.visible_to(manager))) == 1
    either = Lead.objects.filter(assigned_to=agent) | Lead.objects.filter(status="ACTIVE")
    assert len(owner_branches(either)) == 1
    others = Lead.objects.exclude(owned_by_or_unassigned(agent))
    assert len(owner_branches(others)) == 1
    assert set(others) == set(Lead.objects.filter(assigned_to__username="colleague"))


def test_pages_are_those_of_the_whole_in_both_directions(agent):
    rows = Lead.objects.visible_to(agent).select_related("assigned_to")
    whole = list(PRIORITY.sort(PRIORITY.annotate_keys(rows)))
    first = fetch_page(rows, PRIORITY, size=3)
    second = fetch_page(rows, PRIORITY, size=3, after=first.next)
    third = fetch_page(rows, PRIORITY, size=3, after=second.next)
    assert [*first.rows, *second.rows, *third.rows] == whole
    assert third.next is None
    assert fetch_page(rows, PRIORITY, size=3, before=third.previous).rows == second.rows


def test_owner_of_a_joined_table_makes_branches_too(agent):
    policies = [make_policy(client=make_client(assigned_to=owner)) for owner in (agent, None)]
    make_policy(client=make_client(assigned_to=User.objects.get(username="colleague")))
    rows = Policy.objects.visible_to(agent)
    assert len(owner_branches(rows)) == 2
    assert set(fetch_page(rows, PolicyAdmin.orders["expiry"], size=5).rows) == set(policies)


def test_row_that_is_visible_for_two_reasons_is_counted_once(agent):
    tickets = [make_ticket(client=make_client(assigned_to=agent), assigned_to=owner) for owner in (agent, None)]
    rows = SupportTicket.objects.filter(models.Q(assigned_to=agent) | models.Q(client__assigned_to=agent))
    assert len(owner_branches(rows)) == 2
    assert len(disjoint_branches(rows)) == 1
    assert capped_count(rows) == 2
    assert set(fetch_page(rows, Order("Newest", {"id": models.F("id")}), size=5).rows) == set(tickets)


def test_a_record_owner_is_another_user_than_the_owner(agent):
    """So no row fits two of the alternatives, and their counts are added up."""
    colleague = User.objects.get(username="colleague")
    own = make_client(assigned_to=agent)
    tickets = [make_ticket(client=own, assigned_to=user) for user in (None, agent, colleague)]
    tickets += [make_ticket(client=make_client(), assigned_to=agent), make_ticket(client=make_client())]
    make_ticket(client=make_client(assigned_to=colleague))
    rows = SupportTicket.objects.visible_to(agent)
    assert len(disjoint_branches(rows)) == 3
    assert [one for branch in disjoint_branches(rows) for one in branch if one not in tickets] == []
    assert sum(branch.count() for branch in disjoint_branches(rows)) == capped_count(rows) == rows.count() == 5


def test_counts_stop_at_their_limit(agent):
    rows = Lead.objects.visible_to(agent)
    assert capped_count(rows) == 8
    assert capped_count(rows, 5) == 6
    Lead.objects.filter(assigned_to=agent).update(priority_tier="hot")
    counts = capped_counts({"all": rows, "none": rows.none(), "hot": rows.of_tier("hot")})
    assert counts == {"all": 8, "none": 0, "hot": 4}


def test_counting_several_sets_takes_one_statement(agent):
    rows = Lead.objects.visible_to(agent)
    with CaptureQueriesContext(connection) as queries:
        capped_counts({str(number): rows for number in range(5)})
    assert len(queries) == 1


def test_sums_by_stage_add_up_the_rows_of_both_branches(agent):
    Lead.objects.update(estimated_value=100, predicted_close_probability="0.25")
    (sums,) = Lead.objects.visible_to(agent).sums_by_stage().values()
    assert sums == {"leads": 8, "value": 800, "weighted": 200}
    (everyone,) = Lead.objects.all().sums_by_stage().values()
    assert everyone["leads"] == 12


def test_contacts_of_an_agent_are_found_without_the_links_of_all_contacts(agent):
    lead = Lead.objects.filter(assigned_to=agent).first()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO contacts (name) SELECT 'Person ' || n FROM generate_series(1, 3000) AS n")
        cursor.execute(
            "INSERT INTO contact_leads (contact_id, lead_id, role) SELECT id, %s, 'other' FROM contacts", [lead.pk]
        )
        cursor.execute("ANALYZE contacts, contact_leads, leads")
    rows = Contact.objects.visible_to(agent)
    assert rows.count() == 3_000
    assert "hashed" not in rows.order_by("name", "id")[:51].explain()


def test_branches_of_contacts_have_each_visible_contact_once(agent):
    colleague = User.objects.get(username="colleague")
    clients = [make_client(assigned_to=owner) for owner in (agent, colleague, None)]
    leads = [make_lead(assigned_to=owner) for owner in (agent, colleague, None)]
    for client in (None, *clients):
        for lead in (None, *leads):
            contact = make_contact()
            if client:
                ContactClient.objects.create(contact=contact, client=client)
            if lead:
                ContactLead.objects.create(contact=contact, lead=lead)
    Contact.objects.filter(pk=make_contact().pk).update(restriction=Restriction.PURGED)
    unlinked = make_contact()
    ContactClient.objects.create(contact=unlinked, client=clients[1], deleted_at=timezone.now())
    for user in (agent, colleague, make_user("chief", role="manager")):
        branches = Contact.everything.all().visible_branches(user)
        keys = [row.pk for branch in branches for row in branch]
        assert sorted(keys) == sorted(row.pk for row in Contact.everything.visible_to(user))
    assert len(keys) == 18
