"""What servers answer to FETCH, in all the ways in which they do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.imap.fetch_responses import Answer, answers

HEAD = b"Message-ID: <1@x>\r\n\r\n"


@pytest.mark.parametrize(
    "response",
    [
        [(b"1 (UID 7 FLAGS (\\Seen) RFC822.SIZE 900 BODY[HEADER.FIELDS (MESSAGE-ID)] {21}", HEAD), b")"],
        # What belongs to it may come behind the literal.
        [(b"1 (BODY[HEADER.FIELDS (MESSAGE-ID)] {21}", HEAD), b" UID 7 FLAGS (\\SEEN \\Answered) RFC822.SIZE 900)"],
        # And between two of them what nobody asked for.
        [b"3 (FLAGS (\\Recent))", (b"1 (UID 7 RFC822.SIZE 900 FLAGS (\\Seen) BODY[] {21}", HEAD), b")", None],
    ],
)
def test_one_mail_is_told_whatever_the_order(response):
    assert list(answers(response)) == [Answer(7, 900, True, HEAD)]


def test_of_several_each_has_its_own():
    response = [
        (b"1 (UID 7 FLAGS () BODY[] {3}", b"one"),
        b")",
        b"9 (FLAGS (\\Seen))",
        (b"2 (UID 8 FLAGS (\\Seen) BODY[] {3}", b"two"),
        b")",
        b"3 (UID 9 RFC822.SIZE 5 FLAGS () BODY[] NIL)",
    ]
    assert list(answers(response)) == [Answer(7, 0, False, b"one"), Answer(8, 0, True, b"two"), Answer(9, 5)]


def test_what_a_mail_says_in_quotes_is_not_taken_for_the_servers_words():
    said = b'1 (UID 7 FLAGS () BODY[HEADER.FIELDS (SUBJECT)] "Subject: UID 99 FLAGS (\\\\Seen) \\"x\\"")'
    assert list(answers([said])) == [Answer(7, 0, False, b'Subject: UID 99 FLAGS (\\Seen) "x"')]


@given(st.lists(st.none() | st.binary(max_size=60) | st.tuples(st.binary(max_size=60), st.binary(max_size=60))))
def test_whatever_a_server_says_nothing_breaks(response):
    for answer in answers(response):
        assert answer.uid >= 0
