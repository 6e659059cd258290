"""Processes that die in the middle of a mailbox, and two at once: everything is there in the end, and nothing twice."""

import os
import signal
import time

import pytest

from inbox.imap.folder_state import state_of
from inbox.models import FolderMail, Message
from tests import dovecot
from tests.crm.processes import running, url_of_test_database
from tests.inbox.boxes import ANN, connect, mail, run

pytestmark = [dovecot.needed, pytest.mark.django_db(transaction=True), pytest.mark.storm]
MAILS = 300
# Small batches, so that there is much to be killed in between.
VISIT = """
import django, sys, uuid
django.setup()
from inbox.imap import sync
from inbox.imap.polling import visit
sync.BATCH = 5
visit(uuid.UUID(sys.argv[1]))
print("done", flush=True)
"""


def fetching(box):
    """A process that fetches from `box`."""
    return running("-c", VISIT, str(box.pk), DATABASE_URL=url_of_test_database(), DJANGO_SETTINGS_MODULE="crm.settings")


def filled(server):
    for number in range(MAILS):
        server.deliver(ANN, mail(number))
    return connect(server)


def test_killed_again_and_again_it_goes_on_where_it_was(server):
    box = filled(server)
    seen = []
    for _ in range(4):
        with fetching(box) as process:
            until = time.monotonic() + 60
            while Message.objects.count() < len(seen) * 60 + 20 and time.monotonic() < until:
                time.sleep(0.02)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        box.refresh_from_db()
        seen.append(Message.objects.count())
        # How far it got and what was taken in are one.
        assert state_of(box, "INBOX").taken == seen[-1] == FolderMail.objects.count()
    assert sorted(set(seen)) == seen and seen[0] > 0 and seen[-1] < MAILS
    run(box)
    assert Message.objects.count() == state_of(box, "INBOX").taken == MAILS
    assert box.last_error == ""


def test_two_processes_at_one_mailbox_at_once_take_in_everything_once(server):
    box = filled(server)
    with fetching(box) as one, fetching(box) as other:
        ends = [process.stdout.read() for process in (one, other)]
    assert ends == ["done\n", "done\n"]
    run(box)
    assert Message.objects.count() == state_of(box, "INBOX").taken == MAILS
    assert (box.last_error, box.failures) == ("", 0)
