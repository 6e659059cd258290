"""The Failed to send tab lists every unsent or unconfirmed email that the user may see."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from crm.records.transitions import soft_delete
from crm.screens.panels import count_figures
from inbox.dashboard import failed_to_send_figure
from inbox.models import Message, Thread
from inbox.outgoing import outbox
from tests.cast import browser, figure_value, make_lead, make_thread
from tests.inbox.draft_fixtures import add_incoming_email, run_send_job, send_draft

pytestmark = pytest.mark.django_db
LIST = "/inbox/thread/"
NOW = timezone.now()


def listed_subjects(page, **asked) -> list[str]:
    return [thread.subject for thread in page.get(LIST, {"sent": "no", **asked}).context["cl"].page.rows]


def count_on_tab(page) -> str:
    return next(tab["count"] for tab in page.get(LIST).context["cl"].tabs if tab["label"] == "Failed to send")


def make_message(state: str, thread: Thread | None = None, **kw) -> Message:
    """An outgoing email in `state`, without a delivery."""
    thread = thread or make_thread(subject=state, lead=make_lead())
    why = "The server said no." if state in ("FAILED", "UNCERTAIN") else ""
    return Message.objects.create(
        thread=thread, direction="out", state=state, sent_at=timezone.now(), error_message=why, **kw
    )


def make_failed_email(user, **kw) -> Message:
    """Create an email that `user` has sent and the mail server has refused."""
    thread = make_thread(subject=f"Of {user}", lead=make_lead(contact_email="lee@example.com", **kw))
    add_incoming_email(thread)
    message = send_draft(user, thread)
    outbox.mark_email_failed(message, "The server said no.")
    return message


def test_not_sent_tab_lists_failed_and_uncertain_threads_only(as_max, max):
    for state in ("QUEUED", "SENDING", "SENT", "FAILED", "UNCERTAIN"):
        make_message(state)
    add_incoming_email(make_thread(subject="Received"))
    soft_delete(make_message("FAILED").thread, by=max)
    make_message("FAILED", make_thread(subject="Edited as new"), deleted_at=timezone.now())
    assert listed_subjects(as_max) == ["UNCERTAIN", "FAILED"]
    assert count_on_tab(as_max) == "2"


def test_failed_email_is_listed_until_retried(as_ann, ann, smtp_sink):
    message = make_failed_email(ann, assigned_to=ann)
    assert listed_subjects(as_ann) == ["Of Ann"]
    as_ann.post(f"/inbox/draft/message/{message.pk}/try-again/")
    assert listed_subjects(as_ann) == []
    assert run_send_job(message).state == "SENT" and listed_subjects(as_ann) == []


def test_resolved_or_unlinked_thread_is_listed_once(as_max):
    thread = make_thread(subject="Settled", status="RESOLVED")
    for state in ("FAILED", "FAILED", "UNCERTAIN"):
        make_message(state, thread)
    assert listed_subjects(as_max) == ["Settled"]
    assert listed_subjects(as_max, linked="no") == ["Settled"]
    assert listed_subjects(as_max, linked="yes") == []


def test_row_shows_delivery_state_on_every_tab(as_max):
    make_message("FAILED", make_thread(subject="No", last_direction="in"))
    make_message("UNCERTAIN", make_thread(subject="Perhaps", last_direction="in"))
    make_message("SENT", make_thread(subject="Yes", last_direction="in"))
    for asked in ({}, {"sent": "no"}):
        page = as_max.get(LIST, asked).content.decode()
        assert page.count(">failed to send</span>") == page.count(">delivery unconfirmed</span>") == 1


def test_failed_email_is_shown_to_its_owner_only(as_ann, ann, bob):
    make_failed_email(bob, assigned_to=bob)
    assert listed_subjects(as_ann) == [] and count_on_tab(as_ann) == "0"
    assert count_figures([failed_to_send_figure(ann, NOW)]) == []
    assert listed_subjects(browser(bob)) == ["Of Bob"]
    assert figure_value(failed_to_send_figure(bob, NOW)) == "1"


def test_dashboard_shows_not_sent_count_only_when_positive(as_max, max, stranger):
    assert count_figures([failed_to_send_figure(max, NOW)]) == []
    assert "Failed to send" not in as_max.get("/").content.decode()
    make_message("UNCERTAIN")
    (figure,) = count_figures([failed_to_send_figure(max, NOW)])
    assert (figure.value, figure.note, figure.url) == ("1", "conversation", f"{LIST}?sent=no")
    assert "Failed to send" in as_max.get("/").content.decode()
    assert failed_to_send_figure(stranger, NOW) is None


def test_pagination_has_no_gaps(as_max, monkeypatch):
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


def test_query_count_is_constant_for_1_and_50_threads(as_ann):
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
