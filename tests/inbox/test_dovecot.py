"""The IMAP server of the tests does what the tests need of it."""

import ssl

import pytest
from imap_tools import MailBox, MailboxLoginError, MailBoxStartTls, MailBoxUnencrypted

from tests import dovecot

pytestmark = dovecot.needed
ANN, SECRET = "ann@agency.example", "a password"
MAIL = b"From: lee@example.com\r\nTo: ann@agency.example\r\nSubject: Hello\r\nMessage-ID: <1@x>\r\n\r\nHi\r\n"


def test_what_is_delivered_can_be_fetched_and_what_is_put_there_lies_there():
    with dovecot.start({ANN: SECRET, "bob": "other"}) as server:
        server.deliver(ANN, MAIL)
        server.deliver(ANN, MAIL, "Sent", seen=True)
        with MailBoxUnencrypted(server.host, server.port).login(ANN, SECRET) as box:
            assert [mail.subject for mail in box.fetch(mark_seen=False)] == ["Hello"]
            assert {folder.name: "\\Sent" in folder.flags for folder in box.folder.list()}["Sent"]
            box.append(MAIL, "Sent")
        assert server.flags(ANN) == [""]
        assert len(server.mails(ANN, "Sent")) == 2
        assert server.mails("bob") == []
        with pytest.raises(MailboxLoginError):
            MailBoxUnencrypted(server.host, server.port).login(ANN, "wrong")


def test_it_speaks_under_its_own_certificate_and_gives_new_numbers_when_told_to():
    with dovecot.start({ANN: SECRET}, tls=True) as server:
        trusted = ssl.create_default_context(cafile=str(server.certificate))
        server.deliver(ANN, MAIL)
        with MailBox("localhost", server.tls_port, ssl_context=trusted).login(ANN, SECRET) as box:
            before = box.folder.status("INBOX")["UIDVALIDITY"]
        server.renumber(ANN)
        with MailBoxStartTls("localhost", server.port, ssl_context=trusted).login(ANN, SECRET) as box:
            assert box.folder.status("INBOX")["UIDVALIDITY"] != before
            assert len(box.uids()) == 1
        with pytest.raises(ssl.SSLCertVerificationError):
            MailBox("localhost", server.tls_port, ssl_context=ssl.create_default_context())
