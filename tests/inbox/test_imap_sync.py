"""Syncing with a real server: new email is stored once, wherever a run is interrupted."""

import pytest
from django.db import connection

from inbox.imap import sync
from inbox.imap.connection import ConnectionFailed, FetchRefused, open_session
from inbox.imap.folder_state import MailboxBusy, folder_state
from inbox.imap.polling import poll_mailbox
from inbox.models import FolderMail, Mailbox, MailboxStatus, Message, PurgedMail, SetAside, Thread
from inbox.outgoing import outbox
from tests import dovecot
from tests.cast import make_thread
from tests.cutting_proxy import cutting_proxy
from tests.inbox.draft_fixtures import send_draft
from tests.inbox.imap_mailboxes import ANN, connect, make_email, poll

pytestmark = [dovecot.requires_dovecot, pytest.mark.django_db]


def test_new_emails_are_stored_once_and_stay_unread_on_server(server):
    server.deliver(ANN, make_email(1))
    server.deliver(ANN, make_email(2), seen=True)
    box = poll(connect(server))
    assert (box.last_error, box.failures, box.status) == ("", 0, MailboxStatus.ACTIVE)
    assert dict(Message.objects.values_list("message_id", "is_read")) == {
        "<1@example.com>": False,
        "<2@example.com>": True,
    }
    assert server.flags(ANN) == ["", "S"]
    before = folder_state(box, "INBOX")
    assert (before.taken, before.known, before.aside, before.left, before.total) == (2, 0, 0, 0, 2)
    poll(box)
    assert folder_state(box, "INBOX") == before
    assert Message.objects.count() == 2
    server.deliver(ANN, make_email(3))
    assert folder_state(poll(box), "INBOX").taken == 3


def test_different_email_under_a_used_message_id_is_fetched_once(server):
    server.deliver(ANN, make_email(1))
    box = poll(connect(server))
    other = make_email(1, "Another", Date="Mon, 03 Nov 2025 10:00:00 +0000")
    server.deliver(ANN, other)
    assert folder_state(poll(box), "INBOX").taken == 2
    server.renumber(ANN)
    poll(box)
    assert sorted(Message.objects.values_list("subject", flat=True)) == ["Another", "Hello"]


def test_sync_job_skips_mailbox_needing_reauth(server, monkeypatch):
    asked = []
    monkeypatch.setattr("inbox.imap.polling.open_session", asked.append)
    box = connect(server)
    Mailbox.objects.filter(pk=box.pk).update(status=MailboxStatus.PENDING_REAUTH)
    poll_mailbox(box.pk)
    box.refresh_from_db()
    assert (asked, box.status, box.failures) == ([], MailboxStatus.PENDING_REAUTH, 0)


def test_sent_folder_email_is_outbound_in_same_thread(server):
    server.deliver(ANN, make_email(1))
    server.deliver(
        ANN, make_email(2, "Re: Hello", ANN, "lee@example.com", In_Reply_To="<1@example.com>"), "Sent", seen=True
    )
    box = poll(connect(server))
    thread = Thread.objects.get()
    assert list(thread.messages.order_by("message_id").values_list("direction", flat=True)) == ["in", "out"]
    assert box.sync_state["sent"] == "Sent"
    assert folder_state(box, "Sent").taken == 1


def test_purged_email_does_not_return_after_renumbering(server):
    for number in range(2):
        server.deliver(ANN, make_email(number, f"About {number}"))
    box = poll(connect(server))
    Thread.objects.get(messages__message_id="<1@example.com>").delete()
    assert PurgedMail.objects.filter(mailbox=box).count() == 1
    server.renumber(ANN)
    server.deliver(ANN, make_email(2))
    poll(box)
    assert set(Message.objects.values_list("message_id", flat=True)) == {"<0@example.com>", "<2@example.com>"}
    Mailbox.objects.all().delete()
    assert not PurgedMail.objects.exists()


