"""Email addresses and headers: which are accepted, and which addresses are found in a text."""

import pytest

from crm.exceptions import InvalidInput
from crm.text.addresses import (
    agency_domain,
    clean_address,
    clean_addresses,
    clean_header,
    extract_addresses,
    is_no_reply_address,
    printable_excerpt,
    sendable_address,
)


@pytest.mark.parametrize(
    "text", ["lee@ours.example", " lee@ours.example ", "Lee.O'Neil+x@a.b.example", "d..lee.@a.example"]
)
def test_plain_address_is_accepted(text):
    assert clean_address(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lee@ours.example\nBcc: eve@evil.example", "line break"),
        ("lee@ours.example\u200b", "invisible"),
        ("lee\u202e@ours.example", "invisible"),
        ("lee@ours.example\U000e0061", "invisible"),
        ("l\u0435e@ours.example", "outside ASCII"),
        ("l\u00e9e@ours.example", "letters outside ASCII before the @"),
        ("..@ours.example", "not an email address"),
        ("lee@ours..example", "not an email address"),
        ("lee@m\u00fcller.example", "outside ASCII"),
        ("Bcc: eve@evil.example", "Bcc is not available"),
        ("Lee <lee@ours.example>", "not an email address"),
        ("lee@ours.example, eve@evil.example", "not an email address"),
        ("lee", "not an email address"),
        ("", "not an email address"),
        (f"{'a' * 60}@{'b.' * 110}example", "email address"),
    ],
)
def test_anything_else_is_refused_with_a_reason(text, why):
    with pytest.raises(InvalidInput, match=why):
        clean_address(text)


@pytest.mark.parametrize(
    ("address", "sendable"),
    [
        ("lee@bücher.example", "lee@xn--bcher-kva.example"),
        ("lee@ours.example", "lee@ours.example"),
        ("lée@ours.example", "lée@ours.example"),
        ("lee@\u202e.example", "lee@\u202e.example"),
    ],
)
def test_international_domain_has_a_form_for_mail_servers(address, sendable):
    assert sendable_address(address) == sendable


def test_same_address_is_kept_once_and_too_many_are_refused():
    assert clean_addresses(["Lee@ours.example", "lee@ours.example"]) == ["Lee@ours.example"]
    with pytest.raises(InvalidInput, match="at most 10 recipients; this one has 11"):
        clean_addresses([f"x{n}@ours.example" for n in range(11)])


@pytest.mark.parametrize("text", ["Hi\r\nBcc: eve@evil.example", "Hi\u2028x", "Hi \u202egnp.exe", "Hi\U000e0061"])
def test_header_must_be_one_visible_line(text):
    with pytest.raises(InvalidInput, match="The subject contains a line break or an invisible character"):
        clean_header(text, "subject")


def test_header_keeps_emoji_and_other_scripts_and_has_a_limit():
    assert (
        clean_header(" Gr\u00fc\u00dfe \U0001f469\u200d\U0001f4bb ", "subject")
        == "Gr\u00fc\u00dfe \U0001f469\u200d\U0001f4bb"
    )
    with pytest.raises(InvalidInput, match="The subject is longer than 500 characters"):
        clean_header("x" * 501, "subject")


def test_excerpt_shows_hidden_characters_as_dots():
    assert printable_excerpt("a\u200bb\nc") == "a\u00b7b\u00b7c"
    assert printable_excerpt("x" * 100) == "x" * 59 + "\u2026"


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("Write to Lee@Ours.example, or 'eve@evil.example'.", ["lee@ours.example", "eve@evil.example"]),
        ("lee@ours.example lee@OURS.example", ["lee@ours.example"]),
        ("<lee@ours.example>; mailto:eve@evil.example", ["lee@ours.example", "eve@evil.example"]),
        ("l\u0435e@ours.example", ["l\u0435e@ours.example"]),
        ("@ours lee@ lee@localhost", []),
    ],
)
def test_addresses_are_found_in_a_text(text, addresses):
    assert extract_addresses(text) == addresses


@pytest.mark.parametrize("name", ["no-reply", "noreply", "do_not_reply", "donotreply", "Mailer-Daemon", "bounces+17"])
def test_no_reply_address_is_recognised(name):
    assert is_no_reply_address(f"{name}@shop.example")


@pytest.mark.parametrize("name", ["nora.reply", "north", "bouncesby"])
def test_similar_name_is_not_a_no_reply_address(name):
    assert not is_no_reply_address(f"{name}@shop.example")


def test_agency_domain_is_in_lower_case(settings):
    settings.DEFAULT_FROM_EMAIL = "Agency <office@Agency.Example>"
    assert agency_domain() == "agency.example"
