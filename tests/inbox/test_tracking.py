"""That a mail was opened and its proposal looked at: noted once, told nobody else, and not where it was refused."""

import email.policy
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from inbox import tasks
from inbox.attachments import keep
from inbox.models import Message, MessageState, Thread
from inbox.outgoing import tracking
from inbox.outgoing.mime import letter
from inbox.outgoing.outbox import compose
from inbox.public import NOTHING
from leads.models import Lead
from tests.cast import make_lead, make_thread

pytestmark = pytest.mark.django_db
OUTSIDE = "https://crm.example.com"
PDF = b"%PDF-1.4 paper"


@pytest.fixture(autouse=True)
def public(settings):
    settings.PUBLIC_URL = OUTSIDE


def mail(lead=None, *, minutes=5.0, links=False, state=MessageState.SENT, identifier="<1@agency.example>"):
    """A mail to `lead` that went out `minutes` ago."""
    thread = make_thread(lead=lead)
    attachments = [keep("Proposal.pdf", "application/pdf", PDF)] if links else []
    message = compose(
        thread, sender=None, to=["lee@example.com"], subject="Your <fleet>", text="Dear Lee,", message_id=identifier,
        attachments=attachments, links=links, by=SYSTEM,
    )  # fmt: skip
    at = timezone.now() - timedelta(minutes=minutes)
    Message.objects.filter(pk=message.pk).update(state=state, sent_at=at)
    Thread.objects.filter(pk=thread.pk).update(noticed_count=1)
    return Message.objects.get(pk=message.pk)


def look(message, *, page=None, method="get", token=None):
    return getattr(page or Browser(), method)(f"/t/{token or message.token}.gif")


def press(message, *, page=None, method="post"):
    return getattr(page or Browser(enforce_csrf_checks=True), method)(f"/t/{message.token}/")


def fresh(row):
    row.refresh_from_db()
    return row


def signs(lead):
    tasks.notice_new(timestamp=0)
    return {one["type"]: one for one in fresh(lead).signals}


def test_a_mail_carries_a_picture_and_our_own_copy_none():
    message = mail(make_lead())
    assert len(message.token) == 22 and str(message.pk) not in message.body_html
    assert message.body_html.count(f'<img src="{OUTSIDE}/t/{message.token}.gif" width="1" height="1" alt="">') == 1
    assert message.body_text == "Dear Lee,"
    sent, kept = (email.message_from_bytes(letter(message, ours=ours), policy=email.policy.default) for ours in (0, 1))
    pages = [one.get_body(("html",)).get_content() for one in (sent, kept)]
    assert "<img" in pages[0] and "<img" not in pages[1]
    assert re.sub("<img.*>\r\n", "", pages[0]) == pages[1]
    assert letter(message) == letter(Message.objects.get(pk=message.pk))


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
def test_who_has_refused_is_not_tracked(email, tracked, settings):
    lead = Lead(communications={"email": email})
    assert tracking.is_wanted(lead) is tracked
    settings.PUBLIC_URL = ""
    assert tracking.is_wanted(lead) is False


def test_without_an_address_of_ours_or_a_lead_nothing_is_carried(settings):
    assert tracking.is_wanted(None) is False
    settings.PUBLIC_URL = ""
    message = mail(make_lead(), links=True)
    assert (message.token, message.body_text) == ("", "Dear Lee,")
    assert "<img" not in message.body_html


def test_an_opening_is_noted_once_and_becomes_a_signal_of_its_moment():
    lead = make_lead()
    message = mail(lead)
    answers = [look(message) for _ in range(3)]
    assert {one.content for one in answers} == {NOTHING}
    opened = fresh(message).opened_at
    assert timezone.now() - opened < timedelta(minutes=1)
    assert ActivityLog.objects.get(verb="opened").summary == "Opened our mail “Your <fleet>”"
    sign = signs(lead)["email_opened"]
    assert (sign["source"], sign["timestamp"][:19]) == (str(message.pk), opened.isoformat()[:19])
    assert fresh(lead).overall_score > 0
    assert not Thread.objects.unnoticed().exists()
    look(message)
    assert not Thread.objects.unnoticed().exists()


