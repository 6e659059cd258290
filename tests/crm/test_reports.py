"""Reports: each figure is the number of rows of the list behind it, for each reader."""

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ai_log.models import AIInteraction
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.local_time import agency_today
from crm.screens.reports import Figure, Period, Report, ReportColumn, ReportRow, ReportTable, Unit
from crm.screens.reports.all_reports import all_reports
from crm.screens.reports.grouping import Dimension, make_table
from crm.screens.reports.tables import format_figure
from inbox.models import Direction, Message
from inbox.transitions.store_message import add_to_thread
from leads.models import Lead, LeadStatus, Task
from leads.transitions import change_status
from suggestions.models import Suggestion, SuggestionStatus
from suggestions.transitions.decide import approve, reject
from tests.cast import (
    allow_export,
    browser,
    make_client,
    make_lead,
    make_suggestion,
    make_thread,
    make_ticket,
    page_text,
)

pytestmark = pytest.mark.django_db
REPORTS = {one.key: one for one in all_reports() if isinstance(one, Report)}


def close(lead: Lead, stage: str, **kw) -> None:
    change_status(lead, LeadStatus.objects.get(pk=stage), by=SYSTEM_ACTOR, **kw)


def make_leads(owner, number: int) -> None:
    """Create leads of `owner` in several stages, lines and months."""
    today = agency_today()
    for count, line in enumerate(("auto", "home", None)):
        lead = make_lead(assigned_to=owner, estimated_value=1000 * (number + count), **({"line": line} if line else {}))
        Lead.objects.filter(pk=lead.pk).update(
            expected_close_date=today + timedelta(days=40 * count) if count else None, predicted_close_probability="0.5"
        )
    close(make_lead(assigned_to=owner, estimated_value=500), "ACTIVE")
    close(make_lead(assigned_to=owner, estimated_value=700, source_type="REFERRAL"), "CLOSED_WON")
    close(make_lead(assigned_to=owner, estimated_value=900, line="auto"), "CLOSED_LOST", loss_reason="BUDGET")


def make_work(owner) -> None:
    """Create conversations, tickets, tasks and suggestions of `owner`."""
    now, lead = timezone.now(), make_lead(assigned_to=owner)
    for hours in (1, 5):
        thread = make_thread(lead=lead)
        add_to_thread(Message(thread=thread, direction=Direction.IN, sent_at=now - timedelta(hours=hours + 1)))
        add_to_thread(Message(thread=thread, direction=Direction.OUT, sent_at=now - timedelta(hours=1), state="SENT"))
    waiting = make_thread(lead=lead)
    add_to_thread(Message(thread=waiting, direction=Direction.IN, sent_at=now))
    make_ticket(client=make_client(assigned_to=owner), assigned_to=owner, resolve_due_at=now - timedelta(hours=1))
    Task.objects.create(title="Call back", lead=lead, assignee=owner, due_on=agency_today() - timedelta(days=2))
    make_suggestion(lead=lead)


def make_decisions(owner, decider) -> None:
    """Decide three suggestions of two agents: approve one, change one, reject one."""
    made = [make_suggestion(lead=make_lead(assigned_to=owner)) for _ in range(3)]
    for suggestion, agent in zip(made, ("rules", "rules", "model"), strict=True):
        Suggestion.objects.filter(pk=suggestion.pk).update(agent=agent)
    approve(made[0], by=decider)
    approve(made[1], content={"title": "Write instead"}, by=decider)
    reject(made[2], by=decider, reason="No")


@pytest.fixture
def office(ann, bob, max):
    for number, owner in enumerate((ann, bob, None)):
        make_leads(owner, number)
        make_work(owner)
        make_decisions(owner, max)


def count_listed(session, address: str) -> int:
    """Return the number of rows of a list, from all its pages."""
    path, count = address.partition("?")[0], 0
    while address:
        changes = session.get(address).context["cl"]
        count += len(changes.page.rows)
        address = changes.next_url() and f"{path}{changes.next_url()}"
    return count


@pytest.mark.parametrize("reader", ["ann", "max"])
def test_each_figure_is_the_number_of_rows_behind_it(request, office, reader):
    session, linked = browser(request.getfixturevalue(reader)), 0
    for key in REPORTS:
        tables = session.get(f"/reports/{key}/").context["tables"]
        assert tables, key
        for table in tables:
            for row in table.rows:
                for column, figure in zip(table.columns, row.figures, strict=True):
                    if figure.url and column.unit == Unit.COUNT:
                        linked += 1
                        assert count_listed(session, figure.url) == figure.value, (key, row.label, column.label)
    assert linked > 50


