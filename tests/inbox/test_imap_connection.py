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

from crm.exceptions import BadInput, IllegalMove, NotAllowed
from crm.models import ActivityLog
from crm.records.activity import SYSTEM
from crm.runtime.encryption import Unreadable, opened, resealed, sealed
from inbox.imap import connection as imap
from inbox.imap.connection import LoginRefused, NoConnection, PasswordExpired, refused
from inbox.imap.folders import sent_among
from inbox.imap.polling import visit
from inbox.imap.transitions import disconnect, enter_password, failed, fetch_now, shut_out, try_connection
from inbox.models import Mailbox, MailboxStatus, Message, Provider, Security
from inbox.tasks import fetch_due
from tests import dovecot
from tests.cast import browser
from tests.forms import form_of
from tests.inbox.boxes import ANN, SECRET, connect, mail, run

pytestmark = pytest.mark.django_db


def queued(name="inbox.fetch_mail"):
    with connection.cursor() as cursor:
        cursor.execute("SELECT args FROM procrastinate_jobs WHERE task_name = %s AND status = 'todo'", [name])
        return [json.loads(args) for (args,) in cursor.fetchall()]


# Secrets


def test_a_secret_is_opened_by_any_key_and_for_its_purpose_only(settings):
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.CREDENTIALS_KEYS = [old]
    token = sealed("s3cret", purpose="here")
    assert "s3cret" not in token
    settings.CREDENTIALS_KEYS = [new, old]
    assert opened(token, purpose="here") == "s3cret"
    with pytest.raises(Unreadable, match="entered for another server"):
        opened(token, purpose="there")
    again = resealed(token)
    settings.CREDENTIALS_KEYS = [new]
    assert opened(again, purpose="here") == "s3cret"
    with pytest.raises(Unreadable, match="cannot be read with the keys of CREDENTIALS_KEYS"):
        opened(token, purpose="here")
    settings.CREDENTIALS_KEYS = []
    with pytest.raises(BadInput, match="CREDENTIALS_KEYS is not set"):
        sealed("s3cret", purpose="here")


@dovecot.needed
def test_keys_are_changed_by_a_command_and_a_lost_key_is_told(server, settings, capsys):
    server.deliver(ANN, mail(1))
    box = connect(server)
    [old] = settings.CREDENTIALS_KEYS
    settings.CREDENTIALS_KEYS = [Fernet.generate_key().decode(), old]
    call_command("reencrypt_credentials")
    assert "1 password encrypted anew" in capsys.readouterr().out
    settings.CREDENTIALS_KEYS = settings.CREDENTIALS_KEYS[:1]
    assert run(box).last_error == "" and Message.objects.count() == 1
    settings.CREDENTIALS_KEYS = [Fernet.generate_key().decode()]
    run(box)
    assert "cannot be read with the keys of CREDENTIALS_KEYS" in box.last_error
    # The key may be put back: nobody has to enter every password again.
    assert (box.status, box.failures) == (MailboxStatus.ACTIVE, 1)
    with pytest.raises(CommandError, match="None of the keys of CREDENTIALS_KEYS opens it"):
        call_command("reencrypt_credentials")


@dovecot.needed
def test_a_password_stands_nowhere_but_sealed_in_its_column(server, ada, caplog):
    page = browser(ada)
    asked = {"address": ANN, "provider": "IMAP", "host": "127.0.0.1", "port": server.port, "security": "NONE"}
    answer = page.post(reverse("admin:inbox_mailbox_add"), {**asked, "username": "", "password": SECRET})
    assert answer.status_code == 302, answer.content.decode()
    box = Mailbox.objects.get()
    change = reverse("admin:inbox_mailbox_change", args=[box.pk])
    run(box)
    page.post(change + "?edit=1", {**asked, "password": "wr0ng pass"})
    run(box)
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


@dovecot.needed
def test_what_is_wrong_with_a_connection_is_a_sentence(server, monkeypatch, ada):
    good = {"security": Security.TLS, "host": "localhost", "port": server.tls_port}

    def said(**changes):
        Mailbox.objects.all().delete()
        with pytest.raises(NoConnection) as refusal:
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
        patch.setattr(imap, "TIMEOUT", 0.5)
        port = listening.getsockname()[1]
        assert said(port=port, security=Security.STARTTLS) == f"localhost:{port} does not answer within 0.5 seconds."
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    assert "refuses the login of ann@agency.example: wrong login or password." in said(password="wrong")
    assert said(host="127.0.0.2", port=server.tls_port).startswith("127.0.0.2")
    assert try_connection(connect(server, **good, username=ANN, address="x@agency.example"), by=ada) == (
        "The connection works: 0 mails in the inbox. What was sent is in “Sent”."
    )


