"""REPLY answers the newest email of a thread, and goes to its sender only."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm.exceptions import IllegalTransition
from inbox.incoming.merging import merge_threads
from inbox.models import Direction, Message, MessageState, Thread
from inbox.thread_state import store_threads
from inbox.transitions import add_to_thread
from suggestions.kinds import KINDS
from suggestions.models import SuggestionStatus
from tests.cast import make_lead, make_suggestion, make_thread
from tests.suggestions.email_execution import approve_and_send, approve_confirming_all


@pytest.fixture
def lead(ann):
    return make_lead(contact_name="Lee Lead", contact_email="lee@example.com", assigned_to=ann)


@pytest.fixture
def thread(lead):
    thread = make_thread(lead=lead, subject="About the quote", participant_emails=["lee@example.com"])
    add_message(thread, "<first@example.com>", "Hello?", timedelta(days=2))
    add_message(thread, "<second@example.com>", "How much is it?\n> old", timedelta(hours=3), "<first@example.com>")
    return thread


def add_message(thread, message_id, body, ago, in_reply_to="", **kw):
    kw = {"from_email": "lee@example.com", "subject": "About\tthe quote", **kw}
    return add_to_thread(
        Message(
            thread=thread,
            direction=Direction.IN,
            state=MessageState.RECEIVED,
            message_id=message_id,
            in_reply_to=in_reply_to,
            body_text=body,
            sent_at=timezone.now() - ago,
            **kw,
        )
    )


def make_reply(thread, body="It is $1,240, {{first_name}}."):
    return make_suggestion("REPLY", lead=thread.lead, thread=thread, suggested_content={"body": body})


def test_reply_joins_thread_and_quotes_the_email(smtp_sink, thread, ann):
    suggestion = make_reply(thread)
    shown = dict(KINDS["REPLY"].preview(KINDS["REPLY"].parse_content(suggestion.suggested_content), suggestion, ann))
    suggestion = approve_and_send(suggestion, ann)
    [mail] = smtp_sink.emails
    assert (mail["To"], mail["Subject"]) == ("lee@example.com", "Re: About the quote")
    assert mail["In-Reply-To"] == "<second@example.com>"
    assert mail["References"] == "<first@example.com> <second@example.com>"
    text = mail.get_body(("plain",)).get_content()
    assert text == shown["Text"] + "\n"
    assert text.startswith("It is $1,240, Lee.\n\nOn ")
    assert text.endswith("lee@example.com wrote:\n> How much is it?\n> > old\n")
    thread.refresh_from_db()
    assert (thread.awaiting_reply, thread.last_direction, thread.message_count) == (True, "out", 3)
    assert Thread.objects.count() == 1
    assert suggestion.result["thread"] == str(thread.pk)


def test_reply_to_web_form_is_an_email_in_its_thread(smtp_sink, lead, ann):
    thread = make_thread(lead=lead, source="FORM", subject="Quote", participant_emails=["lee@example.com"])
    add_message(thread, "", "How much is it?", timedelta(hours=1))
    approve_and_send(make_reply(thread), ann)
    [mail] = smtp_sink.emails
    assert (mail["To"], mail["In-Reply-To"]) == ("lee@example.com", None)
    thread.refresh_from_db()
    assert (thread.message_count, thread.last_direction) == (2, "out")


def test_reply_goes_to_latest_sender_only(smtp_sink, thread, ann):
    add_message(thread, "<third@example.com>", "Me too.", timedelta(minutes=1), from_email="sam@example.com")
    approve_and_send(make_reply(thread), ann)
    assert smtp_sink.received_commands == ["sam@example.com"]


def test_long_quoted_text_is_truncated(smtp_sink, thread, ann):
    add_message(thread, "<long@example.com>", "word " * 5_000, timedelta(minutes=1))
    approve_and_send(make_reply(thread), ann)
    text = smtp_sink.emails[0].get_body(("plain",)).get_content()
    assert len(text) < 4_300 and text.endswith("> […]\n")


def test_quoted_placeholders_are_not_filled_in(smtp_sink, thread, ann):
    add_message(thread, "<trick@example.com>", "{{sender_email}}", timedelta(minutes=1))
    approve_and_send(make_reply(thread, "Hello."), ann)
    assert "> {{sender_email}}" in smtp_sink.emails[0].get_body(("plain",)).get_content()


def test_reply_is_tainted(thread):
    assert make_reply(thread).tainted


def test_thread_without_inbound_email_is_refused(lead):
    with pytest.raises(IllegalTransition, match="There is no email to answer"):
        make_reply(make_thread(lead=lead))


def test_thread_of_another_lead_is_refused(lead, thread):
    other = make_thread(lead=make_lead())
    add_message(other, "<x@example.com>", "Hi", timedelta(hours=1))
    with pytest.raises(IllegalTransition, match="belongs to another conversation"):
        make_suggestion("REPLY", lead=lead, thread=thread, suggested_content={"body": "Hi", "thread": str(other.pk)})


def test_newer_message_asks_again(smtp_sink, thread, ann):
    suggestion = make_reply(thread)
    add_message(thread, "<late@example.com>", "Forget it.", timedelta(seconds=-1))
    with pytest.raises(IllegalTransition, match="The conversation has gone on"):
        approve_confirming_all(suggestion, ann, as_of=timezone.now() - timedelta(minutes=5))


def test_own_failed_message_is_not_a_newer_message(smtp_sink, thread, ann):
    smtp_sink.fault = "spam"
    suggestion = approve_and_send(make_reply(thread), ann)
    assert suggestion.status == SuggestionStatus.FAILED
    smtp_sink.fault = ""
    assert approve_and_send(suggestion, ann, as_of=None).status == SuggestionStatus.APPROVED
    assert len(smtp_sink.data) == 1


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Hi\r\nBcc: eve@example.com", "Re: Hi Bcc: eve@example.com"),
        ("Hi \u202egnp\u200b", "Re: Hi gnp"),
        ("RE: Hi", "RE: Hi"),
        ("x" * 900, "Re: " + "x" * 400),
        ("\u200b", "Re: Your message"),
    ],
)
def test_malformed_subject_is_cleaned_in_reply(smtp_sink, thread, ann, theirs, ours):
    add_message(thread, "<odd@example.com>", "Hi", timedelta(minutes=1), subject=theirs)
    approve_and_send(make_reply(thread), ann)
    assert (smtp_sink.emails[0]["Subject"], smtp_sink.emails[0]["Bcc"]) == (ours, None)


def test_long_thread_subject_is_truncated_in_summary(ann):
    lead = make_lead(assigned_to=ann)
    suggestion = make_suggestion("REPLY", lead=lead)
    Thread.objects.filter(pk=suggestion.thread_id).update(subject="Z" * 500)
    kind = KINDS["REPLY"]
    said = kind.sentence(kind.parse_content(suggestion.suggested_content), suggestion)
    assert said == f"Reply in “{'Z' * 119}…”."


def test_reply_goes_to_merged_thread(smtp_sink, thread, ann):
    suggestion, whole = make_reply(thread), make_thread(lead=thread.lead, subject="All of it")
    merge_threads([(whole, thread)], reason="a mail ties them together")
    store_threads([whole])
    suggestion.refresh_from_db()
    assert suggestion.thread == whole
    approve_and_send(suggestion, ann)
    assert Message.objects.get(direction=Direction.OUT).thread == whole
    assert [mail["In-Reply-To"] for mail in smtp_sink.emails] == ["<second@example.com>"]