def figures_of(session, key: str, title: str, period: str = "") -> dict[str, list]:
    """Return the figures of a table by the label of each row."""
    tables = {one.title: one for one in session.get(f"/reports/{key}/{period}").context["tables"]}
    return {row.label: [figure.value for figure in row.figures] for row in tables[title].rows}


def test_pipeline_adds_up_values_and_their_probable_part(as_max, ann):
    for value, probability in ((1000, "0.5"), (3000, "0.1"), (None, "0.9")):
        lead = make_lead(assigned_to=ann, estimated_value=value)
        Lead.objects.filter(pk=lead.pk).update(predicted_close_probability=probability)
    assert figures_of(as_max, "pipeline", "By owner") == {"Ann": [3, 4000, 800]}


def test_win_rate_leaves_out_leads_that_did_not_qualify(as_max):
    for stage, kw in (
        ("CLOSED_WON", {}),
        ("CLOSED_LOST", {"loss_reason": "BUDGET"}),
        ("CLOSED_LOST", {"loss_reason": "FIT"}),
        ("CLOSED_UNQUALIFIED", {}),
    ):
        close(make_lead(estimated_value=100), stage, **kw)
    assert figures_of(as_max, "won-and-lost", "By owner") == {"Unassigned": [1, 2, 1, 1 / 3, 100, 200]}
    assert figures_of(as_max, "won-and-lost", "Why leads were lost") == {"Budget": [1, 100], "Not a fit": [1, 100]}
    assert "Nothing to report in this period" in page_text(
        as_max.get("/reports/won-and-lost/?first=2020-01-01&last=2020-02-01")
    )


def test_pace_is_the_time_between_two_moves(as_max):
    lead = make_lead(created_at=timezone.now() - timedelta(days=10))
    close(lead, "ACTIVE")
    new, active = (LeadStatus.objects.get(pk=code).label for code in ("NEW_OPPORTUNITIES", "ACTIVE"))
    pace = figures_of(as_max, "funnel", "Pace")
    assert pace[new][0] == 1 and pace[new][1] == pytest.approx(10, abs=0.01) and pace[new][3] == 0
    assert pace[active] == [0, None, None, 1]
    assert figures_of(as_max, "funnel", "Funnel") == {"New leads": [1, None], new: [1, 1], active: [1, 1]}


def test_wait_lasts_from_the_first_unanswered_message_to_our_next_one(as_max, ann):
    now, thread = timezone.now(), make_thread(lead=make_lead(assigned_to=ann), subject="Roof")
    for direction, hours, extra in (
        ("in", 20, {}),
        ("in", 18, {}),
        ("out", 16, {"state": "FAILED", "error_message": "No route"}),
        ("out", 14, {"state": "SENT"}),
        ("in", 12, {"is_closing": True}),
        ("in", 10, {"nature": "AUTO_REPLY"}),
        ("in", 8, {}),
    ):
        add_to_thread(Message(thread=thread, direction=direction, sent_at=now - timedelta(hours=hours), **extra))
    owner, channel = (figures_of(as_max, "response-times", title) for title in ("By owner", "By channel"))
    assert owner == {"Ann": [2, 1, pytest.approx(6), pytest.approx(6), 1]} and list(channel) == ["Email"]
    assert [*figures_of(as_max, "response-times", "Longest waits").values()] == [[pytest.approx(6)]]


def test_decisions_count_changes_and_the_words_that_nobody_typed(as_max, ann, max):
    make_decisions(ann, max)
    words = make_suggestion("REPLY", lead=make_lead(assigned_to=ann))
    Suggestion.objects.filter(pk=words.pk).update(
        agent="rules",
        status=SuggestionStatus.APPROVED,
        reviewed_by=max,
        reviewed_at=timezone.now(),
        approved_content={"body": "one two\nthree"},
        content_hash="x",
    )
    by_agent = figures_of(as_max, "suggestions", "By agent")
    approved, changed, rejected, failed, accepted, share_changed, _, typing, automatic = by_agent["rules"]
    assert (approved, changed, rejected, failed, automatic) == (3, 1, 0, 0, 0)
    assert (accepted, share_changed, typing) == (1, 1 / 3, 3 / 2400)
    assert by_agent["model"][2:5] == [1, 0, 0]


