"""A mailbox on a real server, tried: `python -m bench.imap [--mails 20000]`.

Starts Dovecot on loopback and prints how long the first sync takes, one with nothing new, the gap check, and reading
all again after the server has numbered every mail anew; and the memory taken at most.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from email.message import EmailMessage
from email.utils import format_datetime

from django.utils import timezone

from bench.databases import scratch
from bench.table import rendered
from crm.records.activity import SYSTEM
from inbox.imap.folder_state import state_of
from inbox.imap.polling import visit
from inbox.imap.transitions import enter_password
from inbox.models import Mailbox, Message, Provider, Security, Thread
from tests import dovecot

ADDRESS, PASSWORD = "office@agency.example", "a password for an hour"
HUGE = 60_000_000


def letter(number: int) -> bytes:
    """A mail of some kilobytes; every fourth begins a conversation, the others answer it."""
    mail = EmailMessage()
    first = number - number % 4
    mail["From"] = f"Lee {first} <lee{first}@example.com>"
    mail["To"] = ADDRESS
    mail["Subject"] = f"{'Re: ' if number != first else ''}Question {first}"
    mail["Date"] = format_datetime(timezone.now() - timezone.timedelta(minutes=200_000 - number))
    mail["Message-ID"] = f"<{number}@example.com>"
    if number != first:
        mail["In-Reply-To"] = mail["References"] = f"<{first}@example.com>"
    mail.set_content(f"This is mail number {number}.\n" + "And some more words in it.\n" * 60)
    mail.add_alternative(f"<p>This is mail number {number}.</p>" + "<p>And some more words.</p>" * 60, subtype="html")
    return mail.as_bytes()


def memory() -> int:
    """Bytes that this process has taken at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def visited(mailbox: Mailbox, *, gaps: bool = False) -> None:
    """Visit until there is nothing left to come."""
    while True:
        visit(mailbox.pk, check_gaps=gaps)
        mailbox.refresh_from_db()
        if mailbox.last_error:
            sys.exit(mailbox.last_error)
        if not any(state_of(mailbox, name).left for name in mailbox.sync_state["folders"]):
            return


def timed(what: str, deed: Callable[[], None], mails: int) -> list[str]:
    began = time.monotonic()
    deed()
    took = time.monotonic() - began
    return [what, f"{took:,.1f} s", f"{mails / took:,.0f}", f"{memory() / 1e6:,.0f} MB"]


def measured(server: dovecot.Dovecot, mails: int) -> list[list[str]]:
    """Rows of the table."""
    given = {"provider": Provider.IMAP, "host": server.host, "port": server.port, "security": Security.NONE}
    mailbox = Mailbox.objects.create(address=ADDRESS, **given)
    enter_password(mailbox, PASSWORD, by=SYSTEM)
    rows = [timed("first sync", lambda: visited(mailbox), mails)]
    if (Message.objects.count(), Thread.objects.count()) != (mails, -(-mails // 4)):
        sys.exit(f"{Message.objects.count():,} messages, {Thread.objects.count():,} conversations: not what was sent.")
    rows.append(timed("nothing new", lambda: visited(mailbox), mails))
    rows.append(timed("gap check", lambda: visited(mailbox, gaps=True), mails))
    server.renumber(ADDRESS)
    rows.append(timed("numbered anew", lambda: visited(mailbox), mails))
    server.deliver(ADDRESS, letter(mails), padding=HUGE)
    rows.append(timed("one of 60 MB", lambda: visited(mailbox), 1))
    if Message.objects.count() != mails or mailbox.set_aside.count() != 1:
        sys.exit("Something came twice, or was not set aside.")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.imap", description=__doc__)
    parser.add_argument("--mails", type=int, default=20_000)
    options = parser.parse_args()
    if not dovecot.PROGRAM:
        sys.exit("Dovecot is not installed (apt install dovecot-imapd).")
    with dovecot.start({ADDRESS: PASSWORD}) as server:
        for number in range(options.mails):
            server.deliver(ADDRESS, letter(number))
        with scratch():
            rows = measured(server, options.mails)
    sys.stdout.write(f"{options.mails:,} mails on an IMAP server\n\n")
    sys.stdout.write(rendered(["", "took", "mails a second", "memory at most"], rows))


if __name__ == "__main__":
    main()
