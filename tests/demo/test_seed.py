"""`manage.py seed`: big believable data."""

from collections import Counter
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from jsonschema import Draft202012Validator

from ai_log.models import AIInteraction
from crm.models import ActivityLog, Client, Contact, ContactClient, Project, User
from demo.management.commands import seed as command
from demo.seeding.leads.signals import NEGATIVE_WEIGHTS, POSITIVE_WEIGHTS
from inbox.models import Message, Thread
from leads.models import ContactLead, InsuranceType, Lead, LeadStageHistory, ScoringPolicy, Task
from leads.scoring.explanation import break_down_score
from suggestions.kinds import KINDS
from suggestions.models import Suggestion, SuggestionStatus
from suggestions.transitions import content_digest
from support.models import SupportTicket

EVERY_TABLE = [
    AIInteraction,
    Client,
    Contact,
    ContactClient,
    ContactLead,
    Lead,
    LeadStageHistory,
    Message,
    Project,
    Suggestion,
    SupportTicket,
    Task,
    Thread,
    User,
]
ALL = {f"{name}": 1.0 for name in command.SHARE_OPTIONS}


def seed(leads, **options):
    said = StringIO()
    call_command("seed", leads=leads, stdout=said, **{"chunk": 100, **options})
    return said.getvalue()


@pytest.fixture
def seeded(db):
    """Two chunks of leads, each with everything a lead can have."""
    return seed(160, **ALL)


def test_seed_adds_requested_leads_and_related_records(seeded):
    assert Lead.objects.count() == 160
    assert "100 of 160 leads" in seeded
    assert "160 of 160 leads" in seeded
    for model in EVERY_TABLE:
        assert model.objects.exists(), model
    assert LeadStageHistory.objects.count() == ActivityLog.objects.count() >= 160


def test_every_row_passes_full_clean(seeded):
    for model in EVERY_TABLE:
        for row in model.objects.all()[:12]:
            row.full_clean(exclude=["password"])


