"""The PDF of a proposal, in any language that the font can draw."""

import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache

from font_roboto import Roboto, RobotoBold
from fontTools.ttLib import TTFont
from fpdf import FPDF

from crm.records.local_time import agency_style

# The visible mark for a letter that the font cannot draw: the first of these that it can draw.
REPLACEMENT_MARKS = "\ufffd\u25a1?"
FONT_FAMILY = "Roboto"
PAGE_MARGIN, LINE_HEIGHT = 22, 6.2
QUIET_COLOUR, TEXT_COLOUR, ACCENT_COLOUR = (100, 116, 139), (15, 23, 42), (3, 105, 161)


@dataclass(frozen=True)
class ProposalDocument:
    """The contents of a proposal."""

    title: str
    recipient: str
    amount: Decimal
    valid_until: date
    body: str
    agency: str
    signature: str


@cache
def drawable_characters() -> frozenset[int]:
    """Return the characters that both faces of the font can draw."""
    faces = (set(TTFont(file, lazy=True).getBestCmap()) for file in (Roboto, RobotoBold))
    return frozenset(set.intersection(*faces))


@cache
def replacement_mark() -> str:
    """Return the mark for a letter that the font cannot draw."""
    return next(letter for letter in REPLACEMENT_MARKS if ord(letter) in drawable_characters())


def document_text(document: ProposalDocument) -> str:
    """Return all text of the document."""
    return "\n".join((document.title, document.recipient, document.body, document.agency, document.signature))


def undrawable_letters(text: str) -> list[str]:
    """Return the letters of `text` that the font cannot draw, each once."""
    return [
        letter for letter in dict.fromkeys(text) if letter not in " \n" and ord(letter) not in drawable_characters()
    ]


def replace_undrawable(text: str) -> str:
    """Return `text` with a visible mark for each letter that the font cannot draw."""
    text = unicodedata.normalize("NFC", text)
    # Joiners and variation selectors of emoji have no mark of their own.
    letters = (
        letter
        for letter in text
        if unicodedata.category(letter) not in ("Cf", "Mn") or ord(letter) in drawable_characters()
    )
    return "".join(
        letter if letter in " \n" or ord(letter) in drawable_characters() else replacement_mark() for letter in letters
    )


def render_pdf(document: ProposalDocument) -> bytes:
    """Return `document` as a PDF; the same document gives the same bytes."""
    pdf = FPDF(format="A4")
    # A fixed date: a second attempt must give the same bytes.
    pdf.set_creation_date(datetime(2000, 1, 1, tzinfo=UTC))
    pdf.set_title(replace_undrawable(document.title))
    pdf.set_author(replace_undrawable(document.agency))
    pdf.add_font(FONT_FAMILY, "", Roboto)
    pdf.add_font(FONT_FAMILY, "B", RobotoBold)
    pdf.set_margin(PAGE_MARGIN)
    pdf.set_auto_page_break(True, PAGE_MARGIN)
    pdf.add_page()
    add_paragraph(pdf, document.agency, 11, "B", ACCENT_COLOUR)
    pdf.ln(14)
    add_paragraph(pdf, document.title, 22, "B")
    add_paragraph(pdf, f"For {document.recipient}", 12, colour=QUIET_COLOUR)
    pdf.ln(8)
    add_paragraph(pdf, f"${document.amount:,.2f}", 18, "B", ACCENT_COLOUR)
    add_paragraph(pdf, f"Valid until {agency_style().long_day(document.valid_until)}", 11, colour=QUIET_COLOUR)
    pdf.ln(8)
    add_paragraph(pdf, document.body, 11)
    pdf.ln(10)
    add_paragraph(pdf, document.signature, 11)
    return bytes(pdf.output())


def add_paragraph(
    pdf: FPDF, text: str, size: float, style: str = "", colour: tuple[int, int, int] = TEXT_COLOUR
) -> None:
    """Write a paragraph, and move below it."""
    pdf.set_font(FONT_FAMILY, style, size)
    pdf.set_text_color(*colour)
    pdf.multi_cell(0, max(LINE_HEIGHT, size * 0.5), replace_undrawable(text), new_x="LMARGIN", new_y="NEXT", align="L")
