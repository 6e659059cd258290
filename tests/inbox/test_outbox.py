"""Mail that really leaves: composed once, kept to the letter, handed over at most once."""

import ssl
import subprocess

import pytest
from django.db import ProgrammingError, connection, transaction
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove, NotAllowed
from crm.records.activity import SYSTEM
from crm.runtime.delivery import Delivery, Outcome
from inbox.attachments import keep
from inbox.models import Direction, Message, MessageState
from inbox.outgoing import outbox
from inbox.outgoing.mime import as_html, letter
from tests.cast import make_lead, make_thread
from tests.servers import mail_server

ID = "<one.first@birchfield.example.com>"


@pytest.fixture
def lead(ann):
    return make_lead(contact_email="lee@example.com", assigned_to=ann)


@pytest.fixture
def thread(lead):
    return make_thread(lead=lead, subject="Your quote")


def written(thread, ann, **kw):
    kw = {"to": ["lee@example.com"], "subject": "Your quote", "text": "Hello Lee,\n\nhere it is.", **kw}
    return outbox.compose(thread, sender=ann, message_id=kw.pop("message_id", ID), by=kw.pop("by", ann), **kw)


def go():
    return None


def received(thread, **kw):
    kw.setdefault("sent_at", timezone.now())
    kw.setdefault("from_email", "lee@example.com")
    return Message.objects.create(thread=thread, direction=Direction.IN, body_text="How much?", **kw)


def test_what_arrives_is_what_was_written(post, thread, ann):
    text = "Grüße, Ἀθήνα и 東京 👨‍👩‍👧\n.\n..two dots\n" + "x" * 2_000 + "\n" + "From here\n\n> quoted"
    pdf = keep("Angebot für Lee.pdf", "application/pdf", b"%PDF-1.7\r\n.\r\n\x00\xff")
    subject = "Überraschung: " + "long " * 40 + "東京"
    mail = written(thread, ann, text=text, subject=subject, cc=["cc@example.com"], attachments=[pdf])
    assert outbox.deliver(mail, go) == Delivery(Outcome.DONE, "", ID)
    [arrived] = post.mails
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
    assert post.seen == ["lee@example.com", "cc@example.com"]
    assert arrived["Date"].datetime is not None and arrived["Auto-Submitted"] is None and arrived["Bcc"] is None
    assert all(byte < 128 for byte in post.data[0])


def test_it_is_sending_while_its_data_is_said_and_the_dates_move_when_it_is_sent(post, thread, ann, lead):
    mail = written(thread, ann)
    lead.refresh_from_db()
    thread.refresh_from_db()
    assert (mail.state, lead.last_contact_at, thread.last_message_at) == (MessageState.QUEUED, None, None)
    assert thread.message_count == 1
    outbox.deliver(mail, go)
    mail.refresh_from_db()
    assert mail.state == MessageState.SENDING
    outbox.sent(mail)
    lead.refresh_from_db()
    thread.refresh_from_db()
    assert (mail.state, lead.last_contact_at, lead.awaiting_reply) == (MessageState.SENT, mail.sent_at, True)
    assert (thread.last_message_at, thread.awaiting_reply, thread.message_count) == (mail.sent_at, True, 1)
    assert thread.participant_emails == ["lee@example.com"]


def test_it_stands_in_the_conversation_it_answers(post, thread, ann):
    first = "<" + "a" * 90 + "@mail.example.com>"
    received(thread, message_id=first, sent_at=timezone.now() - timezone.timedelta(days=2))
    asked = received(thread, message_id="<second@example.com>", in_reply_to=first)
    outbox.deliver(written(thread, ann, reply_to_message=asked), go)
    [arrived] = post.mails
    assert arrived["In-Reply-To"] == "<second@example.com>"
    assert arrived["References"].split() == [first, "<second@example.com>"]
    assert first.encode() in post.data[0]


