"""Splitting and joining conversations, and the effect on emails that arrive later."""

import threading
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
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


def raw_email(
    name: str, *, answers: str = "", to: str = "office@agency.example", hours: int = 0, text: str = "Hi"
) -> bytes:
    """Return an email <name@x> that refers to `answers`, in reply to the last of them."""
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


def receive_email(mailbox, name: str, **kw) -> Message:
    return receive(mailbox, raw_email(name, **kw), origin=name)


@pytest.fixture
def talk(mailbox) -> dict[str, Message]:
    """Four emails of one thread: a ← b, and a ← c ← d."""
    asked = {"a": "", "b": "a", "c": "a", "d": "a c"}
    for hours, (name, answers) in enumerate(asked.items()):
        receive_email(mailbox, name, answers=answers, hours=hours, text=f"This is {name}.")
    return {name: Message.objects.get(message_id=f"<{name}@x>") for name in asked}


def threads_of(*names: str) -> list[Thread]:
    return [Message.objects.get(message_id=f"<{name}@x>").thread for name in names]


# Splitting


def test_split_moves_messages_to_new_thread_and_updates_both(ann, talk):
    lead = make_lead()
    thread = talk["a"].thread
    Thread.objects.filter(pk=thread.pk).update(lead=lead)
    new = split(thread, [talk["c"], talk["d"]], by=ann)
    thread.refresh_from_db()
    assert threads_of("a", "b", "c", "d") == [thread, thread, new, new]
    assert (new.message_count, new.last_message_at, new.last_direction) == (2, talk["d"].sent_at, "in")
    assert (thread.message_count, thread.last_message_at) == (2, talk["b"].sent_at)
    assert (new.lead, new.mailbox, new.subject, new.source) == (lead, thread.mailbox, "Boat", "EMAIL")
    assert new.participant_emails == ["lee@example.com"]
    assert (new.sentiment, new.metadata["sentiment"]["message"]) == ("neutral", str(talk["d"].pk))
    line = ActivityLog.objects.on_timeline_of(lead).get(verb="split")
    assert line.summary == "2 messages of conversation “Boat” moved to a new conversation, “Boat”"
    assert ActivityLog.objects.for_target(new)[0].verb == "began"


def test_split_removes_participants_of_moved_messages(ann, mailbox):
    receive_email(mailbox, "a")
    sent = receive_email(mailbox, "b", answers="a", to="zoe@example.com", hours=1)
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
def test_replies_after_split_go_to_their_half(ann, mailbox, talk, names):
    new = split(talk["a"].thread, [talk["c"], talk["d"]], by=ann)
    answers = {"e": "a b", "f": "a c d"}
    for name in names:
        receive_email(mailbox, name, answers=answers[name], hours=9)
    assert threads_of("e", "f") == [talk["a"].thread, new]
    receive_email(mailbox, "g", answers="d b", hours=10)  # refers to both halves, replies to the last
    assert threads_of("g") == [talk["a"].thread]
    assert Thread.objects.count() == 2


def test_late_email_goes_to_half_that_refers_to_it(ann, mailbox):
    receive_email(mailbox, "a")
    receive_email(mailbox, "d", answers="a missing", hours=3)
    new = split(threads_of("a")[0], [Message.objects.get(message_id="<d@x>")], by=ann)
    receive_email(mailbox, "missing", hours=1, text="Late")
    assert threads_of("missing") == [new]


def test_half_merged_with_third_thread_stays_apart_from_other_half(ann, mailbox, talk):
    new = split(talk["a"].thread, [talk["c"], talk["d"]], by=ann)
    receive_email(mailbox, "x", answers="unknown", hours=4)
    receive_email(mailbox, "y", answers="unknown d", hours=5)
    (merged,) = {*threads_of("x", "y", "d")}
    assert merged.pk in {new.pk, *Thread.objects.values_list("pk", flat=True)}
    receive_email(mailbox, "z", answers="y a", hours=6)
    assert threads_of("z", "a") == [talk["a"].thread] * 2
    assert threads_of("d") == [merged]


def test_third_thread_merges_with_the_replied_half(ann, mailbox, talk):
    new = split(talk["a"].thread, [talk["c"], talk["d"]], by=ann)
    receive_email(mailbox, "x", answers="unknown", hours=4)
    receive_email(mailbox, "e", answers="unknown a d", hours=9)
    assert threads_of("x", "e", "d") == [new] * 3
    assert threads_of("a") == [talk["a"].thread] and Thread.objects.count() == 2


def test_half_split_again_stays_apart_from_both(ann, mailbox, talk):
    first = split(talk["a"].thread, [talk["c"], talk["d"]], by=ann)
    second = split(first, [talk["d"]], by=ann)
    receive_email(mailbox, "e", answers="a d c b d", hours=9)
    assert len({talk["a"].thread_id, first.pk, second.pk}) == Thread.objects.count() == 3
    assert threads_of("e") == [second]


@pytest.mark.parametrize(
    ("names", "sentence"), [("", "Choose messages"), ("abcd", "Leave at least one"), ("s", "Choose messages")]
)
def test_invalid_split_is_refused(ann, talk, names, sentence):
    talk["s"] = Message.objects.create(thread=make_thread(), direction="in", sent_at=NOW)
    with pytest.raises(InvalidInput, match=sentence):
        split(talk["a"].thread, [talk[name] for name in names], by=ann)
    assert talk["a"].thread.messages.count() == 4


def test_queued_email_cannot_be_split_off(ann, talk):
    thread = talk["a"].thread
    waits = Message.objects.create(thread=thread, direction="out", state="QUEUED", sent_at=NOW)
    with pytest.raises(InvalidInput, match="has not been sent"):
        split(thread, [waits], by=ann)


