"""Mail that really leaves: composed once, kept to the letter, handed over at most once."""

import ssl
import subprocess

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted
from crm.records.activity import SYSTEM_ACTOR
from crm.runtime.delivery import Delivery, DeliveryOutcome
from inbox.attachments import store_attachment
from inbox.models import Direction, Message, MessageState
from inbox.outgoing import outbox
from inbox.outgoing.mime import build_email, text_to_html
from tests.cast import make_lead, make_thread
from tests.smtp_server import mail_server

ID = "<one.first@birchfield.example.com>"


@pytest.fixture
def lead(ann):
    return make_lead(contact_email="lee@example.com", assigned_to=ann)


@pytest.fixture
def thread(lead):
    return make_thread(lead=lead, subject="Your quote")


def compose_email(thread, ann, **kw):
    kw = {"to": ["lee@example.com"], "subject": "Your quote", "text": "Hello Lee,\n\nhere it is.", **kw}
    return outbox.compose(thread, sender=ann, message_id=kw.pop("message_id", ID), by=kw.pop("by", ann), **kw)


def proceed():
    return None


def receive_message(thread, **kw):
    kw.setdefault("sent_at", timezone.now())
    kw.setdefault("from_email", "lee@example.com")
    return Message.objects.create(thread=thread, direction=Direction.IN, body_text="How much?", **kw)


def test_delivered_email_equals_composed_email(smtp_sink, thread, ann):
    text = "Grüße, Ἀθήνα и 東京 👨‍👩‍👧\n.\n..two dots\n" + "x" * 2_000 + "\n" + "From here\n\n> quoted"
    pdf = store_attachment("Angebot für Lee.pdf", "application/pdf", b"%PDF-1.7\r\n.\r\n\x00\xff")
    subject = "Überraschung: " + "long " * 40 + "東京"
    mail = compose_email(thread, ann, text=text, subject=subject, cc=["cc@example.com"], attachments=[pdf])
    assert outbox.deliver(mail, proceed) == Delivery(DeliveryOutcome.DELIVERED, "", ID)
    [arrived] = smtp_sink.emails
    assert arrived["Subject"] == subject.strip()
    assert arrived.get_body(("plain",)).get_content() == text + "\n"
    assert arrived.get_body(("html",)).get_content() == mail.body_html
    [file] = arrived.iter_attachments()
    assert (file.get_filename(), file.get_content()) == ("Angebot für Lee.pdf", b"%PDF-1.7\r\n.\r\n\x00\xff")
    assert (arrived["From"], arrived["Reply-To"]) == (
        "Ann <office@birchfield.example.com>",
        "Ann <ann@agency.example>",
    )
    assert (arrived["To"], arrived["Cc"], arrived["Message-ID"]) == ("lee@example.com", "cc@example.com", ID)
    assert smtp_sink.received_commands == ["lee@example.com", "cc@example.com"]
    assert arrived["Date"].datetime is not None and arrived["Auto-Submitted"] is None and arrived["Bcc"] is None
    assert all(byte < 128 for byte in smtp_sink.data[0])


def test_dates_change_only_when_email_is_sent(smtp_sink, thread, ann, lead):
    mail = compose_email(thread, ann)
    lead.refresh_from_db()
    thread.refresh_from_db()
    assert (mail.state, lead.last_contact_at, thread.last_message_at) == (MessageState.QUEUED, None, None)
    assert thread.message_count == 1
    outbox.deliver(mail, proceed)
    mail.refresh_from_db()
    assert mail.state == MessageState.SENDING
    outbox.mark_email_sent(mail)
    lead.refresh_from_db()
    thread.refresh_from_db()
    assert (mail.state, lead.last_contact_at, lead.awaiting_reply) == (MessageState.SENT, mail.sent_at, True)
    assert (thread.last_message_at, thread.awaiting_reply, thread.message_count) == (mail.sent_at, True, 1)
    assert thread.participant_emails == ["lee@example.com"]


def test_reply_has_in_reply_to_and_references(smtp_sink, thread, ann):
    first = "<" + "a" * 90 + "@mail.example.com>"
    receive_message(thread, message_id=first, sent_at=timezone.now() - timezone.timedelta(days=2))
    asked = receive_message(thread, message_id="<second@example.com>", in_reply_to=first)
    outbox.deliver(compose_email(thread, ann, reply_to_message=asked), proceed)
    [arrived] = smtp_sink.emails
    assert arrived["In-Reply-To"] == "<second@example.com>"
    assert arrived["References"].split() == [first, "<second@example.com>"]
    assert first.encode() in smtp_sink.data[0]


