"""The many forms of responses to FETCH."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.imap.fetch_responses import FetchedEmail, parse_fetch_response

HEAD = b"Message-ID: <1@x>\r\n\r\n"


@pytest.mark.parametrize(
    "response",
    [
        [(b"1 (UID 7 FLAGS (\\Seen) RFC822.SIZE 900 BODY[HEADER.FIELDS (MESSAGE-ID)] {21}", HEAD), b")"],
        # Attributes may follow the literal.
        [(b"1 (BODY[HEADER.FIELDS (MESSAGE-ID)] {21}", HEAD), b" UID 7 FLAGS (\\SEEN \\Answered) RFC822.SIZE 900)"],
        # Unsolicited responses may come in between.
        [b"3 (FLAGS (\\Recent))", (b"1 (UID 7 RFC822.SIZE 900 FLAGS (\\Seen) BODY[] {21}", HEAD), b")", None],
    ],
)
def test_fetch_response_is_parsed_in_any_order(response):
    assert list(parse_fetch_response(response)) == [FetchedEmail(7, 900, True, HEAD)]


def test_multiple_fetch_responses_are_separated():
    response = [
        (b"1 (UID 7 FLAGS () BODY[] {3}", b"one"),
        b")",
        b"9 (FLAGS (\\Seen))",
        (b"2 (UID 8 FLAGS (\\Seen) BODY[] {3}", b"two"),
        b")",
        b"3 (UID 9 RFC822.SIZE 5 FLAGS () BODY[] NIL)",
    ]
    assert list(parse_fetch_response(response)) == [
        FetchedEmail(7, 0, False, b"one"),
        FetchedEmail(8, 0, True, b"two"),
        FetchedEmail(9, 5),
    ]


def test_quoted_literal_is_not_parsed_as_server_data():
    said = b'1 (UID 7 FLAGS () BODY[HEADER.FIELDS (SUBJECT)] "Subject: UID 99 FLAGS (\\\\Seen) \\"x\\"")'
    assert list(parse_fetch_response([said])) == [FetchedEmail(7, 0, False, b'Subject: UID 99 FLAGS (\\Seen) "x"')]


@given(st.lists(st.none() | st.binary(max_size=60) | st.tuples(st.binary(max_size=60), st.binary(max_size=60))))
def test_arbitrary_server_response_never_raises(response):
    for answer in parse_fetch_response(response):
        assert answer.uid >= 0
