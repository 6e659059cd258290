"""What did not go out, or perhaps did not: found in one place, whoever wrote it, by whoever may see it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.records.transitions import soft_delete
from inbox.dashboard import mails_not_sent
from inbox.models import Message, Thread
from inbox.outgoing import outbox
from tests.cast import browser, make_lead, make_thread
from tests.inbox.writing import carried, received, sent_off

pytestmark = pytest.mark.django_db
LIST = "/inbox/thread/"
NOW = timezone.now()


def shown(page, **asked) -> list[str]:
    return [thread.subject for thread in page.get(LIST, {"sent": "no", **asked}).context["cl"].page.rows]


def count_on_tab(page) -> str:
    return next(tab["count"] for tab in page.get(LIST).context["cl"].tabs if tab["label"] == "Not sent")


def make_message(state: str, thread: Thread | None = None, **kw) -> Message:
    """A mail of ours without a dispatch, as those of suggestions are."""
    thread = thread or make_thread(subject=state, lead=make_lead())
    why = "The server said no." if state in ("FAILED", "UNCERTAIN") else ""
    return Message.objects.create(
        thread=thread, direction="out", state=state, sent_at=timezone.now(), error_message=why, **kw
    )


def failed_mail_of(user, **kw) -> Message:
    """A mail that `user` has sent and that the server will not have."""
    thread = make_thread(subject=f"Of {user}", lead=make_lead(contact_email="lee@example.com", **kw))
    received(thread)
    message = sent_off(user, thread)
    outbox.failed(message, "The server said no.")
    return message


def test_the_tab_holds_what_failed_and_what_nobody_knows_and_nothing_else(as_max, max):
    for state in ("QUEUED", "SENDING", "SENT", "FAILED", "UNCERTAIN"):
        make_message(state)
    received(make_thread(subject="Received"))
    soft_delete(make_message("FAILED").thread, by=max)
    make_message("FAILED", make_thread(subject="Edited as new"), deleted_at=timezone.now())
    assert shown(as_max) == ["UNCERTAIN", "FAILED"]
    assert count_on_tab(as_max) == "2"


def test_what_a_person_wrote_stands_there_until_it_goes_out(as_ann, ann, post):
    message = failed_mail_of(ann, assigned_to=ann)
    assert shown(as_ann) == ["Of Ann"]
    as_ann.post(f"/inbox/draft/message/{message.pk}/try-again/")
    assert shown(as_ann) == []
    assert carried(message).state == "SENT" and shown(as_ann) == []


def test_a_conversation_that_is_settled_or_unlinked_is_found_all_the_same_and_once(as_max):
    thread = make_thread(subject="Settled", status="RESOLVED")
    for state in ("FAILED", "FAILED", "UNCERTAIN"):
        make_message(state, thread)
    assert shown(as_max) == ["Settled"]
    assert shown(as_max, linked="no") == ["Settled"]
    assert shown(as_max, linked="yes") == []


def test_the_row_says_how_it_stands_on_any_tab(as_max):
    make_message("FAILED", make_thread(subject="No", last_direction="in"))
    make_message("UNCERTAIN", make_thread(subject="Perhaps", last_direction="in"))
    make_message("SENT", make_thread(subject="Yes", last_direction="in"))
    for asked in ({}, {"sent": "no"}):
        page = as_max.get(LIST, asked).content.decode()
        assert page.count(">not sent</span>") == page.count(">perhaps sent</span>") == 1


def test_nobody_is_told_of_what_a_colleague_has_not_sent(as_ann, ann, bob):
    failed_mail_of(bob, assigned_to=bob)
    assert shown(as_ann) == [] and count_on_tab(as_ann) == "0"
    assert mails_not_sent(ann, NOW) is None
    assert shown(browser(bob)) == ["Of Bob"]
    assert mails_not_sent(bob, NOW).value == "1"


def test_today_says_so_only_where_there_are_any(as_max, max, stranger):
    assert mails_not_sent(max, NOW) is None
    assert "Mails not sent" not in as_max.get("/").content.decode()
    make_message("UNCERTAIN")
    figure = mails_not_sent(max, NOW)
    assert (figure.value, figure.url) == ("1", f"{LIST}?sent=no")
    assert "Mails not sent" in as_max.get("/").content.decode()
    assert mails_not_sent(stranger, NOW) is None


def test_pages_follow_each_other_without_gaps(as_max, monkeypatch):
    monkeypatch.setattr("inbox.admin.ThreadAdmin.list_per_page", 3)
    for number in range(8):
        make_message("FAILED", make_thread(subject=str(number), last_message_at=NOW if number % 2 else None))
    seen, cursor = [], {}
    while True:
        page = as_max.get(LIST, {"sent": "no", **cursor}).context["cl"].page
        seen += [row.subject for row in page.rows]
        if not page.next:
            break
        cursor = {"after": page.next}
    assert sorted(seen) == [str(number) for number in range(8)]


def test_it_costs_the_same_for_one_and_for_fifty(as_ann):
    make_message("FAILED")
    as_ann.get(LIST, {"sent": "no"})
    with CaptureQueriesContext(connection) as few:
        as_ann.get(LIST, {"sent": "no"})
    for _ in range(49):
        make_message("UNCERTAIN")
    with CaptureQueriesContext(connection) as many:
        rows = as_ann.get(LIST, {"sent": "no"}).context["cl"].page.rows
    assert len(rows) == 50
    assert len(few) == len(many) <= 15
