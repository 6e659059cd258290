"""Fetching mail from a real server: what is new, once, wherever it was cut off."""

import pytest
from django.db import connection

from inbox.imap import sync
from inbox.imap.connection import NoConnection, NotHandedOut, logged_in
from inbox.imap.folder_state import Overtaken, state_of
from inbox.imap.polling import visit
from inbox.models import FolderMail, Mailbox, MailboxStatus, Message, PurgedMail, SetAside, Thread
from inbox.outgoing import outbox
from tests import dovecot
from tests.cast import make_thread
from tests.inbox.boxes import ANN, connect, mail, run
from tests.inbox.writing import sent_off
from tests.proxy import cutting

pytestmark = [dovecot.needed, pytest.mark.django_db]


def test_what_lies_there_is_taken_in_once_and_stays_unread_there(server):
    server.deliver(ANN, mail(1))
    server.deliver(ANN, mail(2), seen=True)
    box = run(connect(server))
    assert (box.last_error, box.failures, box.status) == ("", 0, MailboxStatus.ACTIVE)
    assert dict(Message.objects.values_list("message_id", "is_read")) == {
        "<1@example.com>": False,
        "<2@example.com>": True,
    }
    assert server.flags(ANN) == ["", "S"]
    before = state_of(box, "INBOX")
    assert (before.taken, before.known, before.aside, before.left, before.total) == (2, 0, 0, 0, 2)
    run(box)
    assert state_of(box, "INBOX") == before
    assert Message.objects.count() == 2
    server.deliver(ANN, mail(3))
    assert state_of(run(box), "INBOX").taken == 3


def test_a_job_that_comes_after_the_password_was_refused_asks_the_server_nothing(server, monkeypatch):
    asked = []
    monkeypatch.setattr("inbox.imap.polling.logged_in", asked.append)
    box = connect(server)
    Mailbox.objects.filter(pk=box.pk).update(status=MailboxStatus.PENDING_REAUTH)
    visit(box.pk)
    box.refresh_from_db()
    assert (asked, box.status, box.failures) == ([], MailboxStatus.PENDING_REAUTH, 0)


def test_what_was_sent_is_ours_and_of_the_same_conversation(server):
    server.deliver(ANN, mail(1))
    server.deliver(ANN, mail(2, "Re: Hello", ANN, "lee@example.com", In_Reply_To="<1@example.com>"), "Sent", seen=True)
    box = run(connect(server))
    thread = Thread.objects.get()
    assert list(thread.messages.order_by("message_id").values_list("direction", flat=True)) == ["in", "out"]
    assert box.sync_state["sent"] == "Sent"
    assert state_of(box, "Sent").taken == 1


def test_what_was_purged_here_does_not_come_back_when_the_folder_is_numbered_anew(server):
    for number in range(2):
        server.deliver(ANN, mail(number, f"About {number}"))
    box = run(connect(server))
    Thread.objects.get(messages__message_id="<1@example.com>").delete()
    assert PurgedMail.objects.filter(mailbox=box).count() == 1
    server.renumber(ANN)
    server.deliver(ANN, mail(2))
    run(box)
    assert set(Message.objects.values_list("message_id", flat=True)) == {"<0@example.com>", "<2@example.com>"}
    Mailbox.objects.all().delete()
    assert not PurgedMail.objects.exists()


@pytest.mark.parametrize(("folder", "state"), [("Sent", "SENT"), ("INBOX", "UNCERTAIN")])
def test_a_mail_of_which_nobody_could_tell_has_gone_out_if_it_lies_in_sent(server, ann, folder, state):
    ours = sent_off(ann, make_thread(participant_emails=["lee@example.com"]))
    Message.objects.update(state="SENDING")
    outbox.uncertain(ours, "It was cut off.")
    text = f"From: {ANN}\r\nTo: lee@example.com\r\nMessage-ID: {ours.message_id}\r\n\r\nIt is 100 a month."
    server.deliver(ANN, text.encode(), folder, seen=True)
    run(connect(server))
    ours.refresh_from_db()
    assert (ours.state, ours.dispatch.finished_at is not None) == (state, state == "SENT")
    assert ours.thread.awaiting_reply is (state == "SENT")


