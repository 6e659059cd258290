"""One conversation made two, and two made one, by hand; and what mails that arrive later make of it."""

import threading
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove, NotAllowed
from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from crm.records.transitions import soft_delete
from inbox.incoming.transitions import receive
from inbox.models import Mailbox, Message, Thread, ThreadKey
from inbox.transitions import join, split
from tests.cast import browser, make_client, make_lead, make_thread, make_ticket

pytestmark = pytest.mark.django_db
NOW = timezone.now().replace(microsecond=0)


@pytest.fixture
def mailbox(db) -> Mailbox:
    return Mailbox.objects.create(address="office@agency.example")


def letter(
    name: str, *, answers: str = "", to: str = "office@agency.example", hours: int = 0, text: str = "Hi"
) -> bytes:
    """A mail named <name@x>, which answers those that `answers` names, the last one directly."""
    chain = [f"<{one}@x>" for one in answers.split()]
    lines = [
        f"From: {'office@agency.example' if to != 'office@agency.example' else 'lee@example.com'}",
        f"To: {to}",
        f"Subject: {'Re: ' if chain else ''}Boat",
        f"Message-ID: <{name}@x>",
        f"Date: {NOW - timedelta(days=3) + timedelta(hours=hours):%a, %d %b %Y %H:%M:%S +0000}",
        *([f"In-Reply-To: {chain[-1]}", f"References: {' '.join(chain)}"] if chain else []),
    ]
    return "\r\n".join([*lines, "", text]).encode()


def take(mailbox, name: str, **kw) -> Message:
    return receive(mailbox, letter(name, **kw), origin=name)


@pytest.fixture
def talk(mailbox) -> dict[str, Message]:
    """Four mails of one conversation: a ← b, and a ← c ← d."""
    asked = {"a": "", "b": "a", "c": "a", "d": "a c"}
    for hours, (name, answers) in enumerate(asked.items()):
        take(mailbox, name, answers=answers, hours=hours, text=f"This is {name}.")
    return {name: Message.objects.get(message_id=f"<{name}@x>") for name in asked}


def where(*names: str) -> list[Thread]:
    return [Message.objects.get(message_id=f"<{name}@x>").thread for name in names]


# Splitting


def test_chosen_messages_become_a_conversation_of_their_own_and_both_are_counted_anew(ann, talk):
    lead = make_lead()
    thread = talk["a"].thread
    Thread.objects.filter(pk=thread.pk).update(lead=lead)
    new = split(thread, [talk["c"], talk["d"]], by=ann)
    thread.refresh_from_db()
    assert where("a", "b", "c", "d") == [thread, thread, new, new]
    assert (new.message_count, new.last_message_at, new.last_direction) == (2, talk["d"].sent_at, "in")
    assert (thread.message_count, thread.last_message_at) == (2, talk["b"].sent_at)
    assert (new.lead, new.mailbox, new.subject, new.source) == (lead, thread.mailbox, "Boat", "EMAIL")
    assert new.participant_emails == ["lee@example.com"]
    assert (new.sentiment, new.metadata["sentiment"]["message"]) == ("neutral", str(talk["d"].pk))
    line = ActivityLog.objects.on_timeline_of(lead).get(verb="split")
    assert line.summary == "2 messages of conversation “Boat” moved into a conversation of their own, “Boat”"
    assert ActivityLog.objects.done_to(new)[0].verb == "began"


def test_whoever_took_part_only_in_what_was_moved_takes_part_no_more(ann, mailbox):
    take(mailbox, "a")
    sent = take(mailbox, "b", answers="a", to="zoe@example.com", hours=1)
    thread = sent.thread
    assert (thread.participant_emails, thread.awaiting_reply) == (["lee@example.com", "zoe@example.com"], True)
    new = split(thread, [sent], by=ann)
    thread.refresh_from_db()
    assert (thread.participant_emails, thread.awaiting_reply, thread.last_direction) == (
        ["lee@example.com"],
        False,
        "in",
    )
    assert (new.participant_emails, new.awaiting_reply, new.sentiment) == (["zoe@example.com"], True, None)


@pytest.mark.parametrize("names", [("e", "f"), ("f", "e")])
def test_what_answers_either_half_goes_there_and_ties_nothing_together(ann, mailbox, talk, names):
    new = split(talk["a"].thread, [talk["c"], talk["d"]], by=ann)
    answers = {"e": "a b", "f": "a c d"}
    for name in names:
        take(mailbox, name, answers=answers[name], hours=9)
    assert where("e", "f") == [talk["a"].thread, new]
    take(mailbox, "g", answers="d b", hours=10)  # of both, the last is answered
    assert where("g") == [talk["a"].thread]
    assert Thread.objects.count() == 2


def test_a_mail_that_only_the_moved_ones_refer_to_goes_to_them(ann, mailbox):
    take(mailbox, "a")
    take(mailbox, "d", answers="a missing", hours=3)
    new = split(where("a")[0], [Message.objects.get(message_id="<d@x>")], by=ann)
    take(mailbox, "missing", hours=1, text="Late")
    assert where("missing") == [new]


