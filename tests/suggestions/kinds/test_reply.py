"""REPLY: answers the last mail of a conversation, to whoever wrote it and nobody else."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm.exceptions import IllegalMove
from inbox.incoming.merging import unite
from inbox.models import Direction, Message, MessageState, Thread
from inbox.thread_state import store
from inbox.transitions import take_in
from suggestions.kinds import KINDS
from suggestions.models import SuggestionStatus
from tests.cast import make_lead, make_suggestion, make_thread
from tests.suggestions.mails import let_go, sent


@pytest.fixture
def lead(ann):
    return make_lead(contact_name="Lee Lead", contact_email="lee@example.com", assigned_to=ann)


@pytest.fixture
def thread(lead):
    thread = make_thread(lead=lead, subject="About the quote", participant_emails=["lee@example.com"])
    said(thread, "<first@example.com>", "Hello?", timedelta(days=2))
    said(thread, "<second@example.com>", "How much is it?\n> old", timedelta(hours=3), "<first@example.com>")
    return thread


def said(thread, message_id, body, ago, in_reply_to="", **kw):
    kw = {"from_email": "lee@example.com", "subject": "About\tthe quote", **kw}
    return take_in(
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


def answer(thread, body="It is $1,240, {{first_name}}."):
    return make_suggestion("REPLY", lead=thread.lead, thread=thread, suggested_content={"body": body})


def test_it_stands_in_the_conversation_and_repeats_what_it_answers(post, thread, ann):
    suggestion = answer(thread)
    shown = dict(KINDS["REPLY"].preview(KINDS["REPLY"].check(suggestion.suggested_content), suggestion, ann))
    suggestion = sent(suggestion, ann)
    [mail] = post.mails
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


def test_of_several_who_wrote_only_the_last_is_answered(post, thread, ann):
    said(thread, "<third@example.com>", "Me too.", timedelta(minutes=1), from_email="sam@example.com")
    sent(answer(thread), ann)
    assert post.seen == ["sam@example.com"]


def test_a_long_mail_is_repeated_in_part(post, thread, ann):
    said(thread, "<long@example.com>", "word " * 5_000, timedelta(minutes=1))
    sent(answer(thread), ann)
    text = post.mails[0].get_body(("plain",)).get_content()
    assert len(text) < 4_300 and text.endswith("> […]\n")


def test_what_they_wrote_is_not_filled_in(post, thread, ann):
    said(thread, "<trick@example.com>", "{{sender_email}}", timedelta(minutes=1))
    sent(answer(thread, "Hello."), ann)
    assert "> {{sender_email}}" in post.mails[0].get_body(("plain",)).get_content()


def test_it_rests_on_what_an_outsider_wrote(thread):
    assert answer(thread).tainted


def test_where_nobody_wrote_there_is_nothing_to_answer(lead):
    with pytest.raises(IllegalMove, match="there is no mail to answer"):
        answer(make_thread(lead=lead))


def test_a_conversation_of_somebody_else_is_not_answered(lead, thread):
    other = make_thread(lead=make_lead())
    said(other, "<x@example.com>", "Hi", timedelta(hours=1))
    with pytest.raises(IllegalMove, match="not the conversation of this suggestion"):
        make_suggestion("REPLY", lead=lead, thread=thread, suggested_content={"body": "Hi", "thread": str(other.pk)})


def test_a_newer_word_of_theirs_must_be_seen_first(post, thread, ann):
    suggestion = answer(thread)
    said(thread, "<late@example.com>", "Forget it.", timedelta(seconds=-1))
    with pytest.raises(IllegalMove, match="The conversation has gone on"):
        let_go(suggestion, ann, as_of=timezone.now() - timedelta(minutes=5))


def test_that_it_failed_itself_is_no_news(post, thread, ann):
    post.fault = "spam"
    suggestion = sent(answer(thread), ann)
    assert suggestion.status == SuggestionStatus.FAILED
    post.fault = ""
    assert sent(suggestion, ann, as_of=None).status == SuggestionStatus.APPROVED
    assert len(post.data) == 1


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
def test_an_odd_subject_of_theirs_is_answered_all_the_same(post, thread, ann, theirs, ours):
    said(thread, "<odd@example.com>", "Hi", timedelta(minutes=1), subject=theirs)
    sent(answer(thread), ann)
    assert (post.mails[0]["Subject"], post.mails[0]["Bcc"]) == (ours, None)


def test_a_conversation_of_any_name_stands_in_a_sentence(ann):
    lead = make_lead(assigned_to=ann)
    suggestion = make_suggestion("REPLY", lead=lead)
    Thread.objects.filter(pk=suggestion.thread_id).update(subject="Z" * 500)
    kind = KINDS["REPLY"]
    said = kind.sentence(kind.check(suggestion.suggested_content), suggestion)
    assert said == f"Answers “{'Z' * 119}…” with a mail to whoever wrote last."


def test_what_its_conversation_has_become_part_of_is_answered(post, thread, ann):
    suggestion, whole = answer(thread), make_thread(lead=thread.lead, subject="All of it")
    unite([(whole, thread)], why="a mail ties them together")
    store([whole])
    suggestion.refresh_from_db()
    assert suggestion.thread == whole
    sent(suggestion, ann)
    assert Message.objects.get(direction=Direction.OUT).thread == whole
    assert [mail["In-Reply-To"] for mail in post.mails] == ["<second@example.com>"]
