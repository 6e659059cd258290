"""Tests of importing rows that are leads already, with the policies that change these leads."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.urls import reverse

from crm.exceptions import IllegalTransition, NotPermitted
from crm.models import ActivityLog, User
from crm.records.activity import SYSTEM_ACTOR
from leads.importing.batches.transitions import RUN_IMPORT_TASK, queue_check, upload_file
from leads.importing.preview import ImportOptions
from leads.importing.transitions import import_file
from leads.importing.updates.planning import UpdatePlan, UpdatePlanner
from leads.importing.updates.policy import DuplicatePolicy
from leads.models import ImportBatch, ImportChange, Lead, LeadStageHistory
from tests.cast import browser, make_client, make_lead, make_user, page_text
from tests.leads.import_files import field_values, named_counts
from tests.queued_jobs import run_jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(tmp_path):
    """Return a function that imports a file with the policy `duplicates`, and returns the outcome."""

    def run_import(content: str, duplicates: str = "update", *, by=SYSTEM_ACTOR, name: str = "people.csv", **options):
        path: Path = tmp_path / name
        path.write_text(content)
        return import_file(path, by=by, duplicates=duplicates, **options)

    return run_import


def test_update_replaces_what_the_file_has_and_keeps_the_rest(run, max):
    lead = make_lead(
        contact_name="Ann",
        contact_email="ann@x.example",
        contact_phone="555 0100",
        company_name="Old",
        notes="By hand",
        tags=["vip"],
        custom_fields={"Size": 1, "Pet": "cat"},
        assigned_to=max,
    )
    rows = "Name,Email,Phone,Company,Notes,Tags,Size\nAnn Lee,ANN@x.example,555-0177,New,,VIP;fleet,2\n"
    assert named_counts(run(rows)) == {"updated": 1}
    names = ("contact_name", "contact_email", "contact_phone", "company_name", "notes", "assigned_to")
    assert field_values(lead, *names) == ["Ann Lee", "ann@x.example", "555-0177", "New", "By hand", max]
    assert field_values(lead, "tags", "custom_fields") == [["vip", "fleet"], {"Size": 2, "Pet": "cat"}]
    assert field_values(lead, "source_type", "source_detail", "status_id") == ["OTHER", "", "NEW_OPPORTUNITIES"]


def test_fill_touches_only_empty_fields(run):
    lead = make_lead(
        contact_name="Ann", contact_email="ann@x.example", company_name="Old", tags=["vip"], custom_fields={"Size": 1}
    )
    rows = "Name,Email,Phone,Company,Stage,Tags,Size,Pet\nAnn Lee,ann@x.example,555 0177,New,Active,fleet,2,cat\n"
    outcome = run(rows, "fill")
    assert named_counts(outcome) == {"updated": 1}
    assert field_values(lead, "contact_name", "company_name", "contact_phone") == ["Ann", "Old", "555 0177"]
    assert field_values(lead, "tags", "custom_fields") == [["vip", "fleet"], {"Size": 1, "Pet": "cat"}]
    assert lead.status_id == "NEW_OPPORTUNITIES"
    assert outcome.notices == ("1 lead keeps its stage, which differs from the file: only empty fields are filled.",)


def test_skip_changes_nothing(run):
    lead = make_lead(contact_name="Ann", contact_email="ann@x.example")
    assert named_counts(run("Name,Email,Company\nAnn,ann@x.example,New\n", "skip")) == {"duplicates": 1}
    assert field_values(lead, "company_name") == [""]
    assert not ImportChange.objects.exists()


@pytest.mark.parametrize("policy", ["update", "fill"])
def test_same_file_again_changes_nothing(run, policy):
    rows = (
        "Name,Email,Phone,Stage,Amount,Close Date,Created Date,Tags,Do Not Call,Owner,Pet\n"
        "Ann,ann@x.example,555 0100,Active,1000.50,2027-02-01,2026-01-02,vip,yes,Nobody,cat\n"
        "Bob,bob@x.example,,Won,5,2026-03-01,2026-01-02 10:30,,no,,\n"
        "Bob,bob@x.example,,Won,5,2026-03-01,2026-01-02 10:30,,no,,\n"
        "Ann,ANN@x.example,,,,,,,,,\n"
    )
    assert named_counts(run(rows, policy)) == {"new": 3, "duplicates": 1}
    before = list(Lead.objects.order_by("id").values())
    lines = ActivityLog.objects.count()
    assert named_counts(run(rows, policy)) == {"unchanged": 3, "duplicates": 1}
    assert list(Lead.objects.order_by("id").values()) == before
    assert ActivityLog.objects.count() == lines


def test_row_that_fits_two_leads_is_refused_and_names_both(run, ann, bob, max):
    mine = make_lead(contact_email="ann@x.example", assigned_to=ann)
    other = make_lead(contact_name="Sam", contact_email="", contact_phone="+1 555 010 7777", assigned_to=bob)
    rows = "Name,Email,Phone\nSam,ann@x.example,(555) 010-7777\n"
    before = list(Lead.objects.order_by("id").values())
    outcome = run(rows, by=max)
    assert named_counts(outcome) == {"refused": 1}
    (line, reason), *_ = outcome.rejected_examples
    assert line == 2
    assert f"the lead {mine.pk} already has the address ann@x.example" in reason
    assert f"the lead {other.pk} already has the phone number" in reason
    outcome = run(rows, by=ann)
    assert str(other.pk) not in str(outcome.rejected_examples)
    assert "a lead that you may not open already has the phone number" in str(outcome.rejected_examples)
    assert list(Lead.objects.order_by("id").values()) == before


def test_lead_of_another_owner_is_not_changed(run, ann, bob):
    lead = make_lead(contact_email="ann@x.example", assigned_to=bob)
    free = make_lead(contact_email="free@x.example", assigned_to=None)
    outcome = run("Name,Email,Company\nAnn,ann@x.example,New\nFree,free@x.example,New\n", by=ann)
    assert named_counts(outcome) == {"updated": 1, "duplicates": 1}
    assert field_values(lead, "company_name") == [""]
    assert field_values(free, "company_name") == ["New"]
    assert "It belongs to another owner and is not changed" in outcome.duplicate_examples[0][1]
    assert str(lead.pk) not in outcome.duplicate_examples[0][1]


def test_update_needs_the_permission_to_change_leads(run):
    make_lead(contact_email="ann@x.example")
    adder = make_user("adder")
    adder.user_permissions.add(Permission.objects.get(codename="add_lead"))
    with pytest.raises(NotPermitted, match="may not change leads"):
        run("Name,Email\nAnn,ann@x.example\n", by=adder)


def test_changed_lead_has_a_line_a_change_and_an_audit_row(run, max):
    lead = make_lead(contact_name="Ann", contact_email="ann@x.example")
    run("Name,Email,Company,Stage\nAnn,ann@x.example,New,Active\n", by=max)
    moved, changed = sorted(
        ActivityLog.objects.on_timeline_of(lead).exclude(verb="created"), key=lambda line: line.verb, reverse=True
    )
    assert (changed.verb, changed.actor) == ("changed", max)
    assert changed.summary == "Updated from people.csv, line 2: Company, Stage"
    assert (moved.summary, moved.metadata["now"]) == ("Stage: New opportunities → Active", "ACTIVE")
    change = ImportChange.objects.get()
    assert (change.lead, change.line) == (lead, 2)
    assert change.changes == {"company_name": ["", "New"], "status_id": ["NEW_OPPORTUNITIES", "ACTIVE"]}
    batch = ImportBatch.objects.get()
    assert (batch.record_count, batch.updated_count) == (0, 1)
    assert lead.events.count() >= 1
    last = LeadStageHistory.objects.filter(lead=lead).order_by("-at").first()
    assert (last.from_status_id, last.to_status_id, last.by) == ("NEW_OPPORTUNITIES", "ACTIVE", max)


def test_refusal_of_contact_is_never_loosened_and_always_added(run):
    refused, allowed = {"do_not_contact": True, "consent": False}, {"do_not_contact": False, "consent": True}
    closed = make_lead(contact_email="a@x.example", communications={"email": refused, "language": "de"})
    opened = make_lead(contact_email="b@x.example", communications={"email": allowed})
    rows = "Name,Email,Do Not Email,Email Consent\nA,a@x.example,no,yes\nB,b@x.example,yes,no\n"
    for policy in ("fill", "update"):
        outcome = run(rows, policy)
        assert "1 lead refuses contact although the file allows it: a refusal stays." in outcome.notices
        assert field_values(closed, "communications") == [{"email": refused, "language": "de"}]
        assert field_values(opened, "communications") == [{"email": refused}]


def test_closed_and_converted_leads_are_not_opened_by_a_file(run):
    lost = make_lead(contact_name="Lost", contact_email="l@x.example", custom_fields={"Lead ID": "7"})
    Lead.objects.filter(pk=lost.pk).update(status_id="CLOSED_LOST", loss_reason="BUDGET")
    client = make_lead(contact_name="Won", contact_email="w@x.example", custom_fields={"Lead ID": "8"})
    converted = {"converted_at": datetime(2026, 1, 1, tzinfo=UTC), "converted_to_client": make_client()}
    Lead.objects.filter(pk=client.pk).update(status_id="CLOSED_WON", **converted)
    rows = "Lead ID,Name,Email,Stage,Company\n7,Lost,l@x.example,Active,New\n8,Won,w@x.example,Lost,New\n"
    outcome = run(rows, key="Lead ID")
    assert named_counts(outcome) == {"updated": 2}
    assert field_values(lost, "status_id", "loss_reason", "company_name") == ["CLOSED_LOST", "BUDGET", "New"]
    assert field_values(client, "status_id", "company_name") == ["CLOSED_WON", "New"]
    assert outcome.notices[-1].startswith("2 leads keep their stage, which differs from the file")


def test_closed_row_ends_the_open_lead_that_existed_on_that_day(run):
    old = make_lead(contact_name="Old", contact_email="o@x.example")
    Lead.objects.filter(pk=old.pk).update(created_at=datetime(2026, 1, 1, tzinfo=UTC))
    young = make_lead(contact_name="Young", contact_email="y@x.example")
    rows = "Name,Email,Stage,Close Date\nOld,o@x.example,Lost,2026-03-01\nYoung,y@x.example,Won,2023-03-01\n"
    assert named_counts(run(rows)) == {"new": 1, "updated": 1}
    assert field_values(old, "status_id") == ["CLOSED_LOST"]
    assert old.closed_at.date().isoformat() == "2026-03-01"
    assert field_values(young, "status_id") == ["NEW_OPPORTUNITIES"]
    assert named_counts(run(rows, name="again.csv")) == {"unchanged": 2}


def test_step_back_by_a_file_warns_as_one_by_hand(run):
    lead = make_lead(contact_name="Ann", contact_email="ann@x.example", status_id="PROPOSAL_SENT")
    run("Name,Email,Stage\nAnn,ann@x.example,Active\n")
    assert [one["type"] for one in field_values(lead, "signals")[0]] == ["going_cold"]
    run("Name,Email,Stage\nAnn,ann@x.example,Proposal sent\n")
    assert field_values(lead, "signals") == [[]]


def test_address_of_another_open_lead_is_not_taken(run):
    ann = make_lead(contact_name="Ann", contact_email="", custom_fields={"Lead ID": "7"})
    bob = make_lead(contact_name="Bob", contact_email="", custom_fields={"Lead ID": "8"})
    rows = "Lead ID,Name,Email\n7,Ann,same@x.example\n8,Bob,SAME@x.example\n"
    outcome = run(rows, "fill", key="Lead ID")
    assert named_counts(outcome) == {"updated": 1, "unchanged": 1}
    assert outcome.notices == ("1 lead keeps its address: another open lead has that of the file.",)
    assert field_values(ann, "contact_email") == ["same@x.example"]
    assert field_values(bob, "contact_email") == [""]
    # A new row of the file comes first.
    outcome = run("Lead ID,Name,Email\n9,Dan,new@x.example\n8,Bob,NEW@x.example\n", "fill", key="Lead ID")
    assert named_counts(outcome) == {"new": 1, "unchanged": 1}
    assert field_values(bob, "contact_email") == [""]
    # A closed row is no match of the open lead that has its address by now.
    make_lead(contact_name="Cid", contact_email="taken@x.example")
    rows = "Lead ID,Name,Email,Stage,Close Date\n8,Bob,TAKEN@x.example,Won,2025-03-01\n"
    outcome = run(rows, "fill", key="Lead ID")
    assert "1 lead keeps its address: another open lead has that of the file." in outcome.notices
    assert field_values(bob, "contact_email") == [""]


@pytest.fixture
def changed_while_planned(monkeypatch):
    """Return a function that lets a colleague change the notes of a lead after each of the first `times` plans."""

    def change(lead: Lead, times: int) -> None:
        plan, rounds = UpdatePlanner.plan, iter(range(times))

        def plan_late(planner: UpdatePlanner) -> UpdatePlan:
            planned = plan(planner)
            if (number := next(rounds, None)) is not None:
                Lead.objects.filter(pk=lead.pk).update(notes=f"Call {number}")
            return planned

        monkeypatch.setattr(UpdatePlanner, "plan", plan_late)

    return change


def test_lead_that_is_changed_while_the_import_plans_is_planned_again(run, changed_while_planned):
    lead = make_lead(contact_name="Ann", contact_email="ann@x.example", notes="")
    changed_while_planned(lead, 1)
    run("Name,Email,Notes,Company\nAnn,ann@x.example,Of the file,Acme\n", "fill")
    assert field_values(lead, "notes", "company_name") == ["Call 0", "Acme"]


def test_import_of_leads_that_are_changed_again_and_again_changes_nothing(run, changed_while_planned):
    lead = make_lead(contact_name="Ann", contact_email="ann@x.example", notes="")
    changed_while_planned(lead, 100)
    with pytest.raises(IllegalTransition, match="the leads were changed again and again meanwhile. Import the file"):
        run("Name,Email,Company\nAnn,ann@x.example,Acme\n", "fill")
    assert field_values(lead, "company_name") == [""]


def test_only_the_first_row_of_a_lead_changes_it(run):
    lead = make_lead(contact_name="Ann", contact_email="", custom_fields={"Lead ID": "7"})
    outcome = run("Lead ID,Name,Company\n7,Ann,First\n7,Ann,Second\n", key="Lead ID")
    assert named_counts(outcome) == {"updated": 1, "duplicates": 1}
    assert field_values(lead, "company_name") == ["First"]
    assert outcome.duplicate_examples == [(3, "Duplicate: line 2 is the same lead and changes it already.")]


def test_row_without_a_name_does_not_rename_its_lead(run):
    lead = make_lead(contact_name="Ann", contact_email="ann@x.example")
    run("Name,Email,Company\n,ann@x.example,Acme\n")
    assert field_values(lead, "contact_name", "company_name") == ["Ann", "Acme"]


def test_dry_run_counts_and_shows_changes_without_writing(run):
    lead = make_lead(contact_name="Ann", contact_email="ann@x.example")
    rows = "Name,Email,Company\nAnn,ann@x.example,New\nBob,bob@x.example,\n"
    outcome = run(rows, dry_run=True)
    assert named_counts(outcome) == {"new": 1, "updated": 1}
    assert outcome.updated_examples == [(2, str(lead.pk), {"company_name": ["", "New"]})]
    assert field_values(lead, "company_name") == [""]
    assert not ImportBatch.objects.exists()


def test_update_takes_the_same_statements_for_one_row_and_fifty(run, django_assert_max_num_queries):
    for number in range(50):
        make_lead(contact_name=f"P{number}", contact_email=f"p{number}@x.example")
    one = "Name,Email,Company\nP0,p0@x.example,A\n"
    many = "Name,Email,Company\n" + "".join(f"P{n},p{n}@x.example,B\n" for n in range(50))
    run(one.replace(",A", ",Z"), name="before.csv")
    with django_assert_max_num_queries(200) as first:
        run(one, name="one.csv")
    with django_assert_max_num_queries(200) as second:
        assert named_counts(run(many, name="many.csv")) == {"updated": 50}
    assert len(second) == len(first)


def test_command_updates_and_counts(tmp_path):
    lead = make_lead(contact_name="Ann", contact_email="ann@x.example")
    path = tmp_path / "people.csv"
    path.write_text("Name,Email,Company\nAnn,ann@x.example,Acme\nBob,bob@x.example,\n")
    out = io.StringIO()
    call_command("import_records", "leads", str(path), "--duplicates", "update", stdout=out, stderr=io.StringIO())
    assert "1 imported, 1 updated, 0 unchanged, 0 duplicates, 0 refused." in out.getvalue()
    assert field_values(lead, "company_name") == ["Acme"]


def test_policy_is_chosen_on_the_page_and_its_preview_shows_before_and_after(own_storage, max, bob):
    lead = make_lead(contact_name="Ann", contact_email="ann@x.example", company_name="Old", assigned_to=bob)
    content = "Name,Email,Company,Stage,Pet\nAnn,ann@x.example,New,Active,cat\n"
    batch = upload_file("people.csv", ContentFile(content.encode()), by=max)
    columns, page = (reverse(f"admin:leads_importbatch_{name}", args=[batch.pk]) for name in ("columns", "change"))
    visitor = browser(max)
    text = page_text(visitor.get(columns))
    assert all(policy.effect in text for policy in DuplicatePolicy)
    fields = {f"field_{place}": name for place, name in enumerate(("contact_name", "contact_email", "company_name"))}
    visitor.post(columns, {**fields, "field_3": "status", "field_4": "", "duplicates": "update"})
    batch.refresh_from_db()
    assert ImportOptions.from_json(batch.options).duplicates == "update"
    queue_check(batch, by=max)
    run_jobs(RUN_IMPORT_TASK)
    text = page_text(visitor.get(f"{page}?show=updated"))
    assert "Update 1 lead" in text
    for label, before, after in (
        ("Company", "Old", "New"),
        ("Stage", "New opportunities", "Active"),
        ("Pet", "", "cat"),
    ):
        old = f"<del>{before}</del> " if before else ""
        assert f"{label}:</span> {old}<ins>{after}</ins>" in text
    batch.refresh_from_db()
    Lead.objects.filter(pk=lead.pk).update(company_name="Secret")
    ImportBatch.objects.filter(pk=batch.pk).update(imported_by=make_user("adam", "agent"))
    text = page_text(browser(User.objects.get(username="adam")).get(f"{page}?show=updated"))
    assert "Ann" not in text.split("Kinds of rows")[1] and "<del>" not in text
