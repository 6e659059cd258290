"""Nothing that stands in a mail breaks the program: it is taken in, or set aside for what it is."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench import corpus, damaged
from inbox.incoming.arrivals import Arrival
from inbox.models import Mailbox, Message, SetAside
from tests.inbox.mails import raw

pytestmark = pytest.mark.django_db
LYING = (
    "Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-99\n\n<p>\xff</p>\n"
    "--b\nContent-Type: application/pdf\nContent-Transfer-Encoding: base64\n\n!!!\n--b--"
).encode("latin-1")


def test_damaged_copies_of_made_mails_break_nothing(db):
    made = [*list(corpus.invented())[:60], raw("a", refs=["b", "c"]), b"From: a@example.com\n" + LYING]
    mails = [Arrival(str(number), one) for number, one in enumerate(damaged.copies(made, 400))]
    counted, reasons, broken = damaged.take_in(mails)
    assert broken == []
    assert counted.taken + counted.there + counted.aside == 400
    assert counted.taken == Message.objects.count() > 300
    assert set(reasons) <= {"It has no header: these bytes are no mail."}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(str.encode)), min_size=1, max_size=8))
def test_any_bytes_at_all_break_nothing(db, many):
    Mailbox.everything.all().delete()
    counted, _, broken = damaged.take_in(Arrival(str(n), b"From: a\n" + one) for n, one in enumerate(many))
    assert broken == []
    assert counted.taken + counted.there + counted.aside == len(many)


def test_what_breaks_the_program_is_told(db, monkeypatch):
    monkeypatch.setattr("inbox.incoming.parsing.people", lambda head, name: 1 / 0)
    _, reasons, broken = damaged.take_in([Arrival("x", raw("a"))])
    assert broken == ["ZeroDivisionError: division by zero"]
    assert SetAside.objects.count() == sum(reasons.values()) == 1
