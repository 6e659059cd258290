"""The test IMAP server supports what the tests need."""

import ssl

import pytest
from imap_tools import MailBox, MailboxLoginError, MailBoxStartTls, MailBoxUnencrypted

from tests import dovecot

pytestmark = dovecot.requires_dovecot
ANN, SECRET = "ann@agency.example", "a password"
MAIL = b"From: lee@example.com\r\nTo: ann@agency.example\r\nSubject: Hello\r\nMessage-ID: <1@x>\r\n\r\nHi\r\n"


def test_delivered_email_can_be_fetched_and_appended():
    with dovecot.start_dovecot({ANN: SECRET, "bob": "other"}) as server:
        server.deliver(ANN, MAIL)
        server.deliver(ANN, MAIL, "Sent", seen=True)
        with MailBoxUnencrypted(server.host, server.port).login(ANN, SECRET) as box:
            assert [mail.subject for mail in box.fetch(mark_seen=False)] == ["Hello"]
            assert {folder.name: "\\Sent" in folder.flags for folder in box.folder.list()}["Sent"]
            box.append(MAIL, "Sent")
        assert server.flags(ANN) == [""]
        assert len(server.emails(ANN, "Sent")) == 2
        assert server.emails("bob") == []
        with pytest.raises(MailboxLoginError):
            MailBoxUnencrypted(server.host, server.port).login(ANN, "wrong")


def test_server_uses_its_own_certificate_and_renumbers():
    with dovecot.start_dovecot({ANN: SECRET}, tls=True) as server:
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
