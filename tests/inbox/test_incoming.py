"""Receiving email: once, into the right thread in any order; only people count as contact."""

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
from tests.inbox.raw_emails import LEE, OURS, START, message_ids_by_thread, raw_email


def receive_all(box, *mails):
    return [receive(box, one, origin=f"test#{number}") for number, one in enumerate(mails)]


def test_email_and_its_reply_are_one_thread(box):
    receive_all(box, raw_email("a"), raw_email("b", by=OURS, to=LEE, answers="a", subject="Re: A question", day=1))
    thread = Thread.objects.get()
    assert (thread.message_count, thread.subject, thread.awaiting_reply) == (2, "A question", True)
    assert thread.participant_emails == [LEE]
    assert list(thread.messages.order_by("sent_at").values_list("direction", "state")) == [
        ("in", "RECEIVED"),
        ("out", "SENT"),
    ]


def test_receiving_twice_changes_nothing(box):
    first = receive_all(box, raw_email("a"), raw_email("b", answers="a"))
    again = receive_all(box, raw_email("a"), raw_email("b", answers="a"))
    assert [one.pk for one in first] == [one.pk for one in again]
    assert (Message.objects.count(), Thread.objects.get().message_count) == (2, 2)


def test_every_order_gives_same_threads_and_dates(box):
    lead = make_lead(contact_email=LEE)
    mails = [
        raw_email("a"),
        raw_email("b", by=OURS, to=LEE, answers="a", refs=["a"], day=1, subject="Re: A question"),
        raw_email("c", answers="b", refs=["a", "b"], day=2, subject="AW: A question"),
        # Both reply to an email that never arrived.
        raw_email("d", refs=["gone"], subject="Other", day=3),
        raw_email("e", refs=["gone"], subject="Re: Other", day=4),
        # No references: the same subject between the same people, and between others.
        raw_email("f", subject="Plain", day=5),
        raw_email("g", subject="Re: Plain", day=6),
        raw_email("h", subject="Plain", by="stranger@example.org", day=7),
    ]
    expected = {frozenset(f"<{name}@x.example>" for name in group) for group in ("abc", "de", "fg", "h")}
    for order in itertools.islice(orderings(mails), 12):
        Message.objects.all().delete()
        ThreadKey.objects.all().delete()
        Thread.everything.all().delete()
        Lead.everything.update(last_contact_at=None, awaiting_reply=False)
        receive_all(box, *order)
        assert message_ids_by_thread() == expected
        lead.refresh_from_db()
        assert lead.last_contact_at.date() == (START + timedelta(days=6)).date()
        assert lead.awaiting_reply is False
        first = Message.objects.get(message_id="<a@x.example>").thread
        assert (first.message_count, first.subject, first.last_direction) == (3, "A question", "in")
        assert first.last_message_at.date() == (START + timedelta(days=2)).date()


def orderings(mails):
    drawn = random.Random(7)
    while True:
        yield drawn.sample(mails, len(mails))


def test_automatic_message_is_not_a_contact(box):
    lead = make_lead(contact_email=LEE)
    receive_all(box, raw_email("a", Auto_Submitted="auto-replied"), raw_email("b", List_Id="<news.example.com>", day=1))
    lead.refresh_from_db()
    assert lead.last_contact_at is None
    assert set(Message.objects.values_list("nature", flat=True)) == {"AUTO_REPLY", "LIST"}


def test_address_of_one_lead_or_client_links_thread(box):
    lead, client = make_lead(contact_email=LEE), make_client(email="shop@example.org")
    receive_all(box, raw_email("a"), raw_email("b", by="Shop@Example.org"), raw_email("c", by="nobody@example.net"))
    linked = {thread.messages.get().message_id: (thread.lead, thread.client) for thread in Thread.objects.all()}
    assert linked == {
        "<a@x.example>": (lead, None),
        "<b@x.example>": (None, client),
        "<c@x.example>": (None, None),
    }


def test_ambiguous_address_links_nothing(box):
    make_lead(contact_email=LEE)
    make_client(email=LEE)
    receive_all(box, raw_email("a"))
    assert (Thread.objects.get().lead, Thread.objects.get().client) == (None, None)


def test_future_date_is_capped_at_now(box):
    (message,) = receive_all(box, raw_email("a", day=4_000))
    assert message.sent_at <= timezone.now()


def test_split_threads_stay_apart(box):
    receive_all(box, raw_email("a"), raw_email("b", subject="Other"))
    one, other = Thread.objects.order_by("created_at")
    one.metadata = {"apart_from": [str(other.pk)]}
    one.save()
    receive_all(box, raw_email("c", answers="b", refs=["a", "b"]))
    assert message_ids_by_thread() == {frozenset(["<a@x.example>"]), frozenset(["<b@x.example>", "<c@x.example>"])}


def test_unreadable_email_is_set_aside_once_with_reason(box):
    for _ in range(2):
        assert receive(box, b"no mail at all", origin="box#7") is None
    kept = SetAside.objects.get()
    assert (kept.origin, bytes(kept.raw), kept.size) == ("box#7", b"no mail at all", 14)
    assert "no header" in kept.reason


def test_import_command_counts_files(box, tmp_path):
    folder = tmp_path / "to import"
    folder.mkdir()
    (folder / "one.eml").write_bytes(raw_email("a", subject="Alone"))
    (folder / "broken.eml").write_bytes(b"rubbish")
    (folder / "two.mbox").write_bytes(b"From x\n" + raw_email("b") + b"\nFrom y\n" + raw_email("c", answers="b"))
    said = StringIO()
    call_command("import_mail", str(folder), mailbox=OURS, verbosity=0, stdout=said)
    assert said.getvalue() == "4 emails read: 3 imported, 0 already known, 1 set aside.\n"
    said = StringIO()
    call_command("import_mail", str(folder), mailbox=OURS.upper(), verbosity=0, stdout=said)
    assert said.getvalue() == "4 emails read: 0 imported, 4 already known, 0 set aside.\n"
    assert len(message_ids_by_thread()) == 2


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["nowhere"], "nowhere does not exist"), ([__file__, "--mailbox", "no address"], "valid email address")],
)
def test_import_command_refuses_invalid_argument(db, arguments, why):
    with pytest.raises(CommandError, match=why):
        call_command("import_mail", *arguments, *([] if "--mailbox" in arguments else ["--mailbox", OURS]))