def test_a_half_stays_apart_when_a_mail_makes_it_one_with_a_third(ann, mailbox, talk):
    new = split(talk["a"].thread, [talk["c"], talk["d"]], by=ann)
    take(mailbox, "x", answers="unknown", hours=4)
    take(mailbox, "y", answers="unknown d", hours=5)
    (merged,) = {*where("x", "y", "d")}
    assert merged.pk in {new.pk, *Thread.objects.values_list("pk", flat=True)}
    take(mailbox, "z", answers="y a", hours=6)
    assert where("z", "a") == [talk["a"].thread] * 2
    assert where("d") == [merged]


def test_a_third_that_nobody_took_apart_becomes_one_with_the_half_that_is_answered(ann, mailbox, talk):
    new = split(talk["a"].thread, [talk["c"], talk["d"]], by=ann)
    take(mailbox, "x", answers="unknown", hours=4)
    take(mailbox, "e", answers="unknown a d", hours=9)
    assert where("x", "e", "d") == [new] * 3
    assert where("a") == [talk["a"].thread] and Thread.objects.count() == 2


def test_a_half_that_is_split_again_is_apart_from_all_of_it(ann, mailbox, talk):
    first = split(talk["a"].thread, [talk["c"], talk["d"]], by=ann)
    second = split(first, [talk["d"]], by=ann)
    take(mailbox, "e", answers="a d c b d", hours=9)
    assert len({talk["a"].thread_id, first.pk, second.pk}) == Thread.objects.count() == 3
    assert where("e") == [second]


@pytest.mark.parametrize(
    ("names", "sentence"), [("", "Choose messages"), ("abcd", "Leave at least one"), ("s", "Choose messages")]
)
def test_what_cannot_be_split_is_refused_and_nothing_moves(ann, talk, names, sentence):
    talk["s"] = Message.objects.create(thread=make_thread(), direction="in", sent_at=NOW)
    with pytest.raises(BadInput, match=sentence):
        split(talk["a"].thread, [talk[name] for name in names], by=ann)
    assert talk["a"].thread.messages.count() == 4


def test_a_mail_on_its_way_stays_where_it_is(ann, talk):
    thread = talk["a"].thread
    waits = Message.objects.create(thread=thread, direction="out", state="QUEUED", sent_at=NOW)
    with pytest.raises(BadInput, match="has not gone out"):
        split(thread, [waits], by=ann)


@pytest.mark.parametrize("deed", [split, join])
def test_only_who_may_change_conversations_and_sees_them_does_so(ann, bob, vera, talk, deed):
    thread, theirs = talk["a"].thread, make_thread(lead=make_lead(assigned_to=bob))
    given = [talk["b"]] if deed is split else make_thread()
    with pytest.raises(NotAllowed):
        deed(thread, given, by=vera)
    with pytest.raises(IllegalMove, match="not yours to see"):
        deed(theirs, given, by=ann)
    soft_delete(thread, by=SYSTEM)
    with pytest.raises(IllegalMove, match="is deleted"):
        deed(thread, given, by=ann)


# Joining


def test_two_become_one_with_all_that_hangs_on_them(ann, mailbox, talk):
    lead, client = make_lead(), make_client()
    take(mailbox, "x", answers="other", hours=7, text="We will cancel, this is a disgrace.")
    other = where("x")[0]
    Thread.objects.filter(pk=other.pk).update(lead=lead)
    ticket = make_ticket(client=client, thread=other)
    thread = talk["a"].thread
    join(thread, other, by=ann)
    assert where("a", "x") == [thread, thread]
    assert (thread.lead, thread.message_count, thread.last_message_at) == (
        lead,
        5,
        Message.objects.latest("sent_at").sent_at,
    )
    assert thread.sentiment == "negative"
    other.refresh_from_db()
    ticket.refresh_from_db()
    lead.refresh_from_db()
    assert (other.is_deleted, other.message_count, ticket.thread) == (True, 0, thread)
    assert lead.last_contact_at == thread.last_message_at
    assert "joined by hand" in ActivityLog.objects.on_timeline_of(lead).get(verb="merged").summary
    assert ActivityLog.objects.done_to(other)[0].verb == "joined"
    take(mailbox, "y", answers="x", hours=8)
    assert where("y") == [thread]


def test_what_is_joined_again_is_apart_no_more(ann, mailbox, talk):
    thread = talk["a"].thread
    new = split(thread, [talk["c"], talk["d"]], by=ann)
    join(new, thread, by=ann)
    assert (new.message_count, new.metadata["apart_from"]) == (4, [])
    take(mailbox, "e", answers="b d", hours=9)
    assert {*where("a", "b", "c", "d", "e")} == {new}


def test_one_that_lies_in_both_stands_there_once(ann, mailbox):
    second = Mailbox.objects.create(address="claims@agency.example")
    for box in (mailbox, second):
        take(box, "a")
    assert Message.objects.filter(message_id="<a@x>").count() == 2
    Thread.objects.filter(mailbox=second).update(mailbox=None)
    first, other = Thread.objects.order_by("created_at")
    join(first, other, by=ann)
    assert (first.message_count, Message.objects.filter(message_id="<a@x>").count()) == (1, 1)


