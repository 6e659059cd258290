"""SEND_PROPOSAL: the offer on paper, mailed, and the lead moved on."""

import re
import zlib
from datetime import timedelta

import pytest
from django.utils import timezone

from crm.exceptions import InvalidInput
from inbox.models import Message
from leads.models import Lead
from suggestions.kinds import KINDS
from suggestions.models import Suggestion
from tests.cast import browser, make_lead, make_suggestion
from tests.suggestions.email_execution import approve_and_send

ESCAPED = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


@pytest.fixture
def lead(ann):
    return make_lead(
        contact_name="Lee Lead", contact_email="lee@example.com", company_name="Lee & Sons", assigned_to=ann
    )


def make_proposal_suggestion(lead, **content):
    until = (timezone.localdate() + timedelta(days=30)).isoformat()
    content = {
        "title": "Your fleet",
        "amount": "1240.50",
        "validUntil": until,
        "body": "Dear {{first_name}},\n\nthis is it.",
    } | content
    return make_suggestion("SEND_PROPOSAL", lead=lead, suggested_content=content)


def pdf_text(pdf: bytes) -> str:
    """The text of a PDF, read by way of its own tables from glyphs to characters."""
    streams = [inflated(found) for found in re.findall(rb"stream\n(.*?)\nendstream", pdf, re.S)]
    tables = []
    for stream in streams:
        if b"beginbfchar" in stream:
            pairs = re.findall(rb"<([0-9A-F]{4})> <([0-9A-F]+)>", stream)
            tables.append({glyph: bytes.fromhex(text.decode()).decode("utf-16-be") for glyph, text in pairs})
    return "\n".join(shown_text(stream, tables) for stream in streams if b" Tj" in stream)


def inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream


def shown_text(stream: bytes, tables: list[dict[bytes, str]]) -> str:
    """What a page shows; each font's table is tried, for both faces have the same letters under other numbers."""
    lines = []
    for raw in re.findall(rb"\(((?:[^\\()]|\\.)*)\) ?Tj", stream, re.S):
        plain = re.sub(rb"\\(.)", lambda found: ESCAPED.get(found[1], found[1]), raw, flags=re.S)
        glyphs = [plain[at : at + 2].hex().upper().encode() for at in range(0, len(plain), 2)]
        lines += ["".join(table.get(glyph, "?") for glyph in glyphs) for table in tables]
    return "\n".join(lines)


def test_proposal_pdf_is_delivered_and_downloadable_from_thread(smtp_sink, lead, ann, bob, stranger):
    suggestion = approve_and_send(make_proposal_suggestion(lead), ann)
    [mail] = smtp_sink.emails
    assert mail["Subject"] == "Your fleet"
    assert mail.get_body(("plain",)).get_content() == "Dear Lee,\n\nthis is it.\n"
    [file] = mail.iter_attachments()
    pdf = file.get_content()
    assert (file.get_filename(), file.get_content_type(), pdf[:5]) == ("Proposal.pdf", "application/pdf", b"%PDF-")
    text = pdf_text(pdf)
    for words in ("Your fleet", "$1,240.50", "Dear Lee,", "this is it.", "For Lee Lead, Lee & Sons", "Valid until"):
        assert words in text, words
    message = Message.objects.get(pk=suggestion.result["message"])
    [entry] = message.attachments
    assert {"name", "type", "size", "url", "stored"} <= set(entry) and entry["size"] == len(pdf)
    served = browser(ann).get(entry["url"])
    assert b"".join(served.streaming_content) == pdf
    assert served["Content-Disposition"] == 'attachment; filename="Proposal.pdf"'
    assert (served["X-Content-Type-Options"], served["Content-Type"]) == ("nosniff", "application/octet-stream")
    assert browser(bob).get(entry["url"]).status_code in (302, 403, 404)
    assert browser(stranger).get(entry["url"]).status_code == 404
    assert entry["url"] in browser(ann).get(f"/inbox/thread/{message.thread_id}/change/").content.decode()
    assert browser(ann).get(entry["url"].replace("/0/", "/7/")).status_code in (302, 404)


