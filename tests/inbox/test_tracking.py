"""Tracking of opened emails and viewed proposals: recorded once, private, and off where the lead refused it."""

import email.policy
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from inbox.attachments import store_attachment
from inbox.models import Message, MessageState, Thread
from inbox.outgoing import tracking
from inbox.outgoing.mime import build_email
from inbox.outgoing.outbox import compose
from inbox.public.views import TRANSPARENT_GIF
from leads.models import Lead
from tests.cast import make_lead, make_thread
from tests.queued_jobs import process_queued_threads, queued_threads

pytestmark = pytest.mark.django_db
TEST_PUBLIC_URL = "https://crm.example.com"
PDF = b"%PDF-1.4 paper"


@pytest.fixture(autouse=True)
def public(settings):
    settings.PUBLIC_URL = TEST_PUBLIC_URL


def send_email(
    lead=None, *, minutes=5.0, links_to_proposal=False, state=MessageState.SENT, identifier="<1@agency.example>"
):
    """Create an email to `lead` that was sent `minutes` ago."""
    thread = make_thread(lead=lead)
    attachments = [store_attachment("Proposal.pdf", "application/pdf", PDF)] if links_to_proposal else []
    message = compose(
        thread, sender=None, to=["lee@example.com"], subject="Your <fleet>", text="Dear Lee,", message_id=identifier,
        attachments=attachments, links_to_proposal=links_to_proposal, by=SYSTEM_ACTOR,
    )  # fmt: skip
    at = timezone.now() - timedelta(minutes=minutes)
    Message.objects.filter(pk=message.pk).update(state=state, sent_at=at)
    process_queued_threads()
    return Message.objects.get(pk=message.pk)


def request_pixel(message, *, page=None, method="get", token=None):
    return getattr(page or Browser(), method)(f"/t/{token or message.token}.gif")


def press_view_button(message, *, page=None, method="post"):
    return getattr(page or Browser(enforce_csrf_checks=True), method)(f"/t/{message.token}/")


def reload(row):
    row.refresh_from_db()
    return row


def signals_by_type(lead):
    process_queued_threads()
    return {one["type"]: one for one in reload(lead).signals}


def test_sent_email_has_tracking_pixel_and_stored_copy_has_none():
    message = send_email(make_lead())
    assert len(message.token) == 22 and str(message.pk) not in message.body_html
    assert (
        message.body_html.count(f'<img src="{TEST_PUBLIC_URL}/t/{message.token}.gif" width="1" height="1" alt="">') == 1
    )
    assert message.body_text == "Dear Lee,"
    sent, kept = (
        email.message_from_bytes(build_email(message, for_sent_folder=for_sent_folder), policy=email.policy.default)
        for for_sent_folder in (0, 1)
    )
    pages = [one.get_body(("html",)).get_content() for one in (sent, kept)]
    assert "<img" in pages[0] and "<img" not in pages[1]
    assert re.sub("<img.*>\r\n", "", pages[0]) == pages[1]
    assert build_email(message) == build_email(Message.objects.get(pk=message.pk))


@pytest.mark.parametrize(
    ("email", "tracked"),
    [
        ({}, True),
        ({"consent": True}, True),
        ("yes", True),
        ({"do_not_contact": False, "no_tracking": False}, True),
        ({"do_not_contact": True}, False),
        ({"no_tracking": True}, False),
        ({"consent": False}, False),
    ],
)
def test_tracking_respects_opt_out(email, tracked, settings):
    lead = Lead(communications={"email": email})
    assert tracking.should_track(lead) is tracked
    settings.PUBLIC_URL = ""
    assert tracking.should_track(lead) is False


def test_no_tracking_without_public_url_or_lead(settings):
    assert tracking.should_track(None) is False
    settings.PUBLIC_URL = ""
    message = send_email(make_lead(), links_to_proposal=True)
    assert (message.token, message.body_text) == ("", "Dear Lee,")
    assert "<img" not in message.body_html


def test_first_open_is_recorded_once_as_signal():
    lead = make_lead()
    message = send_email(lead)
    answers = [request_pixel(message) for _ in range(3)]
    assert {one.content for one in answers} == {TRANSPARENT_GIF}
    opened = reload(message).opened_at
    assert timezone.now() - opened < timedelta(minutes=1)
    assert ActivityLog.objects.get(verb="opened").summary == "Opened our email “Your <fleet>”"
    sign = signals_by_type(lead)["email_opened"]
    assert (sign["source"], sign["timestamp"][:19]) == (str(message.pk), opened.isoformat()[:19])
    assert reload(lead).overall_score > 0
    assert queued_threads() == []
    request_pixel(message)
    assert queued_threads() == []