def test_circular_references_end(smtp_sink, thread, ann):
    receive_message(thread, message_id="<a@x>", in_reply_to="<b@x>")
    asked = receive_message(thread, message_id="<b@x>", in_reply_to="<a@x>")
    outbox.deliver(compose_email(thread, ann, reply_to_message=asked), proceed)
    assert smtp_sink.emails[0]["References"].split() == ["<a@x>", "<b@x>"]


def test_message_id_cannot_inject_header(smtp_sink, thread, ann):
    asked = receive_message(thread, message_id="<a@x>\r\nBcc: eve@example.com")
    outbox.deliver(compose_email(thread, ann, reply_to_message=asked), proceed)
    assert smtp_sink.emails[0]["In-Reply-To"] is None and b"eve@example.com" not in smtp_sink.data[0]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"subject": "Hi\r\nBcc: eve@example.com"}, "The subject holds a line break"),
        ({"subject": "Hi \u202egnp.exe"}, "The subject holds a line break or an invisible character"),
        ({"to": ["lee@example.com\nBcc: eve@example.com"]}, "holds a line break"),
        ({"to": ["lee@example.com, eve@example.com"]}, "is not a mail address"),
        ({"to": ["Bcc: eve@example.com"]}, "Bcc is not possible"),
        ({"to": ["leе@example.com"]}, "write it in ASCII"),
        ({"to": ["lee@example.com\u200b"]}, "invisible character"),
        ({"to": ["Lee <lee@example.com>"]}, "is not a mail address"),
        ({"to": []}, "There is no recipient"),
        ({"to": [f"x{n}@example.com" for n in range(11)]}, "at most 10 people"),
        ({"text": " \n "}, "The email is empty"),
        ({"text": "x" * 100_001}, "100,001 characters: shorten it to 100,000"),
        ({"message_id": "<one\n@x>"}, "is not a Message-ID"),
    ],
)
def test_invalid_email_is_refused_with_reason(thread, ann, changed, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        compose_email(thread, ann, **changed)
    assert not Message.objects.exists()


def test_sender_name_cannot_inject_header(thread, ann):
    ann.last_name = "Agent\r\nBcc: eve@example.com"
    with pytest.raises(InvalidInput, match="The sender name holds a line break"):
        compose_email(thread, ann)


def test_user_without_role_cannot_send(thread, ann, stranger):
    with pytest.raises(NotPermitted):
        compose_email(thread, ann, by=stranger)


@pytest.mark.parametrize(
    ("fault", "outcome", "sentence"),
    [
        ("busy", DeliveryOutcome.RETRY_LATER, "refused the session: 421 4.3.2 too many connections."),
        ("late", DeliveryOutcome.RETRY_LATER, "could not be reached"),
        ("try later", DeliveryOutcome.RETRY_LATER, "rejected the email: 451 4.7.1 greylisted, try again later."),
        ("spam", DeliveryOutcome.REJECTED, "rejected the email: 554 5.7.1 this looks like spam."),
        ("no", DeliveryOutcome.REJECTED, "rejected the email: 503 5.5.1 not now."),
    ],
)
def test_email_not_accepted_by_server_is_queued_again(smtp_sink, thread, ann, fault, outcome, sentence):
    smtp_sink.fault = fault
    mail = compose_email(thread, ann)
    delivery = outbox.deliver(mail, proceed)
    assert (delivery.outcome, sentence in delivery.message) == (outcome, True), delivery
    mail.refresh_from_db()
    assert (mail.state, smtp_sink.data) == (MessageState.QUEUED, [])
    smtp_sink.fault = ""
    assert outbox.deliver(mail, proceed).outcome == DeliveryOutcome.DELIVERED
    assert len(smtp_sink.data) == 1


@pytest.mark.parametrize(("fault", "taken"), [("cut", 0), ("silent", 0), ("taken and cut", 1)])
def test_connection_lost_after_data_is_uncertain(smtp_sink, thread, ann, fault, taken):
    smtp_sink.fault = fault
    mail = compose_email(thread, ann)
    delivery = outbox.deliver(mail, proceed)
    assert (delivery.outcome, delivery.reference) == (DeliveryOutcome.UNCONFIRMED, ID)
    assert "delivery unconfirmed" in delivery.message
    assert len(smtp_sink.data) == taken
    mail.refresh_from_db()
    assert mail.state == MessageState.SENDING
    assert outbox.recover_delivery(mail).outcome == DeliveryOutcome.UNCONFIRMED
    assert outbox.deliver(mail, proceed).outcome == DeliveryOutcome.UNCONFIRMED
    outbox.mark_email_uncertain(mail, delivery.message)
    assert (mail.state, mail.error_message) == (MessageState.UNCERTAIN, delivery.message)


def test_one_rejected_recipient_cancels_delivery(smtp_sink, thread, ann):
    smtp_sink.rejected_addresses = {"gone@example.com"}
    delivery = outbox.deliver(compose_email(thread, ann, to=["lee@example.com", "gone@example.com"]), proceed)
    assert delivery.outcome == DeliveryOutcome.REJECTED
    assert delivery.message.startswith("The mail server rejected gone@example.com, so no recipient got the email: 550")
    assert smtp_sink.data == [] and smtp_sink.received_commands == ["lee@example.com", "gone@example.com", "RSET"]


def test_unreachable_server_defers_delivery(settings, thread, ann):
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert outbox.deliver(compose_email(thread, ann), proceed).outcome == DeliveryOutcome.RETRY_LATER
    settings.EMAIL_HOST = "no-such-host.invalid"
    assert (
        outbox.deliver(compose_email(thread, ann, message_id="<two@x>"), proceed).outcome == DeliveryOutcome.RETRY_LATER
    )


def test_missing_mail_server_setting_is_reported(settings, thread, ann):
    settings.EMAIL_HOST = ""
    delivery = outbox.deliver(compose_email(thread, ann), proceed)
    assert delivery.outcome == DeliveryOutcome.REJECTED
    assert delivery.message == "There is no mail server: set EMAIL_URL, then try again."


def test_final_check_can_stop_delivery(smtp_sink, thread, ann):
    mail = compose_email(thread, ann)
    held = Delivery(DeliveryOutcome.RETRY_LATER, "It was stopped.")
    assert outbox.deliver(mail, lambda: held).message == "It was stopped."
    mail.refresh_from_db()
    assert (mail.state, smtp_sink.data) == (MessageState.QUEUED, [])


def test_concurrent_delivery_sends_data_once(smtp_sink, thread, ann):
    mail = compose_email(thread, ann)

    def somebody_else_is_first():
        assert outbox.deliver(Message.objects.get(pk=mail.pk), proceed).outcome == DeliveryOutcome.DELIVERED

    assert outbox.deliver(mail, somebody_else_is_first).outcome == DeliveryOutcome.SKIPPED
    assert len(smtp_sink.data) == 1


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_during_delivery(smtp_sink, thread, ann):
    mail = compose_email(thread, ann)
    seen = []
    assert outbox.deliver(mail, lambda: seen.append(connection.in_atomic_block)).outcome == DeliveryOutcome.DELIVERED
    assert seen == [False]


def certificate(folder):
    """A certificate that nobody trusts."""
    names = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=mail"]
    san = ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *san],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def test_untrusted_certificate_stops_delivery(settings, tmp_path, thread, ann):
    with mail_server(settings, tls=certificate(tmp_path)) as smtp_sink:
        settings.EMAIL_USE_TLS = True
        delivery = outbox.deliver(compose_email(thread, ann), proceed)
    assert (delivery.outcome, "is not trusted" in delivery.message) == (DeliveryOutcome.REJECTED, True)
    assert smtp_sink.data == [] and smtp_sink.received_commands == []


