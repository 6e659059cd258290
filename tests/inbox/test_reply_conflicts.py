"""An answer and what happened while it was written: whoever writes is told, asked once, and never kept from sending."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import User
from inbox.drafts import transitions
from inbox.drafts.reply_conflicts import ReplyConflict, describe_newer_message, find_newer_message
from inbox.models import Draft, Message, MessageState
from inbox.outgoing import outbox
from tests.cast import browser, make_lead, make_thread, make_user, page_text
from tests.form_parser import read_form
from tests.inbox.draft_fixtures import add_incoming_email, composer_form, make_draft, send_draft, submit_composer

pytestmark = pytest.mark.django_db
NOTE = 'class="note b-amber"'


@pytest.fixture
def thread(db):
    thread = make_thread(lead=make_lead(contact_email="lee@example.com"), subject="Question")
    add_incoming_email(thread)
    return thread


def thread_url(thread) -> str:
    return f"/inbox/thread/{thread.pk}/change/"


def make_reply_draft(by, thread, hours=3, **kw) -> Draft:
    """An answer to the newest message of `thread` that was begun so long ago."""
    answered = thread.messages.order_by("-sent_at").first()
    draft = make_draft(by, thread, reply_to=answered, **kw)
    Message.objects.filter(pk=answered.pk).update(sent_at=timezone.now() - timedelta(hours=hours + 1))
    Draft.objects.filter(pk=draft.pk).update(created_at=timezone.now() - timedelta(hours=hours))
    return Draft.objects.get(pk=draft.pk)


def composer_of(answer) -> dict[str, str]:
    """What the composer holds on a page that was answered with."""
    return read_form(answer.content.decode(), "compose")


def now(**kw) -> dict:
    return {"sent_at": timezone.now(), "body_text": "Wait.", **kw}


# What came since


def test_composer_shows_newer_message_and_its_delay(as_ann, ann, thread):
    make_reply_draft(ann, thread)
    assert NOTE not in as_ann.get(thread_url(thread)).content.decode()
    newest = add_incoming_email(thread, **now(from_name="Lee Lead", sent_at=timezone.now() - timedelta(hours=1)))
    page = as_ann.get(thread_url(thread)).content.decode()
    assert "Lee Lead wrote 2 hours after you began this: look first." in page
    assert f'<a href="#m-{newest.pk}">Show message</a>' in page


def test_first_send_asks_for_confirmation_and_second_sends(as_ann, ann, thread):
    make_reply_draft(ann, thread)
    newest = add_incoming_email(thread, **now(from_name="Lee Lead"))
    answer = submit_composer(as_ann, {**composer_form(as_ann, thread_url(thread)), "body": "It is 200."}, "send")
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Lee Lead wrote 3 hours after you began this: look first. Send it once more" in page
    assert "It is 200.</textarea>" in page and NOTE not in page and f'id="m-{newest.pk}"' in page
    assert not Message.objects.filter(direction="out").exists() and Draft.objects.get().body == "It is 200."
    form = composer_of(answer)
    assert form["seen"] == str(newest.pk)
    assert submit_composer(as_ann, form, "send").status_code == 302
    assert Message.objects.get(direction="out").body_text.startswith("It is 200.")


def test_message_arriving_after_confirmation_asks_again(as_ann, ann, thread):
    make_reply_draft(ann, thread)
    add_incoming_email(thread, **now())
    form = composer_of(submit_composer(as_ann, composer_form(as_ann, thread_url(thread)), "send"))
    add_incoming_email(thread, **now(from_name="Mia"))
    answer = submit_composer(as_ann, form, "send")
    assert answer.status_code == 422 and "Mia wrote" in answer.content.decode()
    assert submit_composer(as_ann, composer_of(answer), "send").status_code == 302


def test_conflict_is_confirmed_once_with_unknown_recipient(as_ann, ann, thread):
    make_reply_draft(ann, thread, cc="nobody@elsewhere.example")
    add_incoming_email(thread, **now())
    first = submit_composer(as_ann, composer_form(as_ann, thread_url(thread)), "send")
    assert "look first" in first.content.decode()
    second = submit_composer(as_ann, composer_of(first), "send")
    assert second.status_code == 422 and "never written to before" in second.content.decode()
    assert "look first" not in second.content.decode()
    assert (
        submit_composer(as_ann, composer_of(second), "send", confirmed=["nobody@elsewhere.example"]).status_code == 302
    )


def test_conflict_is_detected_without_saved_draft(as_ann, thread):
    form = composer_form(as_ann, thread_url(thread))
    add_incoming_email(thread, **now(from_name="Lee Lead"))
    answer = submit_composer(as_ann, {**form, "body": "It is 100."}, "send")
    assert answer.status_code == 422 and "Lee Lead wrote after what this answers, on " in answer.content.decode()
    assert submit_composer(as_ann, composer_of(answer), "send").status_code == 302


@pytest.mark.parametrize("seen", ["x", "01890000-0000-7000-8000-000000000001"])
def test_confirming_another_message_does_not_send(as_ann, ann, thread, seen):
    make_reply_draft(ann, thread)
    add_incoming_email(thread, **now())
    answer = submit_composer(as_ann, {**composer_form(as_ann, thread_url(thread)), "seen": seen}, "send")
    assert answer.status_code == 422 and not Message.objects.filter(direction="out").exists()


def test_queued_email_of_colleague_is_a_conflict(ann, bob, thread):
    draft = make_reply_draft(ann, thread)
    send_draft(bob, thread)
    assert (
        describe_newer_message(draft, find_newer_message(draft))
        == "Bob wrote 3 hours after you began this: look first."
    )
    with pytest.raises(ReplyConflict, match="Bob wrote"):
        transitions.send(draft, by=ann)


def test_automatic_unsent_and_own_messages_are_no_conflict(ann, bob, thread):
    draft = make_reply_draft(ann, thread)
    add_incoming_email(thread, **now(nature="AUTO_REPLY"))
    add_incoming_email(thread, sent_at=timezone.now() - timedelta(days=9))
    outbox.mark_email_failed(send_draft(bob, thread), "No.")
    transitions.take_back(send_draft(bob, thread), by=bob)
    kept = Draft.objects.filter(pk=draft.pk)
    kept.update(deleted_at=timezone.now())
    send_draft(ann, thread, body="Something else.")
    kept = Draft.everything.filter(pk=draft.pk)
    kept.update(deleted_at=None)
    assert find_newer_message(kept.get()) is None
    assert transitions.send(kept.get(), by=ann).state == MessageState.QUEUED


def test_email_taken_back_still_shows_earlier_conflict(ann, thread):
    answered = thread.messages.get()
    message = send_draft(ann, thread, reply_to=answered)
    add_incoming_email(thread, **now(from_name="Lee Lead"))
    draft = transitions.take_back(message, by=ann)
    assert "Lee Lead wrote" in describe_newer_message(draft, find_newer_message(draft))


def test_sender_name_is_escaped_and_truncated(as_ann, ann, thread):
    draft = make_reply_draft(ann, thread)
    add_incoming_email(thread, **now(from_name="<b>" + "x" * 150))
    assert "<b>xxx" not in as_ann.get(thread_url(thread)).content.decode()
    assert len(describe_newer_message(draft, find_newer_message(draft))) < 130
    assert describe_newer_message(draft, Message(direction="out", from_name="Ann", sent_at=timezone.now())).startswith(
        "You wrote 3 hours"
    )
    assert describe_newer_message(draft, Message(direction="in", sent_at=timezone.now())).startswith("They wrote")


# Who else writes


def test_colleagues_draft_is_announced_without_its_text(as_ann, ann, bob, thread):
    make_reply_draft(bob, thread, hours=2, body="Bobs secret words")
    for _ in range(2):  # beside an empty composer, and beside a draft
        page = page_text(as_ann.get(thread_url(thread)))
        assert "Bob started a reply here 2\xa0hours ago, last changed now." in page
        assert "Bobs secret" not in page
        Draft.objects.filter(author=ann).delete()
        make_draft(ann, thread)
    assert "Ann started a reply here" in browser(bob).get(thread_url(thread)).content.decode()
    assert submit_composer(as_ann, composer_form(as_ann, thread_url(thread)), "send").status_code == 302


def test_discarded_and_deactivated_users_drafts_are_not_announced(as_ann, bob, thread):
    transitions.discard(make_reply_draft(bob, thread), by=bob)
    gone = make_user("gone", "agent")
    make_reply_draft(gone, thread)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    make_draft(bob, add_incoming_email(make_thread()).thread)
    assert "started a reply here" not in as_ann.get(thread_url(thread)).content.decode()


def test_query_count_is_constant_for_many_colleagues(as_ann, ann, thread):
    make_reply_draft(ann, thread)
    add_incoming_email(thread, **now())
    make_reply_draft(make_user("first", "agent"), thread)
    as_ann.get(thread_url(thread))
    with CaptureQueriesContext(connection) as few:
        as_ann.get(thread_url(thread))
    for number in range(6):
        make_draft(make_user(f"more{number}", "agent"), thread)
    with CaptureQueriesContext(connection) as many:
        page = as_ann.get(thread_url(thread)).content.decode()
    assert len(few) == len(many)
    assert page.count("started a reply here") == 3