@dovecot.needed
def test_a_certificate_for_another_name_is_refused_and_a_trusted_one_is_used(monkeypatch, ada):
    with dovecot.start({ANN: SECRET}, tls=True, names=("mail.example.com",)) as server:
        monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
        for security, port in ((Security.TLS, server.tls_port), (Security.STARTTLS, server.port)):
            box = connect(server, host="localhost", port=port, security=security)
            run(box)
            assert "not trusted for localhost: Hostname mismatch, certificate is not valid for" in box.last_error
            assert box.status == MailboxStatus.ACTIVE
            Mailbox.objects.all().delete()


@dovecot.needed
def test_starttls_encrypts_and_one_that_is_not_offered_is_told(server, monkeypatch, ada):
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    box = connect(server, host="localhost", security=Security.STARTTLS)
    assert try_connection(box, by=ada).startswith("The connection works")
    with dovecot.start({ANN: SECRET}) as plain, pytest.raises(NoConnection, match="does not offer STARTTLS"):
        try_connection(connect(plain, "other@agency.example", host="localhost", security=Security.STARTTLS), by=ada)


def test_without_encryption_only_this_machine_is_spoken_to(as_max):
    sent = {"address": ANN, "provider": "IMAP", "host": "mail.example.com", "security": "NONE"}
    answer = as_max.post(reverse("admin:inbox_mailbox_add"), sent)
    assert "Without encryption only a server on this machine can be used" in answer.content.decode()
    with pytest.raises(IntegrityError), transaction.atomic():
        Mailbox.objects.create(address=ANN, provider="IMAP", host="mail.example.com", security="NONE")


# Being shut out


@dovecot.needed
def test_a_refused_password_is_not_tried_again_until_another_is_entered(server, ada):
    box = run(connect(server, password="wrong"))
    assert (box.status, box.next_sync_at) == (MailboxStatus.PENDING_REAUTH, None)
    assert "wrong login or password" in box.last_error and "wrong " not in box.last_error.replace("wrong login", "")
    lines = server.log().count("auth failed")
    visit(box.pk)
    fetch_due(0)
    assert server.log().count("auth failed") == lines
    enter_password(box, SECRET, by=ada)
    assert (run(box).status, box.last_error) == (MailboxStatus.ACTIVE, "")


def test_what_the_server_says_beside_no_decides():
    box = Mailbox(address=ANN, host="imap.gmail.com", provider=Provider.GMAIL)
    assert type(refused(box, b"NO [UNAVAILABLE] later")) is NoConnection
    assert type(refused(box, b"NO [EXPIRED] That password expired")) is PasswordExpired
    assert "app password" in str(refused(box, b"NO [ALERT] Application-specific password required"))
    assert type(refused(box, b"NO [AUTHENTICATIONFAILED] no")) is LoginRefused


def test_an_expired_password_has_a_status_of_its_own():
    box = Mailbox.objects.create(address=ANN, host="h", provider="IMAP", credentials="x")
    shut_out(box, refused(box, b"NO [EXPIRED] no"))
    assert (box.status, box.health) == (MailboxStatus.EXPIRED, ("Password expired", "b-red"))


def test_failures_make_ever_longer_pauses_and_are_told_once():
    box = Mailbox.objects.create(address=ANN, host="h", provider="IMAP", credentials="x")
    pauses = []
    for _ in range(5):
        failed(box, "No answer.")
        box.refresh_from_db()
        pauses.append(round((box.next_sync_at - box.updated_at).total_seconds() / 60))
    assert pauses == [1, 5, 15, 60, 60]
    assert ActivityLog.objects.filter(verb="failed").count() == 1


def test_each_mailbox_that_is_due_has_a_job_of_its_own_and_only_one():
    boxes = [Mailbox.objects.create(address=f"{n}@x.example", host="h", provider="IMAP") for n in range(4)]
    for box in boxes[:3]:
        enter_password(box, SECRET, by=SYSTEM)
    connection.cursor().execute("DELETE FROM procrastinate_jobs")
    failed(boxes[2], "No answer.")
    fetch_due(0)
    fetch_due(0)
    assert sorted(args["mailbox"] for args in queued()) == sorted(str(box.pk) for box in boxes[:2])


# Disconnecting


