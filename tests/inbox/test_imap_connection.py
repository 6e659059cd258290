"""Connecting a mailbox: what is wrong is a sentence, and the password is seen nowhere."""

import json
import socket
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.urls import reverse
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.runtime.encryption import SecretUnreadable, decrypt_secret, encrypt_secret, reencrypt_secret
from inbox.imap import connection as imap
from inbox.imap.connection import ConnectionFailed, LoginRefused, PasswordExpired, describe_login_error
from inbox.imap.folders import find_sent_folder
from inbox.imap.polling import poll_mailbox
from inbox.imap.transitions import (
    disconnect,
    enter_password,
    fetch_now,
    mark_fetch_failed,
    mark_login_refused,
    try_connection,
)
from inbox.models import Mailbox, MailboxStatus, Message, Provider, Security
from inbox.tasks import fetch_due_mailboxes
from tests import dovecot
from tests.cast import browser
from tests.form_parser import read_form
from tests.inbox.imap_mailboxes import ANN, SECRET, connect, make_email, poll

pytestmark = pytest.mark.django_db


def queued_jobs(name="inbox.fetch_mail"):
    with connection.cursor() as cursor:
        cursor.execute("SELECT args FROM procrastinate_jobs WHERE task_name = %s AND status = 'todo'", [name])
        return [json.loads(args) for (args,) in cursor.fetchall()]


# Secrets