@pytest.mark.parametrize(
    ("host", "outcome"), [("127.0.0.1", DeliveryOutcome.DELIVERED), ("localhost", DeliveryOutcome.REJECTED)]
)
def test_trusted_certificate_is_valid_for_its_host_only(settings, tmp_path, thread, ann, monkeypatch, host, outcome):
    context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with mail_server(settings, tls=context) as smtp_sink:
        settings.EMAIL_USE_TLS, settings.EMAIL_HOST = True, host
        delivery = outbox.deliver(compose_email(thread, ann), proceed)
    assert delivery.outcome == outcome, delivery
    assert len(smtp_sink.data) == (outcome == DeliveryOutcome.DELIVERED)


def test_server_without_tls_gets_nothing(settings, smtp_sink, thread, ann):
    settings.EMAIL_USE_TLS = True
    delivery = outbox.deliver(compose_email(thread, ann), proceed)
    assert (delivery.outcome, "does not support" in delivery.message) == (DeliveryOutcome.REJECTED, True)
    assert smtp_sink.received_commands == []


@pytest.mark.parametrize(
    ("password", "outcome"), [("right", DeliveryOutcome.DELIVERED), ("wrong", DeliveryOutcome.REJECTED)]
)
def test_smtp_login_uses_password_without_leaking_it(settings, thread, ann, password, outcome, caplog):
    with mail_server(settings, login=True) as smtp_sink:
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "crm", password
        delivery = outbox.deliver(compose_email(thread, ann), proceed)
    assert delivery.outcome == outcome
    assert ("crm", password) in smtp_sink.logins
    assert password not in delivery.message and "Hello Lee" not in caplog.text