@dovecot.needed
def test_disconnecting_forgets_the_password_and_keeps_the_mail(server, ada, vera):
    server.deliver(ANN, mail(1))
    box = run(connect(server))
    with pytest.raises(NotAllowed):
        disconnect(box, by=vera)
    disconnect(box, by=ada)
    assert (box.status, box.credentials, box.next_sync_at) == (MailboxStatus.REVOKED, "", None)
    visit(box.pk)
    for deed in (disconnect, fetch_now, try_connection):
        with pytest.raises(IllegalMove):
            deed(box, by=ada)
    assert Message.objects.count() == 1
    with pytest.raises(IntegrityError), transaction.atomic():
        Mailbox.objects.filter(pk=box.pk).update(credentials="x")


# The form


@dovecot.needed
def test_a_password_never_follows_to_another_server(server, as_max):
    box = connect(server)
    url = reverse("admin:inbox_mailbox_change", args=[box.pk])
    sent = form_of(as_max.get(url + "?edit=1").content.decode(), "mailbox_form")
    assert sent["password"] == "" and sent["host"] == "127.0.0.1"
    answer = as_max.post(url + "?edit=1", {**sent, "host": "localhost"})
    assert "Enter the password again" in answer.content.decode()
    Mailbox.objects.filter(pk=box.pk).update(host="localhost")
    run(box)
    assert "entered for another server or login" in box.last_error
    sent = form_of(as_max.get(url + "?edit=1").content.decode(), "mailbox_form")
    assert as_max.post(url + "?edit=1", {**sent, "password": SECRET}).status_code == 302
    assert run(box).last_error == ""


def test_gmail_fills_in_where_it_is(as_max):
    as_max.post(reverse("admin:inbox_mailbox_add"), {"address": ANN, "provider": "GMAIL", "security": "TLS"})
    box = Mailbox.objects.get()
    assert (box.place, box.login, box.health[0]) == ("imap.gmail.com:993", ANN, "No password yet")
    url = reverse("admin:inbox_mailbox_change", args=[box.pk])
    sent = form_of(as_max.get(url + "?edit=1").content.decode(), "mailbox_form")
    as_max.post(url + "?edit=1", {**sent, "provider": "IMPORT"})
    box.refresh_from_db()
    assert (box.provider, box.host, box.port) == ("IMPORT", "", None)
    sent = form_of(as_max.get(url + "?edit=1").content.decode(), "mailbox_form")
    as_max.post(url + "?edit=1", {**sent, "provider": "GMAIL"})
    box.refresh_from_db()
    assert (box.provider, box.host, box.port) == ("GMAIL", "imap.gmail.com", 993)


@dovecot.needed
def test_folders_can_be_chosen_once_they_are_known(server, as_max):
    server.deliver(ANN, mail(1), "Clients")
    box = run(connect(server))
    url = reverse("admin:inbox_mailbox_change", args=[box.pk])
    page = as_max.get(url + "?edit=1").content.decode()
    sent = {**form_of(page, "mailbox_form"), "folders": ["Clients"], "sent_folder": "Junk"}
    assert as_max.post(url + "?edit=1", sent).status_code == 302
    assert {"mailbox": str(box.pk), "gaps": True} in queued()
    run(box)
    assert Message.objects.count() == 1
    shown = as_max.get(url).content.decode()
    assert "Clients" in shown and "Fetched" in shown


def test_what_was_sent_is_found_by_flag_and_by_name():
    assert sent_among({"INBOX": (), "Sent": (), "Versandt": ("\\sent",)}) == "Versandt"
    assert sent_among({"INBOX": (), "INBOX.Gesendete Objekte": ()}) == "INBOX.Gesendete Objekte"
    assert sent_among({"INBOX": (), "Presents": ()}) == ""


def test_a_mailbox_that_nobody_comes_by_says_so(as_max):
    at = timezone.now() - timedelta(minutes=30)
    given = {"provider": "IMAP", "host": "h", "credentials": "x", "last_synced_at": at, "next_sync_at": at}
    box = Mailbox.objects.create(address=ANN, **given)
    shown = as_max.get(reverse("admin:inbox_mailbox_change", args=[box.pk])).content.decode()
    assert "Overdue" in shown and "no worker has come by" in shown
    Mailbox.objects.update(next_sync_at=timezone.now())
    shown = as_max.get(reverse("admin:inbox_mailbox_change", args=[box.pk])).content.decode()
    assert "Overdue" not in shown and "within a minute" in shown