@pytest.mark.parametrize("deed", [split, join])
def test_split_and_join_need_permission_and_visibility(ann, bob, vera, talk, deed):
    thread, theirs = talk["a"].thread, make_thread(lead=make_lead(assigned_to=bob))
    given = [talk["b"]] if deed is split else make_thread()
    with pytest.raises(NotPermitted):
        deed(thread, given, by=vera)
    with pytest.raises(IllegalTransition, match="do not have access to it"):
        deed(theirs, given, by=ann)
    soft_delete(thread, by=SYSTEM_ACTOR)
    with pytest.raises(IllegalTransition, match="is deleted"):
        deed(thread, given, by=ann)


# Joining


def test_join_moves_messages_links_and_tickets(ann, mailbox, talk):
    lead, client = make_lead(), make_client()
    receive_email(mailbox, "x", answers="other", hours=7, text="We will cancel, this is a disgrace.")
    other = threads_of("x")[0]
    Thread.objects.filter(pk=other.pk).update(lead=lead)
    ticket = make_ticket(client=client, thread=other)
    thread = talk["a"].thread
    join(thread, other, by=ann)
    assert threads_of("a", "x") == [thread, thread]
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
    assert "joined manually" in ActivityLog.objects.on_timeline_of(lead).get(verb="merged").summary
    assert ActivityLog.objects.for_target(other)[0].verb == "joined"
    receive_email(mailbox, "y", answers="x", hours=8)
    assert threads_of("y") == [thread]


def test_joining_again_clears_split_marker(ann, mailbox, talk):
    thread = talk["a"].thread
    new = split(thread, [talk["c"], talk["d"]], by=ann)
    join(new, thread, by=ann)
    assert (new.message_count, new.metadata["apart_from"]) == (4, [])
    receive_email(mailbox, "e", answers="b d", hours=9)
    assert {*threads_of("a", "b", "c", "d", "e")} == {new}


def test_join_keeps_one_copy_of_duplicate_email(ann, mailbox):
    second = Mailbox.objects.create(address="claims@agency.example")
    for box in (mailbox, second):
        receive_email(box, "a")
    assert Message.objects.filter(message_id="<a@x>").count() == 2
    Thread.objects.filter(mailbox=second).update(mailbox=None)
    first, other = Thread.objects.order_by("created_at")
    join(first, other, by=ann)
    assert (first.message_count, Message.objects.filter(message_id="<a@x>").count()) == (1, 1)


def test_incompatible_threads_cannot_be_joined(ann, mailbox):
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
        with pytest.raises(InvalidInput, match=sentence):
            join(thread, other, by=ann)
    assert not Thread.everything.deleted().exists()
    join(thread, make_thread(lead=thread.lead, client=make_client()), by=ann)
    assert thread.client is not None


# Concurrency


@pytest.mark.django_db(transaction=True)
def test_email_arriving_during_split_goes_to_its_half(ann, mailbox, talk):
    def arrive() -> None:
        try:
            receive_email(mailbox, "e", answers="a c d", hours=9)
        finally:
            connections["default"].close()

    arriving = threading.Thread(target=arrive)
    with transaction.atomic():
        new = split(talk["a"].thread, [talk["c"], talk["d"]], by=ann)
        arriving.start()
        arriving.join(0.5)
        assert arriving.is_alive()
    arriving.join(10)
    assert threads_of("e") == [new]
    assert ThreadKey.objects.get(key="<e@x>").thread == new


@pytest.mark.django_db(transaction=True)
def test_concurrent_opposite_joins_succeed_once(ann, max, talk, mailbox):
    receive_email(mailbox, "x", answers="other", hours=7)
    first, second = talk["a"].thread, threads_of("x")[0]
    outcomes = []

    def one(kept: Thread, gone: Thread) -> None:
        try:
            join(kept, gone, by=max)
            outcomes.append("done")
        except IllegalTransition as refusal:
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


# Screens


def test_split_page_moves_ticked_messages(as_ann, talk):
    thread = talk["a"].thread
    url = f"/inbox/thread/{thread.pk}/do/split/"
    page = as_ann.get(url).content.decode()
    assert page.count('name="messages"') == 4
    answer = as_ann.post(url, {"messages": [str(talk["d"].pk)]}, follow=True)
    assert threads_of("d")[0] != thread
    assert f'href="/inbox/thread/{threads_of("d")[0].pk}/change/"' in answer.content.decode()


@pytest.mark.parametrize("sent", [[], ["x"], ["every"]])
def test_split_page_keeps_ticks_and_shows_error(as_ann, talk, sent):
    thread = talk["a"].thread
    messages = [str(one.pk) for one in talk.values()] if sent == ["every"] else sent
    answer = as_ann.post(f"/inbox/thread/{thread.pk}/do/split/", {"messages": messages})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert 'class="errors"' in page or "errorlist" in page
    assert page.count(" checked") == (4 if sent == ["every"] else 0)
    assert thread.messages.count() == 4


def test_join_page_offers_visible_candidates(as_ann, ann, bob, talk):
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


def test_viewer_cannot_split_or_join(vera, talk):
    page = browser(vera)
    for verb in ("split", "join"):
        assert page.get(f"/inbox/thread/{talk['a'].thread_id}/do/{verb}/").status_code == 403


def test_split_and_join_pages_have_bounded_queries(as_ann, talk, django_assert_max_num_queries):
    thread = talk["a"].thread
    for _ in range(30):
        make_thread(participant_emails=["lee@example.com"], lead=make_lead())
        Message.objects.create(thread=thread, direction="in", sent_at=NOW, body_text="More")
    for verb in ("split", "join"):
        with django_assert_max_num_queries(15):
            as_ann.get(f"/inbox/thread/{thread.pk}/do/{verb}/")