def test_numbered_anew_nothing_comes_twice_and_nothing_is_fetched_again(server, monkeypatch):
    for number in range(3):
        server.deliver(ANN, mail(number))
    server.deliver(ANN, b"no mail at all")
    box = run(connect(server))
    was = state_of(box, "INBOX")
    server.renumber(ANN)
    server.deliver(ANN, mail(9))
    fetched = []
    wholes = sync.Session.wholes
    monkeypatch.setattr(sync.Session, "wholes", lambda self, uids: fetched.extend(uids) or wholes(self, uids))
    state = state_of(run(box), "INBOX")
    assert state.uidvalidity != was.uidvalidity
    assert (Message.objects.count(), SetAside.objects.count(), len(fetched)) == (4, 1, 2)
    assert SetAside.objects.get().place == "INBOX, mail 4"
    assert FolderMail.objects.count() == 5


def test_a_connection_cut_in_the_middle_is_gone_on_with(server, monkeypatch):
    monkeypatch.setattr(sync, "BATCH", 5)
    for number in range(30):
        server.deliver(ANN, mail(number, X_Filler="x" * 900))
    with cutting(server.port) as proxy:
        box = connect(server, port=proxy.port)
        proxy.after = 20_000
        run(box)
        assert "broke the connection off" in box.last_error
        assert 0 < Message.objects.count() < 30
        assert state_of(box, "INBOX").uid == Message.objects.count()
        assert (box.failures, box.status) == (1, MailboxStatus.ACTIVE)
        proxy.after = None
        run(box)
    assert (Message.objects.count(), box.failures, box.last_error) == (30, 0, "")


def test_what_is_too_large_is_set_aside_without_being_fetched(server):
    server.deliver(ANN, mail(1))
    server.deliver(ANN, mail(2, "The <b>film</b>"), padding=60_000_000)
    server.deliver(ANN, mail(3))
    with cutting(server.port) as proxy:
        box = run(connect(server, port=proxy.port))
        assert proxy.passed < 20_000
    kept = SetAside.objects.get()
    assert kept.size > 60_000_000 and bytes(kept.raw) == b""
    assert "60,000,1" in kept.reason and "“The <b>film</b>” from lee@example.com" in kept.reason
    assert Message.objects.count() == 2
    assert state_of(box, "INBOX").aside == 1
    run(box)
    assert SetAside.objects.count() == 1


def test_one_that_cannot_be_read_is_set_aside_once(server):
    server.deliver(ANN, b"no mail at all")
    server.deliver(ANN, mail(1))
    box = run(connect(server))
    run(box)
    assert (SetAside.objects.get().reason, Message.objects.count()) == ("It has no header: these bytes are no mail.", 1)


def test_more_than_fits_into_a_run_is_gone_on_with_by_the_next(server, monkeypatch):
    monkeypatch.setattr(sync, "BATCH", 10)
    monkeypatch.setattr(sync, "BUDGET", -1)
    for number in range(25):
        server.deliver(ANN, mail(number))
    box = run(connect(server))
    assert (Message.objects.count(), state_of(box, "INBOX").left) == (0, 25)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'inbox.fetch_mail'")
        assert cursor.fetchone() == (1,)
    monkeypatch.setattr(sync, "BUDGET", 45)
    assert state_of(run(box), "INBOX").taken == Message.objects.count() == 25


def test_only_mail_since_a_day_is_fetched_and_an_earlier_day_fetches_the_rest(server):
    server.deliver(ANN, mail(1))
    box = connect(server, fetch_since="2200-01-01")
    run(box)
    assert Message.objects.count() == 0
    Mailbox.objects.update(fetch_since="2020-01-01")
    visit(box.pk, check_gaps=True)
    assert Message.objects.count() == 1


