"""Taking mail in: once, into the right conversation whatever the order, and only people count as contact."""

import itertools
import random
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from inbox.incoming.transitions import receive
from inbox.models import Message, SetAside, Thread, ThreadKey
from leads.models import Lead
from tests.cast import make_client, make_lead
from tests.inbox.mails import LEE, OURS, START, raw, threads


def bring(box, *mails):
    return [receive(box, one, origin=f"test#{number}") for number, one in enumerate(mails)]


def test_a_mail_and_its_answer_are_one_conversation(box):
    bring(box, raw("a"), raw("b", by=OURS, to=LEE, answers="a", subject="Re: A question", day=1))
    thread = Thread.objects.get()
    assert (thread.message_count, thread.subject, thread.awaiting_reply) == (2, "A question", True)
    assert thread.participant_emails == [LEE]
    assert list(thread.messages.order_by("sent_at").values_list("direction", "state")) == [
        ("in", "RECEIVED"),
        ("out", "SENT"),
    ]


def test_brought_in_twice_it_changes_nothing(box):
    first = bring(box, raw("a"), raw("b", answers="a"))
    again = bring(box, raw("a"), raw("b", answers="a"))
    assert [one.pk for one in first] == [one.pk for one in again]
    assert (Message.objects.count(), Thread.objects.get().message_count) == (2, 2)


def test_every_order_ends_in_the_same_conversations_and_dates(box):
    lead = make_lead(contact_email=LEE)
    mails = [
        raw("a"),
        raw("b", by=OURS, to=LEE, answers="a", refs=["a"], day=1, subject="Re: A question"),
        raw("c", answers="b", refs=["a", "b"], day=2, subject="AW: A question"),
        # Both answer one that never arrived.
        raw("d", refs=["gone"], subject="Other", day=3),
        raw("e", refs=["gone"], subject="Re: Other", day=4),
        # Named by nothing: of one subject between the same people, and of one between others.
        raw("f", subject="Plain", day=5),
        raw("g", subject="Re: Plain", day=6),
        raw("h", subject="Plain", by="stranger@example.org", day=7),
    ]
    expected = {frozenset(f"<{name}@x.example>" for name in group) for group in ("abc", "de", "fg", "h")}
    for order in itertools.islice(shuffles(mails), 12):
        Message.objects.all().delete()
        ThreadKey.objects.all().delete()
        Thread.everything.all().delete()
        Lead.everything.update(last_contact_at=None, awaiting_reply=False)
        bring(box, *order)
        assert threads() == expected
        lead.refresh_from_db()
        assert lead.last_contact_at.date() == (START + timedelta(days=6)).date()
        assert lead.awaiting_reply is False
        first = Message.objects.get(message_id="<a@x.example>").thread
        assert (first.message_count, first.subject, first.last_direction) == (3, "A question", "in")
        assert first.last_message_at.date() == (START + timedelta(days=2)).date()


def shuffles(mails):
    drawn = random.Random(7)
    while True:
        yield drawn.sample(mails, len(mails))


def test_what_a_machine_wrote_is_no_contact(box):
    lead = make_lead(contact_email=LEE)
    bring(box, raw("a", Auto_Submitted="auto-replied"), raw("b", List_Id="<news.example.com>", day=1))
    lead.refresh_from_db()
    assert lead.last_contact_at is None
    assert set(Message.objects.values_list("nature", flat=True)) == {"AUTO_REPLY", "LIST"}


def test_an_address_that_is_one_lead_s_or_client_s_links_the_conversation(box):
    lead, client = make_lead(contact_email=LEE), make_client(email="shop@example.org")
    bring(box, raw("a"), raw("b", by="Shop@Example.org"), raw("c", by="nobody@example.net"))
    linked = {thread.messages.get().message_id: (thread.lead, thread.client) for thread in Thread.objects.all()}
    assert linked == {
        "<a@x.example>": (lead, None),
        "<b@x.example>": (None, client),
        "<c@x.example>": (None, None),
    }


def test_an_address_of_two_links_nothing(box):
    make_lead(contact_email=LEE)
    make_client(email=LEE)
    bring(box, raw("a"))
    assert (Thread.objects.get().lead, Thread.objects.get().client) == (None, None)


def test_a_date_in_the_future_is_not_believed(box):
    (message,) = bring(box, raw("a", day=4_000))
    assert message.sent_at <= timezone.now()


def test_what_was_taken_apart_by_hand_stays_apart(box):
    bring(box, raw("a"), raw("b", subject="Other"))
    one, other = Thread.objects.order_by("created_at")
    one.metadata = {"apart_from": [str(other.pk)]}
    one.save()
    bring(box, raw("c", answers="b", refs=["a", "b"]))
    assert threads() == {frozenset(["<a@x.example>"]), frozenset(["<b@x.example>", "<c@x.example>"])}


def test_what_cannot_be_read_is_kept_aside_once_with_its_reason(box):
    for _ in range(2):
        assert receive(box, b"no mail at all", origin="box#7") is None
    kept = SetAside.objects.get()
    assert (kept.origin, bytes(kept.raw), kept.size) == ("box#7", b"no mail at all", 14)
    assert "no header" in kept.reason


def test_files_are_brought_in_and_counted(box, tmp_path):
    (tmp_path / "one.eml").write_bytes(raw("a", subject="Alone"))
    (tmp_path / "broken.eml").write_bytes(b"rubbish")
    (tmp_path / "two.mbox").write_bytes(b"From x\n" + raw("b") + b"\nFrom y\n" + raw("c", answers="b"))
    said = StringIO()
    call_command("import_mail", str(tmp_path), mailbox=OURS, verbosity=0, stdout=said)
    assert said.getvalue() == "4 mails read: 3 taken in, 0 there already, 1 set aside.\n"
    said = StringIO()
    call_command("import_mail", str(tmp_path), mailbox=OURS.upper(), verbosity=0, stdout=said)
    assert said.getvalue() == "4 mails read: 0 taken in, 4 there already, 0 set aside.\n"
    assert len(threads()) == 2


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["nowhere"], "There is no nowhere"), ([__file__, "--mailbox", "no address"], "valid email address")],
)
def test_a_wrong_argument_gets_a_sentence(db, arguments, why):
    with pytest.raises(CommandError, match=why):
        call_command("import_mail", *arguments, *([] if "--mailbox" in arguments else ["--mailbox", OURS]))