def test_secret_decrypts_with_any_key_for_its_purpose_only(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.CREDENTIALS_KEYS = [old]
    token = encrypt_secret("s3cret", purpose="here")
    assert "s3cret" not in token
    settings.CREDENTIALS_KEYS = [new, old]
    assert decrypt_secret(token, purpose="here") == "s3cret"
    with pytest.raises(SecretUnreadable, match="entered for another server"):
        decrypt_secret(token, purpose="there")
    again = reencrypt_secret(token)
    settings.CREDENTIALS_KEYS = [new]
    assert decrypt_secret(again, purpose="here") == "s3cret"
    with pytest.raises(SecretUnreadable, match="cannot be read with the keys of CREDENTIALS_KEYS"):
        decrypt_secret(token, purpose="here")
    settings.CREDENTIALS_KEYS = []
    with pytest.raises(InvalidInput, match="CREDENTIALS_KEYS is not set"):
        encrypt_secret("s3cret", purpose="here")


@dovecot.requires_dovecot
def test_reencrypt_command_rotates_keys_and_reports_lost_key(server, settings, capsys):
    server.deliver(ANN, make_email(1))
    box = connect(server)
    [old] = settings.CREDENTIALS_KEYS
    settings.CREDENTIALS_KEYS = [Fernet.generate_key().decode(), old]
    call_command("reencrypt_credentials")
    assert "1 password encrypted anew" in capsys.readouterr().out
    settings.CREDENTIALS_KEYS = settings.CREDENTIALS_KEYS[:1]
    assert poll(box).last_error == "" and Message.objects.count() == 1
    settings.CREDENTIALS_KEYS = [Fernet.generate_key().decode()]
    poll(box)
    assert "cannot be read with the keys of CREDENTIALS_KEYS" in box.last_error
    # The key may be put back: nobody has to enter every password again.
    assert (box.status, box.failures) == (MailboxStatus.ACTIVE, 1)
    with pytest.raises(CommandError, match="None of the keys of CREDENTIALS_KEYS opens it"):
        call_command("reencrypt_credentials")


@dovecot.requires_dovecot
def test_password_appears_only_encrypted_in_its_column(server, ada, caplog):
    page = browser(ada)
    asked = {"address": ANN, "provider": "IMAP", "host": "127.0.0.1", "port": server.port, "security": "NONE"}
    answer = page.post(reverse("admin:inbox_mailbox_add"), {**asked, "username": "", "password": SECRET})
    assert answer.status_code == 302, answer.content.decode()
    box = Mailbox.objects.get()
    change = reverse("admin:inbox_mailbox_change", args=[box.pk])
    poll(box)
    page.post(change + "?edit=1", {**asked, "password": "wr0ng pass"})
    poll(box)
    assert box.status == MailboxStatus.PENDING_REAUTH
    shown = [page.get(one).content.decode() for one in (change, change + "?edit=1")]
    shown.append(page.get(reverse("admin:inbox_mailbox_history", args=[box.pk])).content.decode())
    with connection.cursor() as cursor:
        for table in ("mailboxes_history", "mailboxes", "activity_logs", "procrastinate_jobs", "procrastinate_events"):
            cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
            shown.append(cursor.fetchone()[0])
        cursor.execute("SELECT count(*) FROM information_schema.columns WHERE column_name = 'credentials'")
        assert cursor.fetchone() == (1,)
    shown += [caplog.text, repr(box), str(box), box.last_error]
    for text in shown:
        assert SECRET not in text and "wr0ng" not in text
    for text in shown[:3]:
        assert box.credentials not in text
    assert shown[4]


# Errors


def silent_server():
    return socket.create_server(("127.0.0.1", 0))


@dovecot.requires_dovecot
def test_connection_errors_are_readable(server, monkeypatch, ada):
    good = {"security": Security.TLS, "host": "localhost", "port": server.tls_port}

    def said(**changes):
        Mailbox.objects.all().delete()
        with pytest.raises(ConnectionFailed) as refusal:
            try_connection(connect(server, **{**good, **changes}), by=ada)
        assert SECRET not in str(refusal.value)
        return str(refusal.value)

    place = f"localhost:{server.tls_port}"
    assert said() == f"The certificate that {place} shows is not trusted for localhost: self-signed certificate."
    assert said(host="nowhere.invalid") == "There is no server called nowhere.invalid."
    assert said(port=9) == "localhost:9 takes no connections: look at server and port."
    plain = f"localhost:{server.port}"
    assert said(port=server.port) == (
        f"{plain} does not speak TLS as expected: another port or STARTTLS may be the right choice."
    )
    with silent_server() as listening, monkeypatch.context() as patch:
        patch.setattr(imap, "TIMEOUT_SECONDS", 0.5)
        port = listening.getsockname()[1]
        assert said(port=port, security=Security.STARTTLS) == f"localhost:{port} does not answer within 0.5 seconds."
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    assert "refuses the login of ann@agency.example: wrong login or password." in said(password="wrong")
    assert said(host="127.0.0.2", port=server.tls_port).startswith("127.0.0.2")
    assert try_connection(connect(server, **good, username=ANN, address="x@agency.example"), by=ada) == (
        "The connection works: 0 mails in the inbox. What was sent is in “Sent”."
    )


@dovecot.requires_dovecot
def test_certificate_must_match_host_name(monkeypatch, ada):
    with dovecot.start_dovecot({ANN: SECRET}, tls=True, names=("mail.example.com",)) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        for security, port in ((Security.TLS, server.tls_port), (Security.STARTTLS, server.port)):
            box = connect(server, host="localhost", port=port, security=security)
            poll(box)
            assert "not trusted for localhost: Hostname mismatch, certificate is not valid for" in box.last_error
            assert box.status == MailboxStatus.ACTIVE
            Mailbox.objects.all().delete()


@dovecot.requires_dovecot
def test_starttls_encrypts_and_missing_support_is_reported(server, monkeypatch, ada):
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    box = connect(server, host="localhost", security=Security.STARTTLS)
    assert try_connection(box, by=ada).startswith("The connection works")
    with (
        dovecot.start_dovecot({ANN: SECRET}) as plain,
        pytest.raises(ConnectionFailed, match="does not offer STARTTLS"),
    ):
        try_connection(connect(plain, "other@agency.example", host="localhost", security=Security.STARTTLS), by=ada)


def test_unencrypted_connection_is_only_for_localhost(as_max):
    sent = {"address": ANN, "provider": "IMAP", "host": "mail.example.com", "security": "NONE"}
    answer = as_max.post(reverse("admin:inbox_mailbox_add"), sent)
    assert "Without encryption only a server on this machine can be used" in answer.content.decode()
    with pytest.raises(IntegrityError), transaction.atomic():
        Mailbox.objects.create(address=ANN, provider="IMAP", host="mail.example.com", security="NONE")


# Being shut out


@dovecot.requires_dovecot
def test_rejected_password_is_not_retried_until_changed(server, ada):
    box = poll(connect(server, password="wrong"))
    assert (box.status, box.next_sync_at) == (MailboxStatus.PENDING_REAUTH, None)
    assert "wrong login or password" in box.last_error and "wrong " not in box.last_error.replace("wrong login", "")
    lines = server.log().count("auth failed")
    poll_mailbox(box.pk)
    fetch_due_mailboxes(0)
    assert server.log().count("auth failed") == lines
    enter_password(box, SECRET, by=ada)
    assert (poll(box).status, box.last_error) == (MailboxStatus.ACTIVE, "")


def test_imap_response_code_decides_login_error():
    box = Mailbox(address=ANN, host="imap.gmail.com", provider=Provider.GMAIL)
    assert type(describe_login_error(box, b"NO [UNAVAILABLE] later")) is ConnectionFailed
    assert type(describe_login_error(box, b"NO [EXPIRED] That password expired")) is PasswordExpired
    assert "app password" in str(describe_login_error(box, b"NO [ALERT] Application-specific password required"))
    assert type(describe_login_error(box, b"NO [AUTHENTICATIONFAILED] no")) is LoginRefused


def test_expired_password_sets_expired_status():
    box = Mailbox.objects.create(address=ANN, host="h", provider="IMAP", credentials="x")
    mark_login_refused(box, describe_login_error(box, b"NO [EXPIRED] no"))
    assert (box.status, box.health) == (MailboxStatus.EXPIRED, ("Password expired", "b-red"))


def test_repeated_failures_back_off_and_are_logged_once():
    box = Mailbox.objects.create(address=ANN, host="h", provider="IMAP", credentials="x")
    pauses = []
    for _ in range(5):
        mark_fetch_failed(box, "No answer.")
        box.refresh_from_db()
        pauses.append(round((box.next_sync_at - box.updated_at).total_seconds() / 60))
    assert pauses == [1, 5, 15, 60, 60]
    assert ActivityLog.objects.filter(verb="failed").count() == 1


def test_each_due_mailbox_gets_one_job():
    boxes = [Mailbox.objects.create(address=f"{n}@x.example", host="h", provider="IMAP") for n in range(4)]
    for box in boxes[:3]:
        enter_password(box, SECRET, by=SYSTEM_ACTOR)
    connection.cursor().execute("DELETE FROM procrastinate_jobs")
    mark_fetch_failed(boxes[2], "No answer.")
    fetch_due_mailboxes(0)
    fetch_due_mailboxes(0)
    assert sorted(args["mailbox"] for args in queued_jobs()) == sorted(str(box.pk) for box in boxes[:2])


# Disconnecting


@dovecot.requires_dovecot
def test_disconnecting_deletes_password_and_keeps_messages(server, ada, vera):
    server.deliver(ANN, make_email(1))
    box = poll(connect(server))
    with pytest.raises(NotPermitted):
        disconnect(box, by=vera)
    disconnect(box, by=ada)
    assert (box.status, box.credentials, box.next_sync_at) == (MailboxStatus.REVOKED, "", None)
    poll_mailbox(box.pk)
    for deed in (disconnect, fetch_now, try_connection):
        with pytest.raises(IllegalTransition):
            deed(box, by=ada)
    assert Message.objects.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        Mailbox.objects.filter(pk=box.pk).update(credentials="x")


# The form


@dovecot.requires_dovecot
def test_password_must_be_reentered_for_another_server(server, as_max):
    box = connect(server)
    url = reverse("admin:inbox_mailbox_change", args=[box.pk])
    sent = read_form(as_max.get(url + "?edit=1").content.decode(), "mailbox_form")
    assert sent["password"] == "" and sent["host"] == "127.0.0.1"
    answer = as_max.post(url + "?edit=1", {**sent, "host": "localhost"})
    assert "Enter the password again" in answer.content.decode()
    Mailbox.objects.filter(pk=box.pk).update(host="localhost")
    poll(box)
    assert "entered for another server or login" in box.last_error
    sent = read_form(as_max.get(url + "?edit=1").content.decode(), "mailbox_form")
    assert as_max.post(url + "?edit=1", {**sent, "password": SECRET}).status_code == 302
    assert poll(box).last_error == ""


def test_gmail_prefills_server_settings(as_max):
    as_max.post(reverse("admin:inbox_mailbox_add"), {"address": ANN, "provider": "GMAIL", "security": "TLS"})
    box = Mailbox.objects.get()
    assert (box.server_address, box.login, box.health[0]) == ("imap.gmail.com:993", ANN, "No password yet")
    url = reverse("admin:inbox_mailbox_change", args=[box.pk])
    sent = read_form(as_max.get(url + "?edit=1").content.decode(), "mailbox_form")
    as_max.post(url + "?edit=1", {**sent, "provider": "IMPORT"})
    box.refresh_from_db()
    assert (box.provider, box.host, box.port) == ("IMPORT", "", None)
    sent = read_form(as_max.get(url + "?edit=1").content.decode(), "mailbox_form")
    as_max.post(url + "?edit=1", {**sent, "provider": "GMAIL"})
    box.refresh_from_db()
    assert (box.provider, box.host, box.port) == ("GMAIL", "imap.gmail.com", 993)


@dovecot.requires_dovecot
def test_folders_can_be_selected_after_first_fetch(server, as_max):
    server.deliver(ANN, make_email(1), "Clients")
    box = poll(connect(server))
    url = reverse("admin:inbox_mailbox_change", args=[box.pk])
    page = as_max.get(url + "?edit=1").content.decode()
    sent = {**read_form(page, "mailbox_form"), "folders": ["Clients"], "sent_folder": "Junk"}
    assert as_max.post(url + "?edit=1", sent).status_code == 302
    assert {"mailbox": str(box.pk), "gaps": True} in queued_jobs()
    poll(box)
    assert Message.objects.count() == 1
    shown = as_max.get(url).content.decode()
    assert "Clients" in shown and "Fetched" in shown


def test_sent_folder_is_found_by_flag_or_name():
    assert find_sent_folder({"INBOX": (), "Sent": (), "Versandt": ("\\sent",)}) == "Versandt"
    assert find_sent_folder({"INBOX": (), "INBOX.Gesendete Objekte": ()}) == "INBOX.Gesendete Objekte"
    assert find_sent_folder({"INBOX": (), "Presents": ()}) == ""


def test_overdue_mailbox_is_shown_as_overdue(as_max):
    at = timezone.now() - timedelta(minutes=30)
    given = {"provider": "IMAP", "host": "h", "credentials": "x", "last_synced_at": at, "next_sync_at": at}
    box = Mailbox.objects.create(address=ANN, **given)
    shown = as_max.get(reverse("admin:inbox_mailbox_change", args=[box.pk])).content.decode()
    assert "Overdue" in shown and "no worker has run" in shown
    Mailbox.objects.update(next_sync_at=timezone.now())
    shown = as_max.get(reverse("admin:inbox_mailbox_change", args=[box.pk])).content.decode()
    assert "Overdue" not in shown and "within a minute" in shown
