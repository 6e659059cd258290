"""Sync a mailbox on a real server: `python -m bench.imap [--emails 20000]`.

Starts Dovecot on loopback and prints the time of the first sync, of one with nothing new, of the gap check, and of a
full re-read after the server renumbered all emails; and the peak memory.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import format_datetime

from django.utils import timezone

from bench.databases import scratch_database
from bench.table import render_table
from crm.records.activity import SYSTEM_ACTOR
from inbox.imap.folder_state import folder_state
from inbox.imap.polling import poll_mailbox
from inbox.imap.transitions import enter_password
from inbox.models import Mailbox, Message, Provider, Security, Thread
from tests import dovecot

ADDRESS, PASSWORD = "office@agency.example", "a password for an hour"
HUGE_EMAIL_BYTES = 60_000_000


def make_email(number: int) -> bytes:
    """Return an email of some kilobytes; every fourth starts a conversation, the others reply to it."""
    message = EmailMessage()
    first = number - number % 4
    message["From"] = f"Lee {first} <lee{first}@example.com>"
    message["To"] = ADDRESS
    message["Subject"] = f"{'Re: ' if number != first else ''}Question {first}"
    message["Date"] = format_datetime(timezone.now() - timezone.timedelta(minutes=200_000 - number))
    message["Message-ID"] = f"<{number}@example.com>"
    if number != first:
        message["In-Reply-To"] = message["References"] = f"<{first}@example.com>"
    message.set_content(f"This is email number {number}.\n" + "And some more words in it.\n" * 60)
    message.add_alternative(
        f"<p>This is email number {number}.</p>" + "<p>And some more words.</p>" * 60, subtype="html"
    )
    return message.as_bytes()


def peak_memory() -> int:
    """Return the peak memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def sync_until_done(mailbox: Mailbox, *, gaps: bool = False) -> None:
    """Sync until nothing is left."""
    while True:
        poll_mailbox(mailbox.pk, check_gaps=gaps)
        mailbox.refresh_from_db()
        if mailbox.last_error:
            sys.exit(mailbox.last_error)
        if not any(folder_state(mailbox, name).left for name in mailbox.sync_state["folders"]):
            return


def time_sync(label: str, sync: Callable[[], None], email_count: int) -> list[str]:
    started = time.monotonic()
    sync()
    seconds = time.monotonic() - started
    return [label, f"{seconds:,.1f} s", f"{email_count / seconds:,.0f}", f"{peak_memory() / 1e6:,.0f} MB"]


def measure_syncs(server: dovecot.Dovecot, email_count: int) -> list[list[str]]:
    """Return the rows of the table."""
    mailbox_fields = {"provider": Provider.IMAP, "host": server.host, "port": server.port, "security": Security.NONE}
    mailbox = Mailbox.objects.create(address=ADDRESS, **mailbox_fields)
    enter_password(mailbox, PASSWORD, by=SYSTEM_ACTOR)
    rows = [time_sync("first sync", lambda: sync_until_done(mailbox), email_count)]
    if (Message.objects.count(), Thread.objects.count()) != (email_count, -(-email_count // 4)):
        sys.exit(f"{Message.objects.count():,} messages, {Thread.objects.count():,} conversations: not what was sent.")
    rows.append(time_sync("nothing new", lambda: sync_until_done(mailbox), email_count))
    rows.append(time_sync("gap check", lambda: sync_until_done(mailbox, gaps=True), email_count))
    server.renumber(ADDRESS)
    rows.append(time_sync("numbered anew", lambda: sync_until_done(mailbox), email_count))
    server.deliver(ADDRESS, make_email(email_count), padding=HUGE_EMAIL_BYTES)
    rows.append(time_sync("one of 60 MB", lambda: sync_until_done(mailbox), 1))
    if Message.objects.count() != email_count or mailbox.set_aside.count() != 1:
        sys.exit("An email was imported twice or not set aside.")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.imap", description=__doc__)
    parser.add_argument("--emails", type=int, default=20_000)
    options = parser.parse_args()
    if not dovecot.PROGRAM:
        sys.exit("Dovecot is not installed (apt install dovecot-imapd).")
    with dovecot.start_dovecot({ADDRESS: PASSWORD}) as server:
        for number in range(options.emails):
            server.deliver(ADDRESS, make_email(number))
        with scratch_database():
            rows = measure_syncs(server, options.emails)
    sys.stdout.write(f"{options.emails:,} emails on an IMAP server\n\n")
    sys.stdout.write(render_table(["", "took", "emails a second", "peak memory"], rows))


if __name__ == "__main__":
    main()
