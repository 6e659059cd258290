"""Tests of importing a file of policies."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from crm.models import ActivityLog, Client, ClientType, Contact
from crm.records.local_time import agency_today
from leads.importing.exceptions import QuestionsUnanswered
from leads.models import BillingPeriod, CancellationReason, ImportBatch, Policy, PolicyStatus
from leads.policies.transitions import lapse
from tests.cast import browser, make_client, make_policy, page_text
from tests.leads.import_files import counts, import_text, import_with_errors, undo

pytestmark = pytest.mark.django_db
TERM = f"{agency_today() - timedelta(days=100)},{agency_today() + timedelta(days=265)}"
HEADER = "Client,Line,Carrier,Policy Number,Status,Premium,Billing,Effective Date,Expiration Date"


def test_rows_become_policies_of_their_clients(max):
    ava = make_client(name="Ava Stone", email="ava@x.example")
    outcome = import_text(
        "policies",
        f'{HEADER},Agency fee\nava stone,Homeowners,Harbor Mutual,HM-1,In Force,"$1,250.50",Monthly,{TERM},25\n',
        by=max,
    )
    assert counts(outcome) == (1, 1, 0, 0)
    policy = Policy.objects.get()
    assert (policy.client, policy.insurance_type.code, policy.carrier, policy.number) == (
        ava,
        "home",
        "Harbor Mutual",
        "HM-1",
    )
    assert (policy.status, policy.premium, policy.billing_period) == (
        PolicyStatus.ACTIVE,
        Decimal("1250.50"),
        BillingPeriod.MONTHLY,
    )
    assert policy.custom_fields == {"Agency fee": 25}
    (line,) = ActivityLog.objects.on_timeline_of(ava)
    assert (line.target_id, line.summary) == (policy.pk, "Policy active: Home · Harbor Mutual · HM-1")
    page = browser(max).get(reverse("admin:leads_policy_change", args=[policy.pk]))
    assert "Agency fee" in page_text(page)


def test_status_follows_from_the_dates_and_bad_rows_are_refused():
    make_client(name="Ava")
    rows = [
        f"Ava,Auto,Harbor,1,,100,,{TERM}",
        "Ava,Auto,Harbor,2,,100,,2020-01-01,2021-01-01",
        "Ava,Auto,Harbor,3,,,,,",
        "Ava,Auto,Harbor,4,Cancelled,100,,2020-01-01,2021-01-01",
        f"Ava,Auto,,5,Active,100,,{TERM}",
        f"Ava,Spaceship,Harbor,6,,100,,{TERM}",
        "Ava,Auto,Harbor,7,,100,,2021-01-01,2020-01-01",
        f",Auto,Harbor,8,,100,,{TERM}",
    ]
    outcome, errors = import_with_errors("policies", f"{HEADER}\n" + "\n".join(rows))
    assert counts(outcome) == (8, 4, 0, 4)
    statuses = dict(Policy.objects.values_list("number", "status"))
    assert statuses == {"1": "ACTIVE", "2": "LAPSED", "3": "QUOTED", "4": "CANCELLED"}
    cancelled = Policy.objects.get(number="4")
    assert (cancelled.cancelled_on, cancelled.cancellation_reason) == (date(2021, 1, 1), CancellationReason.OTHER)
    assert [row[1] for row in errors[1:]] == [
        "The row lacks the carrier, which an active policy needs.",
        "Line “Spaceship” is not a line of insurance.",
        "The policy expires on 2020-01-01 but takes effect on 2021-01-01.",
        "The row names no client.",
    ]
    assert len(outcome.notices) == 2


def test_ambiguous_dates_and_amounts_are_asked():
    make_client(name="Ava")
    text = "Client,Line,Carrier,Premium,Effective Date,Expiration Date\nAva,Auto,Harbor,1.500,03/04/2026,04/04/2027\n"
    with pytest.raises(QuestionsUnanswered) as refused:
        import_text("policies", text)
    assert {question.kind for question in refused.value.questions} == {"dates", "decimal"}


def test_renewals_are_linked_within_the_file_and_to_policies_that_exist(max):
    ava = make_client(name="Ava")
    last = make_policy(client=ava, number="OLD-1", days_left=-10)
    lapse(last, by=max)
    outcome = import_text(
        "policies",
        f"{HEADER},Previous Policy Number\n"
        "Ava,Home,Harbor,H-3,Active,100,,2026-06-01,2027-06-01,H-2\n"
        "Ava,Home,Harbor,H-2,Active,100,,2025-06-01,2026-06-01,H-1\n"
        f"Ava,Auto,Harbor,NEW-1,Active,100,,{agency_today()},{agency_today() + timedelta(days=365)},old-1\n"
        f"Ava,Life,Harbor,L-1,Active,100,,{TERM},unknown\n",
        by=max,
    )
    assert counts(outcome) == (4, 4, 0, 0)
    policies = {policy.number: policy for policy in Policy.objects.select_related("renewed_from")}
    assert policies["H-3"].renewed_from == policies["H-2"]
    assert policies["NEW-1"].renewed_from == last
    assert {number: policy.status for number, policy in policies.items()} == {
        "H-3": "ACTIVE",
        "H-2": "RENEWED",
        "NEW-1": "ACTIVE",
        "L-1": "ACTIVE",
        "OLD-1": "RENEWED",
    }
    assert policies["L-1"].custom_fields == {"Previous Policy Number": "unknown"}
    assert sum(outcome.doubt_counts.values()) == 2, "the number of H-2's and of L-1's predecessor"
    batch = undo(ImportBatch.objects.get(), by=max)
    last.refresh_from_db()
    assert (batch.record_count, Policy.objects.get(), last.status) == (0, last, PolicyStatus.LAPSED)
    assert not ActivityLog.objects.on_timeline_of(ava).filter(metadata__has_key="import").exists()


def test_policy_renewed_already_gets_no_second_renewal(max):
    ava = make_client(name="Ava")
    old = make_policy(client=ava, number="A-1", status=PolicyStatus.RENEWED, days_left=-10)
    make_policy(client=ava, number="A-2", renewed_from=old)
    outcome = import_text("policies", f"{HEADER},Renewal of\nAva,Auto,Other,A-3,Active,100,,{TERM},A-1\n", by=max)
    assert counts(outcome) == (1, 1, 0, 0)
    assert Policy.objects.get(number="A-3").renewed_from is None
    assert any("has a renewal already" in kind for kind in outcome.doubt_counts)


def test_policy_that_exists_is_a_duplicate_and_another_term_is_not():
    ava = make_client(name="Ava")
    policy = make_policy(
        client=ava, number="A-1", carrier="Harbor", effective_on=date(2026, 1, 1), expires_on=date(2027, 1, 1)
    )
    outcome = import_text(
        "policies",
        f"{HEADER}\nAva,Auto,Harbor,a-1,Active,100,,2026-01-01,2027-01-01\n"
        "Ava,Auto,Harbor,A-1,Lapsed,100,,2025-01-01,2026-01-01\nAva,Auto,Harbor,A-1,Lapsed,100,,2025-01-01,2026-01-01\n",
    )
    assert counts(outcome) == (3, 1, 2, 0)
    assert Policy.objects.exclude(pk=policy.pk).get().effective_on == date(2025, 1, 1)


def test_clients_of_policies_are_created_if_chosen(max):
    rows = (f"Ava,Auto,Harbor,A-1,Active,100,,{TERM},7,ava@x.example", f"Ava,Home,Harbor,H-1,Active,100,,{TERM},7,")
    text = "\n".join([f"{HEADER},Client ID,Email", *rows])
    assert counts(import_text("policies", text, by=max)) == (2, 0, 0, 2)
    assert counts(import_text("policies", text, by=max, create_clients=True)) == (2, 2, 0, 0)
    ava = Client.objects.get()
    assert (ava.email, ava.client_type, ava.custom_fields) == ("ava@x.example", ClientType.INDIVIDUAL, {"Client ID": 7})
    assert ava.policies.count() == 2
    undo(ImportBatch.objects.get(record_count__gt=0), by=max)
    assert not Client.everything.exists() and not Policy.everything.exists()


@pytest.mark.parametrize("table", ["policies", "contacts"])
def test_client_made_on_the_spot_refuses_what_its_row_refuses(table, max):
    known = make_client(name="Known")
    if table == "policies":
        header, row = HEADER, "{},{},Harbor,{},Active,100,,{}"
        rows = [row.format(*cells, TERM) for cells in (("Ava", "Auto", 1), ("Ava", "Home", 2), ("Known", "Auto", 3))]
    else:
        header, rows = "Client,Name,Email", ["Ava,One,1@x.example", "Ava,Two,2@x.example", "Known,Three,3@x.example"]
    said = (",yes,no,,", ",no,,,no", ",yes,,,")
    text = "\n".join(
        [f"{header},Do Not Email,Email Opt In,DNC,SMS consent", *map("".join, zip(rows, said, strict=True))]
    )
    assert counts(import_text(table, text, by=max, create_clients=True)) == (3, 3, 0, 0)
    ava = Client.objects.get(name="Ava")
    assert ava.communications == {"email": {"do_not_contact": True, "consent": False}, "sms": {"consent": False}}
    known.refresh_from_db()
    assert known.communications == {}, "a client that exists stays as it is"
    records = Policy.objects.order_by("id") if table == "policies" else Contact.objects.order_by("id")
    assert [record.custom_fields.get("Do Not Email") for record in records] == ["yes", "no", "yes"]