@pytest.mark.parametrize(("folder", "state"), [("Sent", "SENT"), ("INBOX", "UNCERTAIN")])
def test_uncertain_email_is_confirmed_when_found_in_sent_folder(server, ann, folder, state):
    ours = send_draft(ann, make_thread(participant_emails=["lee@example.com"]))
    Message.objects.update(state="SENDING")
    outbox.mark_email_uncertain(ours, "It was cut off.")
    text = f"From: {ANN}\r\nTo: lee@example.com\r\nMessage-ID: {ours.message_id}\r\n\r\nIt is 100 a month."
    server.deliver(ANN, text.encode(), folder, seen=True)
    poll(connect(server))
    ours.refresh_from_db()
    assert (ours.state, ours.delivery.finished_at is not None) == (state, state == "SENT")
    assert ours.thread.awaiting_reply is (state == "SENT")


def test_renumbered_folder_is_not_fetched_again(server, monkeypatch):
    for number in range(3):
        server.deliver(ANN, make_email(number))
    server.deliver(ANN, b"no mail at all")
    box = poll(connect(server))
    was = folder_state(box, "INBOX")
    server.renumber(ANN)
    server.deliver(ANN, make_email(9))
    fetched = []
    fetch_emails = sync.ImapSession.fetch_emails
    monkeypatch.setattr(
        sync.ImapSession, "fetch_emails", lambda self, uids: fetched.extend(uids) or fetch_emails(self, uids)
    )
    state = folder_state(poll(box), "INBOX")
    assert state.uidvalidity != was.uidvalidity
    assert (Message.objects.count(), SetAside.objects.count(), len(fetched)) == (4, 1, 2)
    # The server numbers what arrived within one second in an order of its own.
    assert SetAside.objects.get().origin_label in {f"INBOX, email {uid}" for uid in fetched}
    assert FolderMail.objects.count() == 5


def test_interrupted_connection_resumes(server, monkeypatch):
    monkeypatch.setattr(sync, "BATCH_SIZE", 5)
    for number in range(30):
        server.deliver(ANN, make_email(number, X_Filler="x" * 900))
    with cutting_proxy(server.port) as proxy:
        box = connect(server, port=proxy.port)
        proxy.cut_after_bytes = 20_000
        poll(box)
        assert "closed the connection" in box.last_error
        assert 0 < Message.objects.count() < 30
        assert folder_state(box, "INBOX").uid == Message.objects.count()
        assert (box.failures, box.status) == (1, MailboxStatus.ACTIVE)
        proxy.cut_after_bytes = None
        poll(box)
    assert (Message.objects.count(), box.failures, box.last_error) == (30, 0, "")


def test_oversized_email_is_set_aside_without_download(server):
    server.deliver(ANN, make_email(1))
    server.deliver(ANN, make_email(2, "The <b>film</b>"), padding=60_000_000)
    server.deliver(ANN, make_email(3))
    with cutting_proxy(server.port) as proxy:
        box = poll(connect(server, port=proxy.port))
        assert proxy.bytes_passed < 20_000
    kept = SetAside.objects.get()
    assert kept.size > 60_000_000 and bytes(kept.raw) == b""
    assert "60,000,1" in kept.reason and "“The <b>film</b>”, from lee@example.com" in kept.reason
    assert Message.objects.count() == 2
    assert folder_state(box, "INBOX").aside == 1
    poll(box)
    assert SetAside.objects.count() == 1


def test_unreadable_email_is_set_aside_once(server):
    server.deliver(ANN, b"no mail at all")
    server.deliver(ANN, make_email(1))
    box = poll(connect(server))
    poll(box)
    assert (SetAside.objects.get().reason, Message.objects.count()) == (
        "The file is not an email: it has no headers.",
        1,
    )


def test_backlog_continues_in_next_run(server, monkeypatch):
    monkeypatch.setattr(sync, "BATCH_SIZE", 10)
    monkeypatch.setattr(sync, "RUN_SECONDS", -1)
    for number in range(25):
        server.deliver(ANN, make_email(number))
    box = poll(connect(server))
    assert (Message.objects.count(), folder_state(box, "INBOX").left) == (0, 25)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'inbox.fetch_mail'")
        assert cursor.fetchone() == (1,)
    monkeypatch.setattr(sync, "RUN_SECONDS", 45)
    assert folder_state(poll(box), "INBOX").taken == Message.objects.count() == 25


