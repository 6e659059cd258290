"""What somebody wrote, told apart from what was quoted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.quotes import Part, parts

HEADINGS = [
    "On 2026-09-26 at 09:10, Dana Whitlock <dana@example.com> wrote:",
    "On Mon, 5 Jan 2026 at 10:00 a name that is so long that it fills the line\n<dana@example.com>\nwrote:",
    "Am 5. Januar 2026 um 10:00 schrieb Dana <dana@example.com>:",
    "Le 5 janv. 2026 à 10:00, Dana <dana@example.com> a écrit :",
    "El lun, 5 ene 2026 a las 10:00, Dana (<dana@example.com>) escribió:",
    "-----Original Message-----",
    "---------- Forwarded message ---------",
    "From: Dana <dana@example.com>\nSent: Monday, 5 January 2026 10:00\nTo: Mia",
]
lines = st.lists(st.sampled_from(["", "Hello", "> quoted", ">> twice", HEADINGS[0], HEADINGS[5], "wrote:"]), max_size=8)


@pytest.mark.parametrize("heading", HEADINGS)
def test_what_follows_a_heading_is_quoted(heading):
    assert parts(f"Yes, please.\n\n{heading}\n\nShall I?\nDana") == [
        Part("Yes, please.", False),
        Part(f"{heading}\n\nShall I?\nDana", True),
    ]


def test_answers_between_quotes_stay_in_the_open():
    body = "On Monday Dana wrote:\n> One?\nYes.\n> Two?\nNo."
    assert parts(body) == [
        Part("On Monday Dana wrote:\n> One?", True),
        Part("Yes.", False),
        Part("> Two?", True),
        Part("No.", False),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "On the roof he wrote: nothing",
        "I wrote:\nno heading, for it begins otherwise",
        "From: the garden\nwith love",
        "On Monday",
        "5 > 3",
    ],
)
def test_ordinary_sentences_are_no_headings(body):
    assert parts(body) == [Part(body, False)]


@pytest.mark.parametrize("body", ["> all\n> quoted", HEADINGS[5] + "\nHello"])
def test_a_body_of_nothing_but_quotes_is_left_open(body):
    assert parts(body) == [Part(body, False)]


def test_nothing_is_no_part():
    assert parts("") == parts(" \n\n") == []


@given(lines)
def test_no_line_is_ever_lost(body):
    shown = " ".join(part.text for part in parts("\n".join(body)))
    assert shown.split() == " ".join(body).split()


def test_a_body_made_to_be_slow_is_not():
    assert len(parts("On " * 50_000)) == 1
    assert len(parts("On a wrote\n" * 20_000)) == 1