def test_identifiers_that_chase_each_other_come_to_an_end(post, thread, ann):
    received(thread, message_id="<a@x>", in_reply_to="<b@x>")
    asked = received(thread, message_id="<b@x>", in_reply_to="<a@x>")
    outbox.deliver(written(thread, ann, reply_to_message=asked), go)
    assert post.mails[0]["References"].split() == ["<a@x>", "<b@x>"]


def test_an_identifier_of_theirs_brings_no_header_in(post, thread, ann):
    asked = received(thread, message_id="<a@x>\r\nBcc: eve@example.com")
    outbox.deliver(written(thread, ann, reply_to_message=asked), go)
    assert post.mails[0]["In-Reply-To"] is None and b"eve@example.com" not in post.data[0]


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
        ({"to": []}, "there is no address"),
        ({"to": [f"x{n}@example.com" for n in range(11)]}, "at most 10 people"),
        ({"text": " \n "}, "The mail is empty"),
        ({"text": "x" * 100_001}, "longer than 100,000 characters"),
        ({"message_id": "<one\n@x>"}, "A Message-ID looks like"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_a_sentence(thread, ann, changed, sentence):
    with pytest.raises(BadInput, match=sentence):
        written(thread, ann, **changed)
    assert not Message.objects.exists()


def test_a_name_brings_no_header_in(thread, ann):
    ann.last_name = "Agent\r\nBcc: eve@example.com"
    with pytest.raises(BadInput, match="The name of the sender holds a line break"):
        written(thread, ann)


def test_a_stranger_sends_nothing(thread, ann, stranger):
    with pytest.raises(NotAllowed):
        written(thread, ann, by=stranger)


@pytest.mark.parametrize(
    ("fault", "outcome", "sentence"),
    [
        ("busy", Outcome.LATER, "refused to talk: 421 4.3.2 too many connections."),
        ("late", Outcome.LATER, "could not be reached"),
        ("try later", Outcome.LATER, "refused the mail: 451 4.7.1 greylisted, try again later."),
        ("spam", Outcome.REFUSED, "refused the mail: 554 5.7.1 this looks like spam."),
        ("no", Outcome.REFUSED, "refused the mail: 503 5.5.1 not now."),
    ],
)
def test_proven_not_taken_it_waits_again(post, thread, ann, fault, outcome, sentence):
    post.fault = fault
    mail = written(thread, ann)
    delivery = outbox.deliver(mail, go)
    assert (delivery.outcome, sentence in delivery.said) == (outcome, True), delivery
    mail.refresh_from_db()
    assert (mail.state, post.data) == (MessageState.QUEUED, [])
    post.fault = ""
    assert outbox.deliver(mail, go).outcome == Outcome.DONE
    assert len(post.data) == 1


@pytest.mark.parametrize(("fault", "taken"), [("cut", 0), ("silent", 0), ("taken and cut", 1)])
def test_cut_off_after_the_data_nobody_knows(post, thread, ann, fault, taken):
    post.fault = fault
    mail = written(thread, ann)
    delivery = outbox.deliver(mail, go)
    assert (delivery.outcome, delivery.reference) == (Outcome.UNKNOWN, ID)
    assert "nobody knows whether it arrived" in delivery.said
    assert len(post.data) == taken
    mail.refresh_from_db()
    assert mail.state == MessageState.SENDING
    assert outbox.recovered(mail).outcome == Outcome.UNKNOWN
    assert outbox.deliver(mail, go).outcome == Outcome.UNKNOWN
    outbox.uncertain(mail, delivery.said)
    assert (mail.state, mail.error_message) == (MessageState.UNCERTAIN, delivery.said)


def test_one_recipient_refused_nobody_gets_it(post, thread, ann):
    post.unwelcome = {"gone@example.com"}
    delivery = outbox.deliver(written(thread, ann, to=["lee@example.com", "gone@example.com"]), go)
    assert delivery.outcome == Outcome.REFUSED
    assert delivery.said.startswith("The mail server refused gone@example.com, so nobody got it: 550")
    assert post.data == [] and post.seen == ["lee@example.com", "gone@example.com", "RSET"]


def test_nobody_there(settings, thread, ann):
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert outbox.deliver(written(thread, ann), go).outcome == Outcome.LATER
    settings.EMAIL_HOST = "no-such-host.invalid"
    assert outbox.deliver(written(thread, ann, message_id="<two@x>"), go).outcome == Outcome.LATER


def test_without_a_mail_server_it_says_so(settings, thread, ann):
    settings.EMAIL_HOST = ""
    delivery = outbox.deliver(written(thread, ann), go)
    assert delivery.outcome == Outcome.REFUSED
    assert delivery.said == "No mail server is set (EMAIL_URL), so nothing can be sent."


def test_whoever_is_asked_last_stops_it(post, thread, ann):
    mail = written(thread, ann)
    held = Delivery(Outcome.LATER, "It was stopped.")
    assert outbox.deliver(mail, lambda: held).said == "It was stopped."
    mail.refresh_from_db()
    assert (mail.state, post.data) == (MessageState.QUEUED, [])


def test_of_two_only_one_says_the_data(post, thread, ann):
    mail = written(thread, ann)

    def somebody_else_is_first():
        assert outbox.deliver(Message.objects.get(pk=mail.pk), go).outcome == Outcome.DONE

    assert outbox.deliver(mail, somebody_else_is_first).outcome == Outcome.LEFT_ALONE
    assert len(post.data) == 1


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_it_is_handed_over(post, thread, ann):
    mail = written(thread, ann)
    seen = []
    assert outbox.deliver(mail, lambda: seen.append(connection.in_atomic_block)).outcome == Outcome.DONE
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


def test_a_server_that_cannot_prove_who_it_is_gets_nothing(settings, tmp_path, thread, ann):
    with mail_server(settings, tls=certificate(tmp_path)) as post:
        settings.EMAIL_USE_TLS = True
        delivery = outbox.deliver(written(thread, ann), go)
    assert (delivery.outcome, "is not trusted" in delivery.said) == (Outcome.REFUSED, True)
    assert post.data == [] and post.seen == []


@pytest.mark.parametrize(("host", "outcome"), [("127.0.0.1", Outcome.DONE), ("localhost", Outcome.REFUSED)])
def test_a_trusted_certificate_counts_for_its_own_host_alone(
    settings, tmp_path, thread, ann, monkeypatch, host, outcome
):
    context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with mail_server(settings, tls=context) as post:
        settings.EMAIL_USE_TLS, settings.EMAIL_HOST = True, host
        delivery = outbox.deliver(written(thread, ann), go)
    assert delivery.outcome == outcome, delivery
    assert len(post.data) == (outcome == Outcome.DONE)


def test_a_server_that_does_not_encrypt_gets_nothing(settings, post, thread, ann):
    settings.EMAIL_USE_TLS = True
    delivery = outbox.deliver(written(thread, ann), go)
    assert (delivery.outcome, "does not offer" in delivery.said) == (Outcome.REFUSED, True)
    assert post.seen == []


@pytest.mark.parametrize(("password", "outcome"), [("right", Outcome.DONE), ("wrong", Outcome.REFUSED)])
def test_it_logs_in(settings, thread, ann, password, outcome, caplog):
    with mail_server(settings, login=True) as post:
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "crm", password
        delivery = outbox.deliver(written(thread, ann), go)
    assert delivery.outcome == outcome
    assert ("crm", password) in post.logins
    assert password not in delivery.said and "Hello Lee" not in caplog.text


def test_the_same_mail_that_failed_waits_again_and_is_no_second_one(post, thread, ann):
    mail = written(thread, ann)
    outbox.failed(mail, "554 no.")
    assert (mail.state, mail.error_message) == (MessageState.FAILED, "554 no.")
    again = written(thread, ann)
    assert (again.pk, again.state, again.error_message) == (mail.pk, MessageState.QUEUED, "")
    assert Message.objects.filter(thread=thread).count() == 1


def test_another_mail_under_its_identifier_takes_its_place(thread, ann, bob):
    mail = written(thread, ann)
    outbox.failed(mail, "554 no.")
    other = written(thread, bob)
    assert other.pk != mail.pk and list(Message.objects.filter(thread=thread)) == [other]
    thread.refresh_from_db()
    assert thread.message_count == 1


def test_what_waits_or_has_gone_is_not_composed_again(post, thread, ann):
    mail = written(thread, ann)
    with pytest.raises(IllegalMove, match="already"):
        written(thread, ann)
    outbox.deliver(mail, go)
    outbox.sent(mail)
    with pytest.raises(IllegalMove, match="sent already"):
        written(thread, ann)


def test_taken_back_it_is_gone_and_is_not_sent(post, thread, ann):
    mail = written(thread, ann)
    outbox.withdraw(mail)
    thread.refresh_from_db()
    assert (Message.objects.filter(thread=thread).count(), thread.message_count) == (0, 0)
    assert outbox.deliver(mail, go).outcome == Outcome.REFUSED
    assert post.data == []


def test_what_is_on_its_way_cannot_be_taken_back(thread, ann):
    mail = written(thread, ann)
    Message.objects.update(state=MessageState.SENDING)
    with pytest.raises(IllegalMove, match="is being sent"):
        outbox.withdraw(mail)


def test_what_became_of_a_mail_whose_process_died(thread, ann):
    mail = written(thread, ann)
    assert outbox.recovered(mail).outcome == Outcome.LATER
    outbox.sent(mail)
    assert outbox.recovered(mail) == Delivery(Outcome.DONE, "", ID)
    outbox.failed(mail, "too late")
    assert mail.state == MessageState.SENT


def test_what_is_to_be_sent_is_not_changed_by_anybody(thread, ann):
    mail = written(thread, ann)
    for change in ({"body_text": "x"}, {"from_name": "Eve"}, {"reply_to": "eve@example.com"}, {"to_emails": []}):
        with pytest.raises(ProgrammingError, match="Cannot update"), transaction.atomic():
            Message.objects.filter(pk=mail.pk).update(**change)


def test_a_file_that_is_no_longer_the_same_is_not_sent(post, settings, thread, ann):
    mail = written(thread, ann, attachments=[keep("a.pdf", "application/pdf", b"%PDF")])
    (settings.MEDIA_ROOT / mail.attachments[0]["stored"]).write_bytes(b"other")
    delivery = outbox.deliver(mail, go)
    assert (delivery.outcome, "no longer what was to be sent" in delivery.said) == (Outcome.REFUSED, True)
    (settings.MEDIA_ROOT / mail.attachments[0]["stored"]).unlink()
    assert "is not where it was stored" in outbox.deliver(mail, go).said
    assert post.seen == []


def test_the_html_is_the_text_and_links_only_where_it_says_so():
    html = as_html('a <b>&\nhttps://x.example/?a=1&b=2. javascript:alert(1) lee@example.com\n\n"http://y"onclick=1')
    assert html == (
        "<html><body>\n<p>a &lt;b&gt;&amp;<br>\n"
        '<a href="https://x.example/?a=1&amp;b=2">https://x.example/?a=1&amp;b=2</a>. javascript:alert(1) '
        '<a href="mailto:lee@example.com">lee@example.com</a></p>\n'
        '<p>&quot;<a href="http://y">http://y</a>&quot;onclick=1</p>\n</body></html>\n'
    )


def test_from_the_house_where_nobody_stands_behind_it(thread, ann):
    mail = outbox.compose(
        thread, sender=None, to=["lee@example.com"], subject="Hi", text="Hi", message_id=ID, by=SYSTEM
    )
    assert b"From: Birchfield Insurance <office@birchfield.example.com>\r\n" in letter(mail)
    assert b"Reply-To" not in letter(mail)