def test_fetch_since_date_limits_fetch_and_can_be_extended(server):
    server.deliver(ANN, make_email(1))
    box = connect(server, fetch_since="2200-01-01")
    poll(box)
    assert Message.objects.count() == 0
    Mailbox.objects.update(fetch_since="2020-01-01")
    poll_mailbox(box.pk, check_gaps=True)
    assert Message.objects.count() == 1


def test_gap_check_finds_skipped_email(server, monkeypatch):
    for number in range(5):
        server.deliver(ANN, make_email(number))
    fetch_headers = sync.ImapSession.fetch_headers
    with monkeypatch.context() as patch:
        patch.setattr(
            sync.ImapSession,
            "fetch_headers",
            lambda self, uids: [one for one in fetch_headers(self, uids) if one.uid != 3],
        )
        box = poll(connect(server))
    assert Message.objects.count() == 4
    Message.objects.filter(message_id="<4@example.com>").delete()
    poll_mailbox(box.pk, check_gaps=True)
    box.refresh_from_db()
    assert set(Message.objects.values_list("message_id", flat=True)) == {f"<{n}@example.com>" for n in range(4)}
    gaps = folder_state(box, "INBOX").gaps
    assert (gaps["compared"], gaps["found"], gaps["lacking"]) == (5, 1, 0)


def test_concurrent_sync_stores_nothing_twice(server):
    for number in range(20):
        server.deliver(ANN, make_email(number))
    box = connect(server)
    other = Mailbox.objects.get(pk=box.pk)
    sync_state = dict(other.sync_state)
    poll(box)
    other.sync_state = sync_state
    with open_session(other) as session, pytest.raises(MailboxBusy):
        sync.fetch_folder(sync.FetchRun(other, session), "INBOX")
    assert Message.objects.count() == 20


def test_email_that_breaks_connection_is_set_aside_after_retries(server, monkeypatch):
    for number in range(1, 7):
        server.deliver(ANN, make_email(number))
    fetch_emails = sync.ImapSession.fetch_emails

    def breaking(self, uids):
        if 4 in uids:
            raise ConnectionFailed("It broke off.")
        return fetch_emails(self, uids)

    monkeypatch.setattr(sync.ImapSession, "fetch_emails", breaking)
    box = connect(server)
    runs = 0
    while not SetAside.objects.exists() and runs < 20:
        runs += 1
        poll(box)
        assert box.last_error in {"It broke off.", ""}
    assert runs == sync.SINGLE_AFTER_TRIES + sync.GIVE_UP_AFTER_TRIES + 1
    assert (
        "Every attempt to fetch or store this email was interrupted. Subject: “Hello”" in SetAside.objects.get().reason
    )
    assert (Message.objects.count(), folder_state(box, "INBOX").uid, box.failures) == (5, 6, 0)


def test_email_refused_by_server_is_set_aside(server, monkeypatch):
    for number in range(1, 4):
        server.deliver(ANN, make_email(number))
    fetch_emails = sync.ImapSession.fetch_emails

    def refusing(self, uids):
        if 2 in uids:
            raise FetchRefused("No.")
        return fetch_emails(self, uids)

    monkeypatch.setattr(sync.ImapSession, "fetch_emails", refusing)
    box = poll(connect(server))
    assert SetAside.objects.get().reason == "The server refuses to return this email."
    assert (Message.objects.count(), box.last_error) == (2, "")


def test_missing_folder_is_reported_and_others_are_read(server):
    server.deliver(ANN, make_email(1))
    box = poll(connect(server, folders=["Gone"]))
    assert "The folder “Gone” does not exist or cannot be read" in box.last_error
    assert (Message.objects.count(), box.failures, box.health[0]) == (1, 0, "Synced with warnings")


def test_messages_and_folder_progress_are_saved_atomically(server, monkeypatch, caplog):
    server.deliver(ANN, make_email(1))
    box = connect(server)
    with monkeypatch.context() as patch:
        patch.setattr(FolderMail.objects, "bulk_create", lambda *args, **kw: 1 / 0)
        poll(box)
    assert box.last_error == "An internal error occurred (ZeroDivisionError)."
    assert (Message.objects.count(), folder_state(box, "INBOX").uid) == (0, 0)
    assert (folder_state(poll(box), "INBOX").taken, Message.objects.count()) == (1, 1)
