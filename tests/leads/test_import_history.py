"""Tests of importing the past of leads: won and lost, the day of closing, and the stages that they went through."""

from datetime import UTC, datetime

import pytest
from django.urls import reverse

from crm.models import User
from crm.records.local_time import agency_today
from leads.importing.exceptions import QuestionsUnanswered
from leads.models import ImportBatch, Lead, LeadStageHistory
from tests.cast import browser, make_lead, page_text
from tests.leads.import_files import counts, import_text, undo

pytestmark = pytest.mark.django_db


def moves(name: str) -> list[tuple[str | None, str, str, User | None]]:
    """Return from where, to where, the day and the user of each move of a lead."""
    rows = LeadStageHistory.objects.filter(lead__contact_name=name).select_related("by").order_by("at", "id")
    return [(row.from_status_id, row.to_status_id, agency_today(row.at).isoformat(), row.by) for row in rows]


def endings() -> dict[str, tuple[str, str, str]]:
    """Return stage, day of closing and loss reason of each lead by name."""
    return {
        lead.contact_name: (
            lead.status_id,
            agency_today(lead.closed_at).isoformat() if lead.closed_at else "",
            lead.loss_reason,
        )
        for lead in Lead.objects.all()
    }


def test_days_of_winning_and_losing_close_leads_without_a_stage():
    import_text(
        "leads",
        "Name,Won Time,Lost Time,Lost Reason\n"
        "Win,2025-03-01 10:00,,\nLoss,,2025-04-01,Budget\nOpen,,,\nNever,2999-01-01,,\n",
    )
    today = agency_today().isoformat()
    assert endings() == {
        "Win": ("CLOSED_WON", "2025-03-01", ""),
        "Loss": ("CLOSED_LOST", "2025-04-01", "BUDGET"),
        "Open": ("NEW_OPPORTUNITIES", "", ""),
        "Never": ("CLOSED_WON", today, ""),
    }
    assert Lead.objects.get(contact_name="Never").custom_fields == {"Won Time": "2999-01-01"}


def test_yes_and_no_close_leads_and_a_closed_stage_decides():
    outcome = import_text(
        "leads",
        "Name,Stage,Is Closed,Is Won,Close Date\n"
        "Win,Active,true,true,2025-03-01\nLoss,Active,true,false,2025-04-01\nOpen,Active,false,false,2999-01-01\n"
        "Odd,Lost,true,true,2025-05-01\n",
    )
    assert {name: ending[:2] for name, ending in endings().items()} == {
        "Win": ("CLOSED_WON", "2025-03-01"),
        "Loss": ("CLOSED_LOST", "2025-04-01"),
        "Open": ("ACTIVE", ""),
        "Odd": ("CLOSED_LOST", "2025-05-01"),
    }
    assert [*outcome.doubt_counts] == ["Is Won contradicts the stage."]
    assert Lead.objects.get(contact_name="Odd").custom_fields == {"Is Won": "true"}


def test_stages_of_the_other_system_become_stage_history(max):
    import_text(
        "leads",
        "Name,Stage,Date Entered New opportunities,Proposal sent date,Entered Active,Closed at\n"
        "Ann,Won,2025-01-02,2025-02-03,2025-01-20,2025-03-04\n"
        "Back,Active,2025-01-02,2025-02-03,2025-01-20,\n"
        "Late,Won,2025-01-02,2025-09-09,,2025-03-04\n",
        by=max,
    )
    assert moves("Ann") == [
        (None, "NEW_OPPORTUNITIES", "2025-01-02", None),
        ("NEW_OPPORTUNITIES", "ACTIVE", "2025-01-20", None),
        ("ACTIVE", "PROPOSAL_SENT", "2025-02-03", None),
        ("PROPOSAL_SENT", "CLOSED_WON", "2025-03-04", None),
    ]
    assert moves("Back")[-1] == ("PROPOSAL_SENT", "ACTIVE", agency_today().isoformat(), max)
    assert [move[1] for move in moves("Late")] == ["NEW_OPPORTUNITIES", "CLOSED_WON"]
    assert Lead.objects.get(contact_name="Late").custom_fields == {"Proposal sent date": "2025-09-09"}
    ann = Lead.objects.get(contact_name="Ann")
    page = page_text(browser(max).get(reverse("admin:leads_lead_change", args=[ann.pk])))
    for move in LeadStageHistory.objects.filter(lead=ann, from_status__isnull=False):
        assert f"{move.from_status} → <b>{move.to_status}</b>" in page
    undo(ImportBatch.objects.get(), by=max)
    assert not Lead.everything.exists() and not LeadStageHistory.objects.exists()


