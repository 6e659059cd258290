"""A proposal on paper: one PDF, in any language that the font can draw."""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache

from font_roboto import Roboto, RobotoBold
from fontTools.ttLib import TTFont
from fpdf import FPDF

# What stands, and is seen, for a letter that the font cannot draw: the first of these that it can.
MARKS = "\ufffd\u25a1?"
FAMILY = "Roboto"
MARGIN, LINE = 22, 6.2
QUIET, DARK, ACCENT = (100, 116, 139), (15, 23, 42), (3, 105, 161)


@dataclass(frozen=True)
class Offer:
    """What a proposal says."""

    title: str
    whom: str
    amount: Decimal
    valid_until: date
    body: str
    agency: str
    signed: str


@cache
def drawable() -> frozenset[int]:
    """The characters that both faces of the font can draw."""
    faces = (set(TTFont(file, lazy=True).getBestCmap()) for file in (Roboto, RobotoBold))
    return frozenset(set.intersection(*faces))


@cache
def mark() -> str:
    """What stands for a letter that cannot be drawn."""
    return next(letter for letter in MARKS if ord(letter) in drawable())


def text_of(offer: Offer) -> str:
    """Every text on the paper."""
    return "\n".join((offer.title, offer.whom, offer.body, offer.agency, offer.signed))


def missing(text: str) -> list[str]:
    """The letters of `text` that cannot be drawn, each once."""
    return [letter for letter in dict.fromkeys(text) if letter not in " \n" and ord(letter) not in drawable()]


def drawn(text: str) -> str:
    """`text` with a visible mark for each letter that cannot be drawn."""
    text = unicodedata.normalize("NFC", text)
    # Joiners and variants of emoji stand for nothing by themselves.
    plain = (letter for letter in text if unicodedata.category(letter) not in ("Cf", "Mn") or ord(letter) in drawable())
    return "".join(letter if letter in " \n" or ord(letter) in drawable() else mark() for letter in plain)


def write(offer: Offer) -> bytes:
    """`offer` as a PDF of as many pages as it takes; the same offer gives the same bytes."""
    pdf = FPDF(format="A4")
    # Not the time of writing: a second attempt is the same paper.
    pdf.set_creation_date(datetime(2000, 1, 1, tzinfo=UTC))
    pdf.set_title(drawn(offer.title))
    pdf.set_author(drawn(offer.agency))
    pdf.add_font(FAMILY, "", Roboto)
    pdf.add_font(FAMILY, "B", RobotoBold)
    pdf.set_margin(MARGIN)
    pdf.set_auto_page_break(True, MARGIN)
    pdf.add_page()
    say(pdf, offer.agency, 11, "B", ACCENT)
    pdf.ln(14)
    say(pdf, offer.title, 22, "B")
    say(pdf, f"For {offer.whom}", 12, colour=QUIET)
    pdf.ln(8)
    say(pdf, f"${offer.amount:,.2f}", 18, "B", ACCENT)
    say(pdf, f"Valid until {offer.valid_until:%-d %B %Y}", 11, colour=QUIET)
    pdf.ln(8)
    say(pdf, offer.body, 11)
    pdf.ln(10)
    say(pdf, offer.signed, 11)
    return bytes(pdf.output())


def say(pdf: FPDF, text: str, size: float, style: str = "", colour: tuple[int, int, int] = DARK) -> None:
    """Write a paragraph and go below it."""
    pdf.set_font(FAMILY, style, size)
    pdf.set_text_color(*colour)
    pdf.multi_cell(0, max(LINE, size * 0.5), drawn(text), new_x="LMARGIN", new_y="NEXT", align="L")
