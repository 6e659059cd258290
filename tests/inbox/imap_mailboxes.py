"""Mailboxes on the test IMAP server, and emails to deliver to them."""

from crm.records.activity import SYSTEM_ACTOR
from inbox.imap.polling import poll_mailbox
from inbox.imap.transitions import enter_password
from inbox.models import Mailbox, Provider, Security

ANN, BOB, SECRET = "ann@agency.example", "bob@agency.example", "correct horse"


def connect(server, address=ANN, password=SECRET, **kw):
    """Create a mailbox connected to `server`."""
    kw = {"host": "127.0.0.1", "port": server.port, "security": Security.NONE, **kw}
    box = Mailbox.objects.create(address=address, provider=Provider.IMAP, **kw)
    enter_password(box, password, by=SYSTEM_ACTOR)
    return box


def make_email(number, subject="Hello", sender="lee@example.com", to=ANN, **more):
    """Return an email as bytes. `more` are extra headers, with _ for -."""
    lines = {"From": sender, "To": to, "Subject": subject, "Message-ID": f"<{number}@example.com>", **more}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items() if value)
    return f"{head}Date: Mon, 16 Nov 2026 10:00:00 +0000\r\n\r\nMail number {number}.\r\n".encode()


def poll(box):
    """Fetch email and return the refreshed `box`."""
    poll_mailbox(box.pk)
    box.refresh_from_db()
    return box