def test_line_data_matches_its_schema(seeded):
    forms = {
        line.code: Draft202012Validator(line.form_schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        for line in InsuranceType.objects.all()
    }
    found = Counter()
    for lead in Lead.objects.select_related("insurance_type"):
        data = {"auto": lead.auto_data, "home": lead.home_data, **lead.line_data}
        for code, filled in data.items():
            forms[code].validate(filled)
            found[code] += bool(filled)
        if lead.insurance_type:
            assert data[lead.insurance_type.code]
    assert set(found) == set(forms)
    assert all(len(lead.auto_data["vin"]) == 17 for lead in Lead.objects.exclude(auto_data={}))


def test_score_and_tier_match_signals(seeded):
    policy = ScoringPolicy.objects.active()
    for lead in Lead.objects.filter(overall_score__isnull=False):
        assert all(signal["weight"] == (POSITIVE_WEIGHTS | NEGATIVE_WEIGHTS)[signal["type"]] for signal in lead.signals)
        found = break_down_score(lead.signals, policy, lead.last_scored_at)
        assert (found.score, len(found.contributions)) == (lead.overall_score, len(lead.signals))
        if not lead.tier_override and lead.priority_tier != "dormant":
            assert lead.priority_tier == policy.tier_for_score(lead.overall_score)
    for lead in Lead.objects.filter(overall_score__isnull=True, tier_override=None):
        assert (lead.priority_tier, lead.signals, lead.last_scored_at) == (None, [], None)


def test_dormant_leads_are_open_and_silent_for_a_month(db):
    seed(400)
    dormant = Lead.objects.filter(priority_tier="dormant")
    assert dormant.exists()
    for lead in dormant:
        assert lead.is_open
        assert lead.last_scored_at - (lead.last_contact_at or lead.created_at) > timedelta(days=29)


def test_shares_match_expected_ranges(db):
    seed(2_000, chunk=1_000)
    share = {
        "open": Lead.objects.open().count() / 2_000,
        "unscored": Lead.objects.filter(overall_score=None).count() / 2_000,
        "free": Lead.objects.filter(assigned_to=None).count() / 2_000,
    }
    assert share == {
        "open": pytest.approx(0.55, abs=0.04),
        "unscored": pytest.approx(0.12, abs=0.03),
        "free": pytest.approx(0.10, abs=0.03),
    }
    assert not Lead.objects.closed().filter(status="CLOSED_LOST", loss_reason="").exists()
    assert not Lead.objects.open().exclude(loss_reason="").exists()
    assert User.objects.filter(groups__name="agent", is_staff=True).count() == 14


def test_closed_lead_keeps_its_closing_date(seeded):
    for lead in Lead.objects.closed():
        last = lead.stage_history.order_by("-at").first()
        assert (last.to_status_id, last.at) == (lead.status_id, lead.closed_at)
        assert lead.created_at < lead.closed_at < lead.updated_at + timedelta(seconds=1)


def test_thread_ends_with_last_contact_of_its_lead(seeded):
    for thread in Thread.objects.select_related("lead"):
        messages = list(thread.messages.order_by("sent_at"))
        assert len(messages) == thread.message_count
        assert messages[-1].sent_at == thread.last_message_at == thread.lead.last_contact_at
        assert messages[-1].direction == thread.last_direction
        assert thread.awaiting_reply == thread.lead.awaiting_reply == (thread.last_direction == "out")


def test_suggestion_content_is_valid_for_its_type(seeded):
    assert {suggestion.status for suggestion in Suggestion.objects.all()} > {"PENDING", "APPROVED", "REJECTED"}
    for suggestion in Suggestion.objects.select_related("lead"):
        kind = KINDS[suggestion.type]
        payload = kind.parse_content(suggestion.suggested_content)
        assert payload.model_dump(mode="json") == suggestion.suggested_content
        if suggestion.status == SuggestionStatus.PENDING:
            kind.guard(payload, suggestion)
        if suggestion.approved_content is not None:
            assert content_digest(suggestion.approved_content) == suggestion.content_hash
            changed = suggestion.approved_content != suggestion.suggested_content
            assert changed == (suggestion.status == SuggestionStatus.MODIFIED)
        if suggestion.result and "task" in suggestion.result:
            assert Task.objects.get(pk=suggestion.result["task"]).title == suggestion.approved_content["title"]


def test_keys_are_time_ordered(seeded):
    for lead in Lead.objects.all():
        assert lead.pk.version == 7
        assert abs((lead.pk.int >> 80) - lead.created_at.timestamp() * 1000) <= 1


def test_addresses_and_phone_numbers_are_reserved_examples(seeded):
    for lead in Lead.objects.all():
        assert lead.contact_email or lead.contact_phone
        assert lead.contact_email.partition("@")[2] in {"", "example.com", "example.net", "example.org"}
        assert lead.contact_phone == "" or "555" in lead.contact_phone


def test_second_run_adds_more(db):
    seed(30, **ALL)
    before = set(Lead.objects.values_list("contact_email", flat=True))
    seed(20, **ALL)
    assert Lead.objects.count() == 50
    assert before < set(Lead.objects.values_list("contact_email", flat=True))
    assert User.objects.count() == 20


def test_same_seed_gives_same_leads(db):
    def made():
        seed(40, seed=7)
        rows = Lead.objects.order_by("created_at").values_list("contact_name", "status", "estimated_value")
        found = list(rows)
        Lead.objects.all().delete()
        Contact.objects.all().delete()
        return found

    first = made()
    assert made() == first


def test_different_seed_gives_different_leads(db):
    seed(40, seed=7)
    names = set(Lead.objects.values_list("contact_name", flat=True))
    seed(40, seed=8)
    assert len(set(Lead.objects.values_list("contact_name", flat=True))) > len(names) + 20


def test_killed_run_leaves_whole_chunks_and_can_continue(db, monkeypatch):
    def die(cursor, chunk):
        if chunk.first > 100:
            raise RuntimeError("killed")
        return 0

    with monkeypatch.context() as patch:
        patch.setitem(command.SEED_STEPS, "suggestions", die)
        with pytest.raises(RuntimeError):
            seed(200, **ALL)
    assert Lead.objects.count() == 100
    assert not LeadStageHistory.objects.exclude(lead__in=Lead.objects.all()).exists()
    seed(100, **ALL)
    assert Lead.objects.count() == 200


@pytest.mark.parametrize("leads", [0, -5])
def test_seed_refuses_zero_leads(db, leads):
    with pytest.raises(CommandError, match="must be 1 or more"):
        seed(leads)
    assert not Lead.objects.exists()


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_seed_refuses_invalid_share(db, share):
    with pytest.raises(CommandError, match="--threads must be a number from 0 to 1"):
        seed(5, threads=share)
    assert not Lead.objects.exists()


def test_zero_shares_add_leads_only(db):
    seed(50, **dict.fromkeys(ALL, 0.0))
    assert Lead.objects.count() == 50
    for model in (Client, Contact, Message, Suggestion, Task, Thread, AIInteraction):
        assert not model.objects.exists()


def test_concurrent_seed_is_refused(db):
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [command.SEED_LOCK_KEY])
            with pytest.raises(CommandError, match="Another seed command is running on this database"):
                seed(5)
            cursor.execute("SELECT pg_advisory_unlock(%s)", [command.SEED_LOCK_KEY])
    finally:
        other.close()
    seed(5)
    assert Lead.objects.count() == 5