def test_a_mail_that_was_passed_over_is_found_by_the_check_for_gaps(server, monkeypatch):
    for number in range(5):
        server.deliver(ANN, mail(number))
    heads = sync.Session.heads
    with monkeypatch.context() as patch:
        patch.setattr(sync.Session, "heads", lambda self, uids: [one for one in heads(self, uids) if one.uid != 3])
        box = run(connect(server))
    assert Message.objects.count() == 4
    Message.objects.filter(message_id="<4@example.com>").delete()
    visit(box.pk, check_gaps=True)
    box.refresh_from_db()
    assert set(Message.objects.values_list("message_id", flat=True)) == {f"<{n}@example.com>" for n in range(4)}
    gaps = state_of(box, "INBOX").gaps
    assert (gaps["compared"], gaps["found"], gaps["lacking"]) == (5, 1, 0)


def test_two_that_are_at_one_mailbox_at_once_take_nothing_in_twice(server):
    for number in range(20):
        server.deliver(ANN, mail(number))
    box = connect(server)
    other = Mailbox.objects.get(pk=box.pk)
    sync_state = dict(other.sync_state)
    run(box)
    other.sync_state = sync_state
    with logged_in(other) as session, pytest.raises(Overtaken):
        sync.read_folder(sync.Run(other, session), "INBOX")
    assert Message.objects.count() == 20


def test_a_mail_at_which_it_breaks_off_each_time_does_not_hold_up_the_others_for_ever(server, monkeypatch):
    for number in range(1, 7):
        server.deliver(ANN, mail(number))
    wholes = sync.Session.wholes

    def breaking(self, uids):
        if 4 in uids:
            raise NoConnection("It broke off.")
        return wholes(self, uids)

    monkeypatch.setattr(sync.Session, "wholes", breaking)
    box = connect(server)
    runs = 0
    while not SetAside.objects.exists() and runs < 20:
        runs += 1
        run(box)
        assert box.last_error in {"It broke off.", ""}
    assert runs == sync.ALONE_AFTER + sync.GIVEN_UP_AFTER + 1
    assert "Each time it was fetched or taken in, something broke off. It is “Hello”" in SetAside.objects.get().reason
    assert (Message.objects.count(), state_of(box, "INBOX").uid, box.failures) == (5, 6, 0)


def test_one_that_the_server_does_not_hand_out_is_set_aside_and_the_others_come(server, monkeypatch):
    for number in range(1, 4):
        server.deliver(ANN, mail(number))
    wholes = sync.Session.wholes

    def refusing(self, uids):
        if 2 in uids:
            raise NotHandedOut("No.")
        return wholes(self, uids)

    monkeypatch.setattr(sync.Session, "wholes", refusing)
    box = run(connect(server))
    assert SetAside.objects.get().reason == "The server does not hand it out."
    assert (Message.objects.count(), box.last_error) == (2, "")


def test_a_folder_that_is_gone_is_told_and_the_others_are_read(server):
    server.deliver(ANN, mail(1))
    box = run(connect(server, folders=["Gone"]))
    assert "There is no folder “Gone” that can be read" in box.last_error
    assert (Message.objects.count(), box.failures, box.health[0]) == (1, 0, "Fetched, with trouble")


def test_what_was_taken_in_and_how_far_it_got_are_written_together_or_not_at_all(server, monkeypatch, caplog):
    server.deliver(ANN, mail(1))
    box = connect(server)
    with monkeypatch.context() as patch:
        patch.setattr(FolderMail.objects, "bulk_create", lambda *args, **kw: 1 / 0)
        run(box)
    assert box.last_error == "The program broke down over it (ZeroDivisionError)."
    assert (Message.objects.count(), state_of(box, "INBOX").uid) == (0, 0)
    assert (state_of(run(box), "INBOX").taken, Message.objects.count()) == (1, 1)