def test_pixel_response_is_always_the_same_without_cookie():
    message = send_email(make_lead())
    asked = [request_pixel(message), request_pixel(message, token="A" * 22), request_pixel(message, method="head")]
    for answer in asked:
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/gif")
        assert "no-store" in answer["Cache-Control"] and not answer.cookies
    assert asked[0].content == asked[1].content == TRANSPARENT_GIF
    assert {request_pixel(message, token="A" * 21).status_code, request_pixel(message, token="A" * 23).status_code} <= {
        302,
        404,
    }
    assert request_pixel(message, method="post").status_code == 405


@pytest.mark.parametrize("case", ["too soon", "not sent", "head", "one of us", "taken back", "conversation deleted"])
def test_invalid_opens_are_not_recorded(case, as_ann):
    message = send_email(
        make_lead(), minutes=0.1 if case == "too soon" else 5, state="FAILED" if case == "x" else "SENT"
    )
    if case == "not sent":
        Message.objects.filter(pk=message.pk).update(state=MessageState.QUEUED)
    if case == "taken back":
        Message.objects.filter(pk=message.pk).update(deleted_at=timezone.now())
    if case == "conversation deleted":
        Thread.objects.filter(pk=message.thread_id).update(deleted_at=timezone.now())
    request_pixel(message, page=as_ann if case == "one of us" else None, method="head" if case == "head" else "get")
    assert Message.everything.get(pk=message.pk).opened_at is None
    assert not ActivityLog.objects.filter(verb="opened").exists()


def test_repeated_requests_cost_one_query_and_queue_nothing(django_assert_num_queries):
    message = send_email(make_lead())
    request_pixel(message)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs")
        jobs = cursor.fetchone()
    for token in (message.token, "B" * 22):
        with django_assert_num_queries(1) as asked:
            request_pixel(message, token=token)
        assert "FOR" not in asked[0]["sql"] and asked[0]["sql"].startswith("SELECT")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs")
        assert cursor.fetchone() == jobs


def test_proposal_view_is_recorded_by_button_not_by_link():
    lead = make_lead()
    message = send_email(lead, links_to_proposal=True)
    [link] = re.findall(r"https://\S+", message.body_text)
    assert link == f"{TEST_PUBLIC_URL}/t/{message.token}/" and f'href="{link}"' in message.body_html
    page = press_view_button(message, method="get")
    assert page.status_code == 200 and not page.cookies
    assert "Your &lt;fleet&gt;" in page.content.decode() and "<script" not in page.content.decode()
    press_view_button(message, method="head")
    assert (reload(message).viewed_at, message.opened_at) == (None, None)
    paper = press_view_button(message)
    assert (paper.content, paper["Content-Type"]) == (PDF, "application/pdf")
    assert not paper.cookies
    press_view_button(message)
    assert reload(message).viewed_at is not None and message.opened_at is not None
    assert ActivityLog.objects.filter(verb="viewed").count() == 1
    sign = signals_by_type(lead)["proposal_viewed"]
    assert (sign["source"], sign["weight"]) == (str(message.pk), 0.2)


def test_staff_view_of_proposal_is_not_recorded(as_ann):
    message = send_email(make_lead(), links_to_proposal=True)
    assert press_view_button(message, page=as_ann).content == PDF
    assert reload(message).viewed_at is None


@pytest.mark.parametrize("case", ["wrong", "no proposal", "taken back", "file gone"])
def test_missing_proposal_is_not_found(case, settings, tmp_path):
    message = send_email(make_lead(), links_to_proposal=case != "no proposal")
    if case == "wrong":
        message.token = "A" * 22
    if case == "taken back":
        Message.objects.filter(pk=message.pk).update(deleted_at=timezone.now())
    if case == "file gone":
        settings.MEDIA_ROOT = tmp_path
    answer = press_view_button(message)
    assert answer.status_code == 404
    assert "Proposal not found" in answer.content.decode()
    assert not ActivityLog.objects.filter(verb="viewed").exists()


def test_resent_email_keeps_tracking_token():
    lead = make_lead()
    message = send_email(lead, identifier="<same@agency.example>")
    Message.objects.filter(pk=message.pk).update(state=MessageState.FAILED, error_message="Nobody there.")
    again = compose(
        message.thread, sender=None, to=["lee@example.com"], subject="Your <fleet>", text="Dear Lee,",
        message_id="<same@agency.example>", by=SYSTEM_ACTOR,
    )  # fmt: skip
    assert (again.pk, again.token) == (message.pk, message.token)
    assert tracking.tracking_token("<other@agency.example>") != message.token
