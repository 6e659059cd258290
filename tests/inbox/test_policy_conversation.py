"""A policy has a conversation for its renewal: started from its page, shown there, and answered by the follow-up."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from agents.next_best_action.renewals import propose_renewals
from crm.exceptions import IllegalTransition, NotPermitted
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from inbox.drafts.policy_conversation import start_policy_conversation
from inbox.models import Message, Thread
from inbox.transitions import add_to_thread, change_thread_status
from leads.models import Policy
from suggestions.models import Suggestion
from suggestions.transitions import approve
from tests.cast import browser, make_client, make_policy, page_text

pytestmark = pytest.mark.django_db


def start_url(policy) -> str:
    return reverse("admin:inbox_thread_policy", args=[policy.pk])


def page_url(policy) -> str:
    return reverse("admin:leads_policy_change", args=[policy.pk])


@pytest.fixture
def policy(ann):
    return make_policy(client=make_client(email="clara@example.com", assigned_to=ann), number="HM-9")


def test_conversation_starts_with_the_client_as_recipient_and_opens_again(as_ann, policy):
    assert start_url(policy) in page_text(as_ann.get(page_url(policy)))
    answer = as_ann.post(start_url(policy))
    thread = Thread.objects.get()
    assert (thread.policy, thread.client, thread.source) == (policy, policy.client, "EMAIL")
    page = page_text(as_ann.get(answer.url))
    assert "Renewal: Auto · Harbor Mutual · HM-9" in page and page_url(policy) in page
    assert 'value="clara@example.com"' in page
    assert as_ann.post(start_url(policy)).url == answer.url
    assert Thread.objects.count() == 1


def test_messages_show_on_the_page_of_the_policy(as_ann, ann, policy):
    thread = start_policy_conversation(policy, by=ann)
    body = {"direction": "in", "from_email": "clara@example.com", "body_text": "Nothing has changed."}
    add_to_thread(Message(thread=thread, sent_at=timezone.now() - timedelta(hours=1), **body))
    assert "Nothing has changed." in page_text(as_ann.get(page_url(policy)))
    rows = as_ann.get("/inbox/thread/", {"policy": policy.pk}).context["cl"].page.rows
    assert [row.pk for row in rows] == [thread.pk]


def test_resolved_conversation_is_followed_by_a_new_one(ann, policy):
    first = start_policy_conversation(policy, by=ann)
    change_thread_status(first, "RESOLVED", by=ann)
    assert start_policy_conversation(policy, by=ann) != first


@pytest.mark.parametrize("is_proposed_first", [True, False])
def test_follow_up_leads_to_an_email_in_the_conversation(ann, policy, is_proposed_first):
    if is_proposed_first:
        propose_renewals()
    thread = start_policy_conversation(policy, by=ann)
    propose_renewals()
    suggestion = Suggestion.objects.get()
    assert (suggestion.thread, suggestion.client) == (thread, policy.client)
    approve(suggestion, by=ann)
    draft = Suggestion.objects.exclude(pk=suggestion.pk).get()
    assert (draft.type, draft.thread) == ("SEND_EMAIL", thread)


def test_conversation_needs_permission_a_visible_policy_and_live_records(ann, bob, vera, policy):
    assert browser(vera).post(start_url(policy)).status_code in (302, 404)
    with pytest.raises(NotPermitted):
        start_policy_conversation(policy, by=vera)
    assert browser(bob).post(start_url(policy)).status_code == 404
    with pytest.raises(IllegalTransition, match="do not have access"):
        start_policy_conversation(policy, by=bob)
    soft_delete(policy.client, by=SYSTEM_ACTOR)
    with pytest.raises(IllegalTransition, match="is deleted; restore it first"):
        start_policy_conversation(policy, by=ann)
    assert not Thread.objects.exists()


def test_quote_has_no_renewal_conversation(as_ann, ann, policy):
    Policy.objects.filter(pk=policy.pk).update(status="QUOTED")
    assert start_url(policy) not in as_ann.get(page_url(policy)).content.decode()
    with pytest.raises(IllegalTransition, match="is quoted: no renewal"):
        start_policy_conversation(policy, by=ann)


def test_purged_policy_leaves_its_conversation(ann, policy):
    thread = start_policy_conversation(policy, by=ann)
    policy.delete()
    thread.refresh_from_db()
    assert thread.policy is None