def test_spend_is_divided_by_the_leads_won(as_max):
    for _ in range(2):
        close(make_lead(), "CLOSED_WON")
    for cost in ("0.30", "0.50", None):
        AIInteraction.objects.create(cost_usd=cost, model_used="model", content="Hello")
    month = [*figures_of(as_max, "ai-spend", "By month").values()]
    assert month == [[Decimal("0.80"), 3, 1, 2, Decimal("0.40")]]


def test_colleague_is_not_named_for_what_a_reader_does_not_see(office, ann):
    session = browser(ann)
    for key in REPORTS:
        assert "Bob" not in page_text(session.get(f"/reports/{key}/")), key


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("first=2026-02-01&last=2026-01-01", "The first day is after the last one."),
        ("first=0001-01-01&last=2026-01-01", "Choose days from 1900 to 2200."),
        ("first=yesterday", "Enter a valid date."),
    ],
)
def test_period_that_is_none_is_refused(as_max, query, sentence):
    answer = as_max.get(f"/reports/won-and-lost/?{query}")
    assert answer.status_code == 422 and sentence in page_text(answer)


def test_table_is_sent_as_csv_and_logged(max, office):
    allow_export(max)
    answer = browser(max).post("/reports/won-and-lost/?first=2020-01-01&last=2200-01-01", {"table": "By source"})
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert rows[0][:3] == ["Source", "Won", "Lost"] and ["Referral", "3"] in [row[:2] for row in rows]
    line = ActivityLog.objects.filter(verb="exported").first()
    assert line.summary == "Exported the report “Won and lost, By source” as CSV (first=2020-01-01, last=2200-01-01)."


def test_csv_needs_the_permission_to_export_and_a_table_that_there_is(ann, max, office):
    assert browser(ann).post("/reports/pipeline/", {"table": "By owner"}).status_code == 403
    allow_export(max)
    assert browser(max).post("/reports/pipeline/", {"table": "By moon"}).status_code == 404


def test_reports_are_open_to_those_who_may_see_their_records(stranger, as_ann):
    assert browser(stranger).get("/reports/").status_code == 403
    assert browser(stranger).get("/reports/pipeline/").status_code == 403
    assert as_ann.get("/reports/nonsense/").status_code == 404
    assert "Won and lost" in page_text(as_ann.get("/reports/"))


def test_report_reads_in_few_statements(as_max, office):
    as_max.get("/reports/")
    for key in REPORTS:
        with CaptureQueriesContext(connection) as queries:
            as_max.get(f"/reports/{key}/")
        assert len(queries) <= 15, key


def test_report_that_takes_too_long_says_so(as_max, settings, office):
    settings.LIST_TIMEOUT = 0.001
    answer = as_max.get("/reports/response-times/")
    assert answer.status_code == 422 and "Choose a shorter period" in page_text(answer)


def test_groups_past_the_last_row_are_one_row():
    groups = [(number, (number, 1, 0.5)) for number in range(1, 61)]
    dimension = Dimension("By number", "Number", lambda value: (str(value), {"n": str(value)}))
    columns = (ReportColumn("Sum"), ReportColumn("Count"), ReportColumn("Median", Unit.DAYS))

    def figures(sums, params):
        return [Figure(one, params and "list") for one in sums]

    table = make_table(dimension, groups, columns, figures)
    assert len(table.rows) == 51 and table.rows[0].label == "60"
    assert table.rows[-1] == ReportRow("10 others", [Figure(55, None), Figure(10, None), Figure(None, None)])


def test_bars_show_the_size_beside_the_largest():
    rows = [ReportRow(str(value), (Figure(value),)) for value in (200, 50, None)]
    lines = ReportTable("Sizes", "Size", (ReportColumn("Size"),), rows).lines()
    assert [line["share"] for line in lines] == [100, 25, 0]
    assert [line["cells"][0]["text"] for line in lines] == ["200", "50", "—"]
    assert not ReportTable("Sizes", "Size", (ReportColumn("Size"),), rows, bar=None).lines()[0]["share"]


def test_last_days_end_today():
    today = agency_today()
    assert Period.of_last_days(today, 1) == Period(today, today)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1200, Unit.COUNT, "1,200"),
        (Decimal("1200.60"), Unit.MONEY, "$1,201"),
        (Decimal("0.4"), Unit.CENTS, "$0.40"),
        (0.345, Unit.SHARE, "34 %"),
        (2.25, Unit.HOURS, "2.2 h"),
        (48, Unit.HOURS, "2.0 days"),
        (None, Unit.DAYS, "—"),
    ],
)
def test_figures_are_written_by_their_unit(value, unit, text):
    assert format_figure(value, unit) == text
