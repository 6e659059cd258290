"""Sync processes that crash, and two at once: in the end every email is stored exactly once."""

import os
import signal
import time

import pytest

from inbox.imap import sync
from inbox.imap.folder_state import folder_state
from inbox.imap.polling import poll_mailbox
from inbox.models import FolderMail, Mailbox, Message
from tests import dovecot
from tests.forking import forked
from tests.inbox.imap_mailboxes import ANN, connect, make_email, poll

pytestmark = [dovecot.requires_dovecot, pytest.mark.django_db(transaction=True), pytest.mark.storm]
MAILS = 150


def fetch(box: Mailbox) -> None:
    """Fetch in small batches, so that there are many points to kill the process at."""
    sync.BATCH_SIZE = 5
    poll_mailbox(box.pk)
    print("done")  # noqa: T201


def make_filled_mailbox(server):
    for number in range(MAILS):
        server.deliver(ANN, make_email(number))
    return connect(server)


def test_killed_sync_resumes_without_loss(server):
    box = make_filled_mailbox(server)
    seen = []
    for _ in range(4):
        with forked(fetch, box) as process:
            until = time.monotonic() + 60
            while Message.objects.count() < len(seen) * 30 + 10 and time.monotonic() < until:
                time.sleep(0.02)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        box.refresh_from_db()
        seen.append(Message.objects.count())
        # The sync position and the stored emails agree.
        assert folder_state(box, "INBOX").taken == seen[-1] == FolderMail.objects.count()
    assert sorted(set(seen)) == seen and seen[0] > 0 and seen[-1] < MAILS
    poll(box)
    assert Message.objects.count() == folder_state(box, "INBOX").taken == MAILS
    assert box.last_error == ""


def test_concurrent_syncs_store_each_email_once(server):
    box = make_filled_mailbox(server)
    with forked(fetch, box) as one, forked(fetch, box) as other:
        ends = [process.stdout.read() for process in (one, other)]
    assert ends == ["done\n", "done\n"]
    poll(box)
    assert Message.objects.count() == folder_state(box, "INBOX").taken == MAILS
    assert (box.last_error, box.failures) == ("", 0)
