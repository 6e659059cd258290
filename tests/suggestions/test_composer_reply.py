"""The suggested answer stands in the composer: it is used as a draft, or dismissed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from inbox.models import Draft
from suggestions.models import Suggestion, SuggestionStatus
from suggestions.transitions import snooze
from tests.cast import browser, make_lead, make_suggestion, make_thread, page_text
from tests.inbox.draft_fixtures import add_incoming_email, composer_form

pytestmark = pytest.mark.django_db


@pytest.fixture
def thread(ann):
    lead = make_lead(contact_name="Lee Hart", contact_email="lee@example.com", assigned_to=ann)
    thread = make_thread(lead=lead, subject="Question")
    add_incoming_email(thread)
    return thread


@pytest.fixture
def suggestion(thread) -> Suggestion:
    content = {"body": "Dear {{first_name}}, it is [[the price]].", "thread": str(thread.pk)}
    return make_suggestion("REPLY", lead=thread.lead, thread=thread, suggested_content=content)


def url(thread) -> str:
    return f"/inbox/thread/{thread.pk}/change/"


def use(page, suggestion, thread, **typed):
    form = composer_form(page, url(thread)) | typed
    return page.post(f"/suggestions/suggestion/{suggestion.pk}/use/", form, follow=True)


def test_suggested_reply_stands_in_the_composer_filled_in(as_ann, thread, suggestion):
    page = page_text(as_ann.get(url(thread)))
    assert "Suggested reply" in page and "Dear Lee, it is [[the price]]." in page
    assert f'formaction="/suggestions/suggestion/{suggestion.pk}/use/"' in page


def test_used_reply_is_a_draft_above_what_was_typed(as_ann, ann, thread, suggestion):
    answer = use(as_ann, suggestion, thread, body="PS: See you.", cc="joe@example.com")
    draft = Draft.objects.get()
    assert (draft.author, draft.thread) == (ann, thread)
    assert (draft.body, draft.cc) == ("Dear Lee, it is [[the price]].\n\nPS: See you.", "joe@example.com")
    assert answer.redirect_chain[-1][0] == f"{url(thread)}#reply"
    suggestion.refresh_from_db()
    assert suggestion.status == SuggestionStatus.PENDING


@pytest.mark.parametrize("change", ["decided", "snoozed", "empty", "unknown placeholder", "expired"])
def test_reply_that_cannot_be_used_is_not_offered(as_ann, ann, thread, suggestion, change):
    if change == "snoozed":
        snooze(suggestion, timezone.now() + timedelta(days=1), by=ann)
    else:
        values = {
            "decided": {"status": SuggestionStatus.REJECTED, "reviewed_by": ann, "reviewed_at": timezone.now()},
            "empty": {"edited_content": {"body": "", "thread": str(thread.pk)}},
            "unknown placeholder": {"edited_content": {"body": "{{nothing}}", "thread": str(thread.pk)}},
            "expired": {"expires_at": timezone.now() - timedelta(hours=1)},
        }
        Suggestion.objects.filter(pk=suggestion.pk).update(**values[change])
    assert "Suggested reply" not in page_text(as_ann.get(url(thread)))


def test_reply_decided_meanwhile_or_of_another_conversation_changes_nothing(as_ann, ann, thread, suggestion):
    other = make_thread(lead=thread.lead)
    add_incoming_email(other)
    assert "belongs to another conversation" in page_text(use(as_ann, suggestion, other))
    form = composer_form(as_ann, url(thread))
    rejected = {"status": SuggestionStatus.REJECTED, "reviewed_by": ann, "reviewed_at": timezone.now()}
    Suggestion.objects.filter(pk=suggestion.pk).update(**rejected)
    answer = as_ann.post(f"/suggestions/suggestion/{suggestion.pk}/use/", form, follow=True)
    assert "can no longer be used" in page_text(answer)
    assert not Draft.objects.exists()


def test_suggestion_of_a_colleague_is_hidden(bob, vera, thread, suggestion):
    assert browser(bob).post(f"/suggestions/suggestion/{suggestion.pk}/use/", {}).status_code == 404
    assert "Suggested reply" not in page_text(browser(vera).get(url(thread)))


def test_use_is_no_link(as_ann, suggestion):
    assert as_ann.get(f"/suggestions/suggestion/{suggestion.pk}/use/").status_code == 405