def test_last_change_of_stage_dates_the_stage_of_an_open_lead(max):
    import_text(
        "leads",
        "Name,Stage,Last Stage Change\nOpen,Active,2025-06-01\nWin,Won,2025-07-01\nOdd,Active,2999-01-01\n",
        by=max,
    )
    assert moves("Open") == [(None, "ACTIVE", "2025-06-01", None)]
    assert moves("Win") == [(None, "CLOSED_WON", "2025-07-01", None)]
    assert endings()["Win"][1] == "2025-07-01"
    assert moves("Odd") == [(None, "ACTIVE", agency_today().isoformat(), max)]


def test_stage_of_a_lead_is_the_last_one_that_it_entered():
    import_text("leads", "Name,Entered Active,Entered Closed won\nAnn,2025-01-02,2025-02-03\nBob,2025-01-02,\n")
    assert endings() == {"Ann": ("CLOSED_WON", "2025-02-03", ""), "Bob": ("ACTIVE", "", "")}


def test_closed_lead_without_history_entered_its_stage_on_the_day_of_closing(max):
    import_text("leads", "Name,Stage,Close Date\nWin,Won,2025-03-01\nUndated,Lost,\n", by=max)
    assert moves("Win") == [(None, "CLOSED_WON", "2025-03-01", None)]
    assert moves("Undated") == [(None, "CLOSED_LOST", agency_today().isoformat(), max)]


def test_column_called_won_with_amounts_is_no_answer():
    outcome = import_text("leads", "Name,Won,Closed\nAnn,5000,2025-03-01\n")
    lead = Lead.objects.get()
    assert not outcome.doubt_counts
    assert (lead.status_id, lead.custom_fields) == ("NEW_OPPORTUNITIES", {"Won": 5000})
    # The day of closing of a lead that is still open is when it is expected.
    assert str(lead.expected_close_date) == "2025-03-01"


def test_ambiguous_days_of_history_are_asked():
    with pytest.raises(QuestionsUnanswered):
        import_text("leads", "Name,Won Time\nAnn,03/04/2025\n")


def test_lead_that_exists_keeps_its_stage_history():
    lead = make_lead(contact_name="Ann", contact_email="ann@x.example")
    Lead.objects.filter(pk=lead.pk).update(created_at=datetime(2024, 1, 1, tzinfo=UTC))
    before = LeadStageHistory.objects.filter(lead=lead).count()
    outcome = import_text(
        "leads",
        "Name,Email,Stage,Entered Active,Won Time\nAnn,ann@x.example,Won,2025-01-02,2025-02-03\n",
        duplicates="update",
    )
    assert outcome.updated == 1
    assert endings()["Ann"][:2] == ("CLOSED_WON", "2025-02-03")
    assert LeadStageHistory.objects.filter(lead=lead).count() == before + 1
    assert "1 lead keeps its own stage history: only new leads get that of the file." in outcome.notices


def test_history_can_be_chosen_for_a_column():
    text = "Name,Sold\nAnn,2025-02-03\n"
    assert counts(import_text("leads", text, column_fields={"Sold": "history.won_at"})) == (1, 1, 0, 0)
    assert endings() == {"Ann": ("CLOSED_WON", "2025-02-03", "")}


def test_day_of_winning_of_a_lead_that_the_row_calls_open_is_doubted():
    outcome = import_text("leads", "Name,Stage,Won Time\nAnn,Active,2025-02-03\n")
    assert endings() == {"Ann": ("ACTIVE", "", "")}
    assert [*outcome.doubt_counts] == ["Won Time is a day of closing, but the stage is an open one."]
    assert Lead.objects.get().custom_fields == {"Won Time": "2025-02-03"}


def test_first_of_two_columns_says_when_a_lead_was_won():
    import_text("leads", "Name,Won Time,Won On\nAnn,2025-02-03,2025-03-04\n")
    assert endings() == {"Ann": ("CLOSED_WON", "2025-02-03", "")}
    assert Lead.objects.get().custom_fields == {"Won On": "2025-03-04"}