@pytest.mark.parametrize("end", ["", "\n\n{{sender_name}}", "\n\n{{sender_name}}\n{{agency_name}}\n"])
def test_proposal_pdf_has_one_signature(smtp_sink, lead, ann, end):
    approve_and_send(make_proposal_suggestion(lead, body=f"This is it.{end}"), ann)
    [file] = smtp_sink.emails[0].iter_attachments()
    text = pdf_text(file.get_content())
    assert text.count("This is it.") == text.count("Ann\n") + text.endswith("Ann") == 1


def test_next_stage_is_suggested(smtp_sink, lead, ann):
    suggestion = approve_and_send(make_proposal_suggestion(lead), ann)
    [move] = Suggestion.objects.filter(type="CHANGE_STATUS", lead=lead)
    assert move.suggested_content["status"] == "PROPOSAL_SENT"
    assert suggestion.result["suggestions"] == [str(move.pk)]


def test_no_stage_is_suggested_when_already_there(smtp_sink, ann):
    lead = make_lead(contact_email="lee@example.com", status_id="PROPOSAL_SENT")
    suggestion = approve_and_send(make_proposal_suggestion(lead, body="Here."), ann)
    assert suggestion.result.keys() == {"thread", "message"}
    assert not Suggestion.objects.filter(type="CHANGE_STATUS").exists()


def test_unsupported_characters_in_pdf_are_reported(smtp_sink, lead, ann):
    suggestion = make_proposal_suggestion(lead, title="Größe Ἑλλάς", body="Привет, Ελλάδα, łódź. 東京 (x) \\ done")
    kind = KINDS["SEND_PROPOSAL"]
    shown = dict(kind.preview(kind.parse_content(suggestion.suggested_content), suggestion, ann))
    assert shown["Not in the PDF"] == "東 京: shown as \ufffd, because the font of the PDF lacks them."
    approve_and_send(suggestion, ann)
    [file] = smtp_sink.emails[0].iter_attachments()
    text = pdf_text(file.get_content())
    assert "Привет, Ελλάδα, łódź. \ufffd\ufffd (x)" in text
    assert "東京" in smtp_sink.emails[0].get_body(("plain",)).get_content()


def test_retry_sends_same_pdf_once(smtp_sink, lead, ann):
    smtp_sink.fault = "spam"
    suggestion = approve_and_send(make_proposal_suggestion(lead), ann)
    before = Message.objects.get()
    smtp_sink.fault = ""
    approve_and_send(suggestion, ann)
    assert Message.objects.get() == before and len(smtp_sink.data) == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"amount": "0"}, "amount: This must be more than 0"),
        ({"amount": "NaN"}, "amount: This must be a number"),
        ({"amount": "1.234"}, "amount: This must have at most 2 decimal places"),
        ({"validUntil": "2020-01-01"}, "is not in the future"),
        ({"title": "x\nBcc: eve@example.com"}, "The subject contains a line break"),
        ({"body": "{{password}}"}, "Unknown placeholder"),
    ],
)
def test_invalid_proposal_is_refused(lead, content, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        make_proposal_suggestion(lead, **content)


@pytest.mark.parametrize("tracked", [True, False])
def test_preview_announces_tracking_only_when_allowed(smtp_sink, lead, ann, settings, tracked):
    settings.PUBLIC_URL = "https://crm.example.com"
    Lead.objects.filter(pk=lead.pk).update(communications={"email": {"no_tracking": not tracked}})
    suggestion = make_proposal_suggestion(Lead.objects.get(pk=lead.pk))
    page = browser(ann).get(f"/suggestions/suggestion/{suggestion.pk}/change/").content.decode()
    said = ("You can also view the proposal here: https://crm.example.com/", "a tracking picture that tells us")
    assert [words in page for words in said] == [tracked, tracked]
    approve_and_send(suggestion, ann)
    [mail] = smtp_sink.emails
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert ("here: https://crm.example.com/t/" in text) is tracked
    assert ('.gif" width="1"' in html) is tracked
    page = browser(ann).get(f"/leads/lead/{lead.pk}/change/?edit=1").content.decode()
    assert "Do not track email opens" in page

    composer = browser(ann).get(f"/inbox/draft/add/?lead={lead.pk}").content.decode()
    assert ("This email contains a tracking picture" in composer) is tracked