def test_the_picture_is_the_same_whatever_is_asked_and_sets_no_cookie():
    message = mail(make_lead())
    asked = [look(message), look(message, token="A" * 22), look(message, method="head")]
    for answer in asked:
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/gif")
        assert "no-store" in answer["Cache-Control"] and not answer.cookies
    assert asked[0].content == asked[1].content == NOTHING
    assert {look(message, token="A" * 21).status_code, look(message, token="A" * 23).status_code} <= {302, 404}
    assert look(message, method="post").status_code == 405


@pytest.mark.parametrize("case", ["too soon", "not sent", "head", "one of us", "taken back", "conversation deleted"])
def test_what_is_no_opening_is_not_noted(case, as_ann):
    message = mail(make_lead(), minutes=0.1 if case == "too soon" else 5, state="FAILED" if case == "x" else "SENT")
    if case == "not sent":
        Message.objects.filter(pk=message.pk).update(state=MessageState.QUEUED)
    if case == "taken back":
        Message.objects.filter(pk=message.pk).update(deleted_at=timezone.now())
    if case == "conversation deleted":
        Thread.objects.filter(pk=message.thread_id).update(deleted_at=timezone.now())
    look(message, page=as_ann if case == "one of us" else None, method="head" if case == "head" else "get")
    assert Message.everything.get(pk=message.pk).opened_at is None
    assert not ActivityLog.objects.filter(verb="opened").exists()


def test_a_storm_costs_one_question_each_and_queues_nothing(django_assert_num_queries):
    message = mail(make_lead())
    look(message)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs")
        jobs = cursor.fetchone()
    for token in (message.token, "B" * 22):
        with django_assert_num_queries(1) as asked:
            look(message, token=token)
        assert "FOR" not in asked[0]["sql"] and asked[0]["sql"].startswith("SELECT")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs")
        assert cursor.fetchone() == jobs


def test_a_proposal_is_looked_at_by_pressing_the_button_and_not_by_following_the_link():
    lead = make_lead()
    message = mail(lead, links=True)
    [link] = re.findall(r"https://\S+", message.body_text)
    assert link == f"{OUTSIDE}/t/{message.token}/" and f'href="{link}"' in message.body_html
    page = press(message, method="get")
    assert page.status_code == 200 and not page.cookies
    assert "Your &lt;fleet&gt;" in page.content.decode() and "<script" not in page.content.decode()
    press(message, method="head")
    assert (fresh(message).viewed_at, message.opened_at) == (None, None)
    paper = press(message)
    assert (paper.content, paper["Content-Type"]) == (PDF, "application/pdf")
    assert not paper.cookies
    press(message)
    assert fresh(message).viewed_at is not None and message.opened_at is not None
    assert ActivityLog.objects.filter(verb="viewed").count() == 1
    sign = signs(lead)["proposal_viewed"]
    assert (sign["source"], sign["weight"]) == (str(message.pk), 0.2)


def test_one_of_us_sees_the_paper_and_is_not_noted(as_ann):
    message = mail(make_lead(), links=True)
    assert press(message, page=as_ann).content == PDF
    assert fresh(message).viewed_at is None


@pytest.mark.parametrize("case", ["wrong", "no proposal", "taken back", "file gone"])
def test_where_there_is_no_proposal_it_says_so(case, settings, tmp_path):
    message = mail(make_lead(), links=case != "no proposal")
    if case == "wrong":
        message.token = "A" * 22
    if case == "taken back":
        Message.objects.filter(pk=message.pk).update(deleted_at=timezone.now())
    if case == "file gone":
        settings.MEDIA_ROOT = tmp_path
    answer = press(message)
    assert answer.status_code == 404
    assert "There is no proposal here" in answer.content.decode()
    assert not ActivityLog.objects.filter(verb="viewed").exists()


def test_the_same_mail_again_is_the_same_and_known_by_the_same_token():
    lead = make_lead()
    message = mail(lead, identifier="<same@agency.example>")
    Message.objects.filter(pk=message.pk).update(state=MessageState.FAILED, error_message="Nobody there.")
    again = compose(
        message.thread, sender=None, to=["lee@example.com"], subject="Your <fleet>", text="Dear Lee,",
        message_id="<same@agency.example>", by=SYSTEM,
    )  # fmt: skip
    assert (again.pk, again.token) == (message.pk, message.token)
    assert tracking.token_of("<other@agency.example>") != message.token