def test_composing_failed_email_again_requeues_same_message(smtp_sink, thread, ann):
    mail = compose_email(thread, ann)
    outbox.mark_email_failed(mail, "554 no.")
    assert (mail.state, mail.error_message) == (MessageState.FAILED, "554 no.")
    again = compose_email(thread, ann)
    assert (again.pk, again.state, again.error_message) == (mail.pk, MessageState.QUEUED, "")
    assert Message.objects.filter(thread=thread).count() == 1


def test_different_sender_replaces_failed_email(thread, ann, bob):
    mail = compose_email(thread, ann)
    outbox.mark_email_failed(mail, "554 no.")
    other = compose_email(thread, bob)
    assert other.pk != mail.pk and list(Message.objects.filter(thread=thread)) == [other]
    thread.refresh_from_db()
    assert thread.message_count == 1


def test_queued_or_sent_email_is_not_composed_again(smtp_sink, thread, ann):
    mail = compose_email(thread, ann)
    with pytest.raises(IllegalTransition, match="already"):
        compose_email(thread, ann)
    outbox.deliver(mail, proceed)
    outbox.mark_email_sent(mail)
    with pytest.raises(IllegalTransition, match="sent already"):
        compose_email(thread, ann)


def test_withdrawn_email_is_not_sent(smtp_sink, thread, ann):
    mail = compose_email(thread, ann)
    outbox.withdraw(mail)
    thread.refresh_from_db()
    assert (Message.objects.filter(thread=thread).count(), thread.message_count) == (0, 0)
    assert outbox.deliver(mail, proceed).outcome == DeliveryOutcome.REJECTED
    assert smtp_sink.data == []


def test_email_being_sent_cannot_be_withdrawn(thread, ann):
    mail = compose_email(thread, ann)
    Message.objects.update(state=MessageState.SENDING)
    with pytest.raises(IllegalTransition, match="is being sent"):
        outbox.withdraw(mail)


def test_recovered_outcome_depends_on_message_state(thread, ann):
    mail = compose_email(thread, ann)
    assert outbox.recover_delivery(mail).outcome == DeliveryOutcome.RETRY_LATER
    outbox.mark_email_sent(mail)
    assert outbox.recover_delivery(mail) == Delivery(DeliveryOutcome.DELIVERED, "", ID)
    outbox.mark_email_failed(mail, "too late")
    assert mail.state == MessageState.SENT


def test_queued_email_cannot_be_modified(thread, ann):
    mail = compose_email(thread, ann)
    for change in ({"body_text": "x"}, {"from_name": "Eve"}, {"reply_to": "eve@example.com"}, {"to_emails": []}):
        with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
            Message.objects.filter(pk=mail.pk).update(**change)


def test_changed_attachment_is_not_sent(smtp_sink, settings, thread, ann):
    mail = compose_email(thread, ann, attachments=[store_attachment("a.pdf", "application/pdf", b"%PDF")])
    (settings.MEDIA_ROOT / mail.attachments[0]["stored"]).write_bytes(b"other")
    delivery = outbox.deliver(mail, proceed)
    assert (delivery.outcome, "no longer what was to be sent" in delivery.message) == (DeliveryOutcome.REJECTED, True)
    (settings.MEDIA_ROOT / mail.attachments[0]["stored"]).unlink()
    assert "is not where it was stored" in outbox.deliver(mail, proceed).message
    assert smtp_sink.received_commands == []


def test_html_body_escapes_text_and_links_only_web_and_mail_addresses():
    html = text_to_html(
        'a <b>&\nhttps://x.example/?a=1&b=2. javascript:alert(1) lee@example.com\n\n"http://y"onclick=1'
    )
    assert html == (
        "<html><body>\n<p>a &lt;b&gt;&amp;<br>\n"
        '<a href="https://x.example/?a=1&amp;b=2">https://x.example/?a=1&amp;b=2</a>. javascript:alert(1) '
        '<a href="mailto:lee@example.com">lee@example.com</a></p>\n'
        '<p>&quot;<a href="http://y">http://y</a>&quot;onclick=1</p>\n</body></html>\n'
    )


def test_email_without_sender_comes_from_the_agency(thread, ann):
    mail = outbox.compose(
        thread, sender=None, to=["lee@example.com"], subject="Hi", text="Hi", message_id=ID, by=SYSTEM_ACTOR
    )
    assert b"From: Birchfield Insurance <office@birchfield.example.com>\r\n" in build_email(mail)
    assert b"Reply-To" not in build_email(mail)