def test_what_is_not_one_is_refused_in_words(ann, mailbox):
    elsewhere = Mailbox.objects.create(address="claims@agency.example")
    thread = make_thread(mailbox=mailbox, lead=make_lead())
    refused = {
        "itself": thread,
        "different mailboxes": make_thread(mailbox=elsewhere),
        "different channels": make_thread(source="CALL"),
        "different people": make_thread(lead=make_lead()),
        "linked to different": make_thread(client=make_client()),
    }
    for sentence, other in refused.items():
        with pytest.raises(BadInput, match=sentence):
            join(thread, other, by=ann)
    assert not Thread.everything.deleted().exists()
    join(thread, make_thread(lead=thread.lead, client=make_client()), by=ann)
    assert thread.client is not None


# At the same time


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_arrives_while_it_is_split_goes_to_the_half_it_answers(ann, mailbox, talk):
    def arrive() -> None:
        try:
            take(mailbox, "e", answers="a c d", hours=9)
        finally:
            connections["default"].close()

    arriving = threading.Thread(target=arrive)
    with transaction.atomic():
        new = split(talk["a"].thread, [talk["c"], talk["d"]], by=ann)
        arriving.start()
        arriving.join(0.5)
        assert arriving.is_alive()
    arriving.join(10)
    assert where("e") == [new]
    assert ThreadKey.objects.get(key="<e@x>").thread == new


@pytest.mark.django_db(transaction=True)
def test_of_two_who_join_each_other_one_is_told_that_the_other_is_gone(ann, max, talk, mailbox):
    take(mailbox, "x", answers="other", hours=7)
    first, second = talk["a"].thread, where("x")[0]
    outcomes = []

    def one(kept: Thread, gone: Thread) -> None:
        try:
            join(kept, gone, by=max)
            outcomes.append("done")
        except IllegalMove as refusal:
            outcomes.append(str(refusal))
        finally:
            connections["default"].close()

    both = [threading.Thread(target=one, args=pair) for pair in ((first, second), (second, first))]
    [thread.start() for thread in both]
    [thread.join(20) for thread in both]
    assert len(outcomes) == 2
    assert outcomes.count("done") == 1
    assert any("is deleted" in one for one in outcomes)
    assert Thread.objects.get().message_count == 5


# On the screen


def test_messages_are_ticked_on_a_page_of_their_own(as_ann, talk):
    thread = talk["a"].thread
    url = f"/inbox/thread/{thread.pk}/do/split/"
    page = as_ann.get(url).content.decode()
    assert page.count('name="messages"') == 4
    answer = as_ann.post(url, {"messages": [str(talk["d"].pk)]}, follow=True)
    assert where("d")[0] != thread
    assert f'href="/inbox/thread/{where("d")[0].pk}/change/"' in answer.content.decode()


@pytest.mark.parametrize("sent", [[], ["x"], ["every"]])
def test_the_page_keeps_the_ticks_and_says_why_not(as_ann, talk, sent):
    thread = talk["a"].thread
    messages = [str(one.pk) for one in talk.values()] if sent == ["every"] else sent
    answer = as_ann.post(f"/inbox/thread/{thread.pk}/do/split/", {"messages": messages})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'class="errors"' in page or "errorlist" in page
    assert page.count(" checked") == (4 if sent == ["every"] else 0)
    assert thread.messages.count() == 4


def test_another_conversation_is_picked_on_a_page_of_its_own(as_ann, ann, bob, talk):
    thread = talk["a"].thread
    same = make_thread(subject="Boat again", participant_emails=["lee@example.com"])
    hidden = make_thread(subject="Boat of Bob", participant_emails=["lee@example.com"], lead=make_lead(assigned_to=bob))
    other = make_thread(subject="Windmill <b>")
    url = f"/inbox/thread/{thread.pk}/do/join/"
    page = as_ann.get(url).content.decode()
    assert str(same.pk) in page
    assert str(hidden.pk) not in page
    assert str(other.pk) not in page
    found = as_ann.get(url, {"q": "windmill"}).content.decode()
    assert str(other.pk) in found
    assert "Windmill &lt;b&gt;" in found
    assert as_ann.post(url, {"other": str(hidden.pk)}).status_code == 422
    as_ann.post(url, {"other": str(same.pk)})
    same.refresh_from_db()
    assert same.is_deleted


def test_a_viewer_is_offered_neither(vera, talk):
    page = browser(vera)
    for verb in ("split", "join"):
        assert page.get(f"/inbox/thread/{talk['a'].thread_id}/do/{verb}/").status_code == 403


def test_the_pages_cost_the_same_however_much_there_is(as_ann, talk, django_assert_max_num_queries):
    thread = talk["a"].thread
    for _ in range(30):
        make_thread(participant_emails=["lee@example.com"], lead=make_lead())
        Message.objects.create(thread=thread, direction="in", sent_at=NOW, body_text="More")
    for verb in ("split", "join"):
        with django_assert_max_num_queries(15):
            as_ann.get(f"/inbox/thread/{thread.pk}/do/{verb}/")
