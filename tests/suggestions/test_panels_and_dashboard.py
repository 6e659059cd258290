"""Suggestions on the first screen, in the navigation, and on the pages of leads and clients."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from suggestions.models import Suggestion, SuggestionStatus
from suggestions.screens import dashboard, panels
from suggestions.transitions import approve, reject
from tests.cast import browser, make_client, make_lead, make_suggestion


def make_request(user):
    request = RequestFactory().get("/")
    request.user = user
    return request


def test_dashboard_counts_visible_pending_suggestions(ann, max, bob, stranger):
    make_suggestion()
    make_suggestion(lead=make_lead(assigned_to=bob))
    make_suggestion(lead=make_lead(assigned_to=ann), expires_at=timezone.now() - timedelta(days=1))
    now = timezone.now()
    assert dashboard.decide_source(ann, now).rows.count() == 1
    assert dashboard.decide_source(max, now).rows.count() == 2
    assert dashboard.decide_source(stranger, now) is None


def test_acceptance_is_approved_share_of_decided(max):
    rows = [make_suggestion() for _ in range(4)]
    assert dashboard.acceptance_figure(max, timezone.now()).value == "—"
    for row in rows[:3]:
        approve(row, by=max)
    reject(rows[3], reason="No.", by=max)
    figure = dashboard.acceptance_figure(max, timezone.now())
    assert (figure.value, figure.note) == ("75 %", "of 4 decided in 30 days")
    Suggestion.objects.filter(pk=rows[3].pk).update(reviewed_at=timezone.now() - timedelta(days=31))
    assert dashboard.acceptance_figure(max, timezone.now()).value == "100 %"


def test_acceptance_respects_visibility(ann, bob, max):
    reject(make_suggestion(lead=make_lead(assigned_to=bob)), reason="No.", by=bob)
    approve(make_suggestion(lead=make_lead(assigned_to=ann)), by=ann)
    assert dashboard.acceptance_figure(ann, timezone.now()).value == "100 %"
    assert dashboard.acceptance_figure(max, timezone.now()).value == "50 %"


def test_badge_is_empty_without_pending_and_capped(max, stranger, monkeypatch):
    assert dashboard.waiting_badge(make_request(max)) == ""
    suggestion = make_suggestion()
    assert dashboard.waiting_badge(make_request(max)) == "1"
    monkeypatch.setattr(dashboard, "MAX_BADGE_COUNT", 2)
    make_suggestion(lead=suggestion.lead)
    assert dashboard.waiting_badge(make_request(max)) == "2"
    make_suggestion(lead=suggestion.lead)
    assert dashboard.waiting_badge(make_request(max)) == "2+"
    assert dashboard.waiting_badge(make_request(stranger)) == ""


def test_dashboard_can_decide_suggestion(as_max):
    suggestion = make_suggestion()
    shown = as_max.get("/").content.decode()
    assert "Create task “Call back”" in shown
    assert reverse("admin:suggestions_suggestion_do", args=[suggestion.pk, "approve"]) in shown
    assert (
        as_max.post(reverse("admin:suggestions_suggestion_do", args=[suggestion.pk, "approve"]), {"next": "/"}).url
        == "/"
    )


def test_lead_page_shows_pending_failed_and_decided_suggestions(as_max, max):
    lead = make_lead()
    waits, failed, decided = (make_suggestion(lead=lead, suggested_content={"title": t}) for t in ("Aa", "Bb", "Cc"))
    Suggestion.objects.filter(pk=failed.pk).update(status=SuggestionStatus.FAILED, error_message="No line.")
    reject(decided, reason="Too early.", by=max)
    shown = as_max.get(reverse("admin:leads_lead_change", args=[lead.pk])).content.decode()
    for row in (waits, failed):
        for verb in ("approve", "reject"):
            assert reverse("admin:suggestions_suggestion_do", args=[row.pk, verb]) in shown
    assert reverse("admin:suggestions_suggestion_do", args=[decided.pk, "approve"]) not in shown
    assert "Failed: No line." in shown
    assert "Too early." in shown


def test_viewer_sees_suggestions_without_buttons(vera):
    lead = make_lead()
    suggestion = make_suggestion(lead=lead)
    shown = browser(vera).get(reverse("admin:leads_lead_change", args=[lead.pk])).content.decode()
    assert "Call back" in shown
    assert reverse("admin:suggestions_suggestion_do", args=[suggestion.pk, "reject"]) not in shown


def test_client_page_shows_only_its_suggestions(as_max):
    client = make_client()
    make_suggestion(client=client, suggested_content={"title": "Send the certificate"})
    make_suggestion(client=make_client(), suggested_content={"title": "Something else"})
    shown = as_max.get(reverse("admin:crm_client_change", args=[client.pk])).content.decode()
    assert "Send the certificate" in shown
    assert "Something else" not in shown


def test_user_without_permission_sees_no_panel(stranger):
    suggestion = make_suggestion()
    assert panels.lead_suggestions_panel(make_request(stranger), suggestion.lead) is None
    assert dashboard.decide_source(stranger, timezone.now()) is None


@pytest.mark.parametrize("many", [1, 3])
def test_panel_query_count_is_constant(max, many):
    lead = make_lead(assigned_to=max)
    for number in range(many):
        approve(make_suggestion(lead=lead, suggested_content={"title": f"Done {number}", "assignee": "max"}), by=max)
    for number in range(many):
        row = make_suggestion(lead=lead, suggested_content={"title": f"Task {number}", "assignee": "max"})
    request = make_request(max)
    request.user.has_perm("suggestions.view_suggestion")
    with CaptureQueriesContext(connection) as queries:
        section = panels.lead_suggestions_panel(request, row.lead)
    assert len(section.content["open"]) == many
    assert len(queries) == 3
