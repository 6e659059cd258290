"""No damaged email breaks the program: each is stored or set aside."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import corpus, damaged_emails
from inbox.incoming.arrivals import Arrival
from inbox.models import Mailbox, Message, SetAside
from tests.examples import examples
from tests.inbox.raw_emails import raw_email

pytestmark = pytest.mark.django_db
INVALID_HEADERS = (
    "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-99\n\n<p>\xff</p>\n"
    "--b\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n!!!\n--b--"
).encode("latin-1")


def test_damaged_emails_are_received_or_set_aside(db):
    made = [
        *list(corpus.generate_emails())[:60],
        raw_email("a", refs=["b", "c"]),
        b"From: a@example.com\n" + INVALID_HEADERS,
    ]
    mails = [Arrival(str(number), one) for number, one in enumerate(damaged_emails.damaged_copies(made, 400))]
    counted, reasons, broken = damaged_emails.import_arrivals(mails)
    assert broken == []
    assert counted.taken + counted.duplicates + counted.aside == 400
    assert counted.taken == Message.objects.count() > 300
    assert set(reasons) <= {"The file is not an email: it has no headers."}


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)), min_size=1, max_size=8))
def test_arbitrary_bytes_never_raise(db, many):
    Mailbox.everything.all().delete()
    counted, _, broken = damaged_emails.import_arrivals(
        Arrival(str(n), b"From: a\n" + one) for n, one in enumerate(many)
    )
    assert broken == []
    assert counted.taken + counted.duplicates + counted.aside == len(many)


def test_parser_exception_is_reported_and_email_set_aside(db, monkeypatch):
    monkeypatch.setattr("inbox.incoming.parsing.parse_addresses", lambda head, name: 1 / 0)
    _, reasons, broken = damaged_emails.import_arrivals([Arrival("x", raw_email("a"))])
    assert broken == ["ZeroDivisionError: division by zero"]
    assert SetAside.objects.count() == sum(reasons.values()) == 1
