"""What would leave is shown without anything being decided; the navigation counts what waits."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crm.models import UserSession
from crm.runtime.delivery import Delivery, DeliveryOutcome
from suggestions.models import Level, Suggestion
from suggestions.screens.dashboard import MAX_BADGE_COUNT
from tests.cast import browser, make_lead, make_suggestion, make_thread
from tests.suggestions.outward_kind import PostKind, use_post_kind

COUNT = reverse("admin:suggestions_suggestion_waiting")


def preview_url(suggestion):
    return reverse("admin:suggestions_suggestion_preview", args=[suggestion.pk])


@pytest.fixture
def card(db, monkeypatch):
    use_post_kind(monkeypatch, Delivery(DeliveryOutcome.DELIVERED))
    shown = classmethod(lambda cls, payload, suggestion, by=None: [("Card", f"Dear Lee, {payload.body}")])
    monkeypatch.setattr(PostKind, "preview", shown)
    monkeypatch.setattr(PostKind, "preview_title", "What is posted")
    return make_suggestion("PR", suggested_content={"body": "Hello"})


def test_email_preview_is_beside_the_form(as_max, card):
    page = reverse("admin:suggestions_suggestion_change", args=[card.pk])
    assert "Dear Lee, Hello" in as_max.get(page).content.decode()


@pytest.mark.parametrize("headers", [{}, {"X-Fragment": "1"}])
def test_preview_shows_typed_text_and_decides_nothing(as_max, card, headers):
    before = Suggestion.objects.values().get()
    sent = {"with_content": "1", "content.body": "<b>Bye</b>"}
    shown = as_max.post(preview_url(card), sent, headers=headers).content.decode()
    assert "Dear Lee, &lt;b&gt;Bye&lt;/b&gt;" in shown
    assert ("<html" in shown) is not bool(headers)
    assert Suggestion.objects.values().get() == before
    assert not card.executions.exists()


def test_preview_without_scripts_keeps_typed_text(as_max, card):
    shown = as_max.post(preview_url(card), {"with_content": "1", "content.body": "Bye"})
    assert shown.context["content_form"]["content.body"].value() == "Bye"


def test_preview_needs_approve_permission(as_ann, vera, card):
    assert as_ann.post(preview_url(card), {}).status_code == 403  # an agent opens no pull request
    assert browser(vera).post(preview_url(card), {}).status_code == 403
    assert as_ann.get(preview_url(card)).status_code == 302


def test_pending_count_respects_visibility_and_costs_few_queries(as_ann, bob, vera, stranger):
    make_suggestion()
    make_suggestion(lead=make_lead(assigned_to=bob))
    sessions = list(UserSession.objects.values())
    with CaptureQueriesContext(connection) as queries:
        answer = as_ann.get(COUNT)
    assert answer.json() == {"waiting": "1"}
    assert len(queries) <= 5
    assert list(UserSession.objects.values()) == sessions
    assert browser(vera).get(COUNT).status_code == 200
    assert browser(stranger).get(COUNT).status_code == 403
    assert browser(None).get(COUNT).status_code == 302


def test_pending_count_is_capped(as_max):
    first = make_suggestion()
    fields = {"type": "TASK", "suggested_content": {"title": "x"}, "lead": first.lead}
    Suggestion.objects.bulk_create([Suggestion(**fields) for _ in range(MAX_BADGE_COUNT)])
    assert as_max.get(COUNT).json() == {"waiting": "99+"}


@pytest.mark.parametrize("where", ["lead", "thread"])
def test_auto_draft_suggestion_is_editable_on_record_pages(as_max, where):
    lead = make_lead()
    thread = make_thread(lead=lead)
    suggestion = make_suggestion(lead=lead, thread=thread)
    pages = {"lead": ("leads_lead", lead), "thread": ("inbox_thread", thread)}
    name, row = pages[where]
    url = reverse(f"admin:{name}_change", args=[row.pk])
    assert "content.title" not in as_max.get(url).content.decode()
    Suggestion.objects.update(autonomy=Level.AUTO_DRAFT)
    shown = as_max.get(url).content.decode()
    assert f'id="id_{suggestion.pk}_content.title"' in shown
    sent = {"with_content": "1", "content.title": "Call Lee", "version": "1", "next": url}
    response = as_max.post(reverse("admin:suggestions_suggestion_do", args=[suggestion.pk, "approve"]), sent)
    assert response.url == url
    assert "Undo: " in as_max.get(url).content.decode()
