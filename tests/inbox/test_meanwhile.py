"""An answer and what happened while it was written: whoever writes is told, asked once, and never kept from sending."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.models import User
from inbox.drafts import transitions
from inbox.drafts.reply_conflicts import Overtaken, newer_than, told
from inbox.models import Draft, Message, MessageState
from inbox.outgoing import outbox
from tests.cast import browser, make_lead, make_thread, make_user
from tests.forms import form_of
from tests.inbox.writing import composer, make_draft, press, received, sent_off

pytestmark = pytest.mark.django_db
NOTE = 'class="note b-amber"'


@pytest.fixture
def thread(db):
    thread = make_thread(lead=make_lead(contact_email="lee@example.com"), subject="Question")
    received(thread)
    return thread


def page_of(thread) -> str:
    return f"/inbox/thread/{thread.pk}/change/"


def begun(by, thread, hours=3, **kw) -> Draft:
    """An answer to the newest message of `thread` that was begun so long ago."""
    answered = thread.messages.order_by("-sent_at").first()
    draft = make_draft(by, thread, reply_to=answered, **kw)
    Message.objects.filter(pk=answered.pk).update(sent_at=timezone.now() - timedelta(hours=hours + 1))
    Draft.objects.filter(pk=draft.pk).update(created_at=timezone.now() - timedelta(hours=hours))
    return Draft.objects.get(pk=draft.pk)


def composer_of(answer) -> dict[str, str]:
    """What the composer holds on a page that was answered with."""
    return form_of(answer.content.decode(), "compose")


def now(**kw) -> dict:
    return {"sent_at": timezone.now(), "body_text": "Wait.", **kw}


# What came since


def test_the_composer_says_who_wrote_and_how_long_after_it_was_begun(as_ann, ann, thread):
    begun(ann, thread)
    assert NOTE not in as_ann.get(page_of(thread)).content.decode()
    newest = received(thread, **now(from_name="Lee Lead", sent_at=timezone.now() - timedelta(hours=1)))
    page = as_ann.get(page_of(thread)).content.decode()
    assert "Lee Lead wrote 2 hours after you began this: look first." in page
    assert f'<a href="#m-{newest.pk}">Show it</a>' in page


def test_the_first_sending_asks_and_the_second_sends(as_ann, ann, thread):
    begun(ann, thread)
    newest = received(thread, **now(from_name="Lee Lead"))
    answer = press(as_ann, {**composer(as_ann, page_of(thread)), "body": "It is 200."}, "send")
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Lee Lead wrote 3 hours after you began this: look first. Send it once more" in page
    assert "It is 200.</textarea>" in page and NOTE not in page and f'id="m-{newest.pk}"' in page
    assert not Message.objects.filter(direction="out").exists() and Draft.objects.get().body == "It is 200."
    form = composer_of(answer)
    assert form["seen"] == str(newest.pk)
    assert press(as_ann, form, "send").status_code == 302
    assert Message.objects.get(direction="out").body_text.startswith("It is 200.")


def test_what_comes_after_that_is_asked_about_again(as_ann, ann, thread):
    begun(ann, thread)
    received(thread, **now())
    form = composer_of(press(as_ann, composer(as_ann, page_of(thread)), "send"))
    received(thread, **now(from_name="Mia"))
    answer = press(as_ann, form, "send")
    assert answer.status_code == 422 and "Mia wrote" in answer.content.decode()
    assert press(as_ann, composer_of(answer), "send").status_code == 302


def test_it_is_asked_once_even_where_an_address_must_be_ticked_too(as_ann, ann, thread):
    begun(ann, thread, cc="nobody@elsewhere.example")
    received(thread, **now())
    first = press(as_ann, composer(as_ann, page_of(thread)), "send")
    assert "look first" in first.content.decode()
    second = press(as_ann, composer_of(first), "send")
    assert second.status_code == 422 and "never written to before" in second.content.decode()
    assert "look first" not in second.content.decode()
    assert press(as_ann, composer_of(second), "send", confirmed=["nobody@elsewhere.example"]).status_code == 302


def test_a_page_that_was_open_for_long_before_anything_was_typed_asks_too(as_ann, thread):
    form = composer(as_ann, page_of(thread))
    received(thread, **now(from_name="Lee Lead"))
    answer = press(as_ann, {**form, "body": "It is 100."}, "send")
    assert answer.status_code == 422 and "Lee Lead wrote after what this answers, on " in answer.content.decode()
    assert press(as_ann, composer_of(answer), "send").status_code == 302


@pytest.mark.parametrize("seen", ["x", "01890000-0000-7000-8000-000000000001"])
def test_another_message_than_the_newest_is_no_answer_to_the_question(as_ann, ann, thread, seen):
    begun(ann, thread)
    received(thread, **now())
    answer = press(as_ann, {**composer(as_ann, page_of(thread)), "seen": seen}, "send")
    assert answer.status_code == 422 and not Message.objects.filter(direction="out").exists()


def test_what_a_colleague_sends_counts_also_before_it_has_left(ann, bob, thread):
    draft = begun(ann, thread)
    sent_off(bob, thread)
    assert told(draft, newer_than(draft)) == "Bob wrote 3 hours after you began this: look first."
    with pytest.raises(Overtaken, match="Bob wrote"):
        transitions.send(draft, by=ann)


def test_what_nobody_said_or_got_or_one_has_composed_oneself_does_not_count(ann, bob, thread):
    draft = begun(ann, thread)
    received(thread, **now(nature="AUTO_REPLY"))
    received(thread, sent_at=timezone.now() - timedelta(days=9))
    outbox.failed(sent_off(bob, thread), "No.")
    transitions.take_back(sent_off(bob, thread), by=bob)
    kept = Draft.objects.filter(pk=draft.pk)
    kept.update(deleted_at=timezone.now())
    sent_off(ann, thread, body="Something else.")
    kept = Draft.everything.filter(pk=draft.pk)
    kept.update(deleted_at=None)
    assert newer_than(kept.get()) is None
    assert transitions.send(kept.get(), by=ann).state == MessageState.QUEUED


def test_a_mail_taken_back_knows_what_came_before_it_was_written_again(ann, thread):
    answered = thread.messages.get()
    message = sent_off(ann, thread, reply_to=answered)
    received(thread, **now(from_name="Lee Lead"))
    draft = transitions.take_back(message, by=ann)
    assert "Lee Lead wrote" in told(draft, newer_than(draft))


def test_the_name_is_theirs_and_shown_as_text_and_short(as_ann, ann, thread):
    draft = begun(ann, thread)
    received(thread, **now(from_name="<b>" + "x" * 150))
    assert "<b>xxx" not in as_ann.get(page_of(thread)).content.decode()
    assert len(told(draft, newer_than(draft))) < 130
    assert told(draft, Message(direction="out", from_name="Ann", sent_at=timezone.now())).startswith(
        "You wrote 3 hours"
    )
    assert told(draft, Message(direction="in", sent_at=timezone.now())).startswith("They wrote")


# Who else writes


def test_a_colleague_who_writes_in_the_same_conversation_is_named_and_nothing_of_it_shown(as_ann, ann, bob, thread):
    begun(bob, thread, hours=2, body="Bobs secret words")
    for _ in range(2):  # beside an empty composer, and beside a draft
        page = as_ann.get(page_of(thread)).content.decode()
        assert "Bob has begun an answer here, too, 2\xa0hours ago, last changed now." in page
        assert "Bobs secret" not in page
        Draft.objects.filter(author=ann).delete()
        make_draft(ann, thread)
    assert "Ann has begun an answer here, too" in browser(bob).get(page_of(thread)).content.decode()
    assert press(as_ann, composer(as_ann, page_of(thread)), "send").status_code == 302


def test_what_is_discarded_or_of_somebody_who_left_or_elsewhere_is_not_told_of(as_ann, bob, thread):
    transitions.discard(begun(bob, thread), by=bob)
    gone = make_user("gone", "agent")
    begun(gone, thread)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    make_draft(bob, received(make_thread()).thread)
    assert "has begun an answer here" not in as_ann.get(page_of(thread)).content.decode()


def test_the_page_costs_the_same_for_one_colleague_and_for_many(as_ann, ann, thread):
    begun(ann, thread)
    received(thread, **now())
    begun(make_user("first", "agent"), thread)
    as_ann.get(page_of(thread))
    with CaptureQueriesContext(connection) as few:
        as_ann.get(page_of(thread))
    for number in range(6):
        make_draft(make_user(f"more{number}", "agent"), thread)
    with CaptureQueriesContext(connection) as many:
        page = as_ann.get(page_of(thread)).content.decode()
    assert len(few) == len(many)
    assert page.count("has begun an answer here") == 3
