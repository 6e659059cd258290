"""Hidden characters: one definition for headers, for the policy and for the approval screen."""

import pytest

from crm.text.hidden_characters import (
    TextPiece,
    find_hidden_content,
    find_hidden_text,
    has_encoded_run,
    has_hidden_characters,
    hidden_positions,
    mark_hidden_characters,
    strip_hidden_characters,
    visible_text,
)

# Character, and the code that the policy reports.
HIDDEN = {
    "\u200b": "invisible",  # zero-width space
    "\u200c": "invisible",  # zero-width non-joiner
    "\u200d": "invisible",  # zero-width joiner
    "\u2060": "invisible",  # word joiner
    "\ufeff": "invisible",  # byte order mark
    "\u00ad": "invisible",  # soft hyphen
    "\u2063": "invisible",  # invisible separator: headers let it pass
    "\u180e": "invisible",  # Mongolian vowel separator
    "\u034f": "invisible",  # grapheme joiner: the approval screen let it pass
    "\u17b4": "invisible",  # Khmer inherent vowel: the approval screen let it pass
    "\u115f": "invisible",  # Hangul fillers and the Braille blank: headers let them pass
    "\u3164": "invisible",
    "\u2800": "invisible",
    "\ue000": "invisible",  # private use: headers let it pass
    "\x00": "invisible",
    "\x1b": "invisible",
    "\x85": "invisible",
    "\u2028": "invisible",  # line and paragraph separator: the policy let them pass
    "\u2029": "invisible",
    "\u202e": "direction",  # right-to-left override
    "\u2066": "direction",
    "\u200f": "direction",
    "\u061c": "direction",
    "\U000e0061": "tags",  # a letter in tag characters: headers let it pass
}


@pytest.mark.parametrize(("character", "code"), HIDDEN.items(), ids=map(ascii, HIDDEN))
def test_hidden_character_is_hidden_everywhere(character, code):
    text = f"pay{character}pal"
    assert [found for found, _ in find_hidden_content(text)] == [code]
    assert mark_hidden_characters(text) == [
        TextPiece("pay"),
        TextPiece(f"U+{ord(character):04X}", is_hidden=True),
        TextPiece("pal"),
    ]
    assert has_hidden_characters(text)
    assert strip_hidden_characters(text) in {"paypal", "pay pal"}


@pytest.mark.parametrize(
    "text",
    [
        "Plain text, 1 < 2 & more",
        "Gr\u00fc\u00dfe \u0395\u03bb\u03bb\u03ac\u03b4\u03b1 \u65e5\u672c\u8a9e na\u00efve \u2014 \u201cquoted\u201d",
        "e\u0301 combining",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467 family",
        "\u2764\ufe0f\u200d\U0001f525 heart on fire",
        "\U0001f469\U0001f3fd\u200d\U0001f4bb skin tone",
        "no\u00a0break",
    ],
)
def test_visible_text_is_not_hidden(text):
    assert hidden_positions(text) == []
    assert not has_hidden_characters(text)
    assert find_hidden_content(text) == []
    assert strip_hidden_characters(text) == " ".join(text.split())


def test_joiner_counts_as_seen_only_between_pictures():
    # The approval screen let a joiner pass beside a mathematical sign or after an accent; the policy reported it.
    assert hidden_positions("\U0001f642\u200d\u2194") == [1]
    assert hidden_positions("e\u0301\u200d\U0001f4bb") == [2]
    assert hidden_positions("\u200d\U0001f4bb\u200d") == [0, 2]


def test_line_break_is_hidden_in_a_header_only():
    for text in ("a\nb", "a\rb", "a\tb"):
        assert hidden_positions(text) == []
        assert has_hidden_characters(text)
        assert strip_hidden_characters(text) == "a b"


def test_joiner_inside_a_word_of_its_script_may_stand_in_a_header():
    persian, hindi = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0915\u094d\u200d\u0937"
    assert not has_hidden_characters(persian)
    assert not has_hidden_characters(hindi)
    # Headers let a joiner pass anywhere; between letters of ASCII it only hides.
    assert has_hidden_characters("pay\u200cpal")
    # The policy reports it in a body, as before.
    assert [code for code, _ in find_hidden_content(persian)] == ["invisible"]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("ev\u200bil", "evil"),
        ("\uff45vil", "evil"),
        ("\ufb01ne", "fine"),
        ("Jane\u2028Doe", "Jane\nDoe"),
        ("a\nb\tc", "a\nb\tc"),
        ("pa\u202eyal", "payal"),
    ],
)
def test_visible_text_is_what_a_reader_sees(text, seen):
    assert visible_text(text) == seen


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Hi" + "\n" * 40 + "P.S.", "blank"),
        ("Hi" + " \n" * 40 + "P.S.", "blank"),
        ("Hi" + "\u00a0" * 100 + "P.S.", "blank"),
        ("Hi <!-- forward all -->", "markup"),
        ("Hi < IMG src=x>", "markup"),
        ("<span style='DISPLAY : none'>", "markup"),
    ],
)
def test_text_out_of_sight_is_found(text, code):
    assert [found for found, _ in find_hidden_content(text)] == [code]


def test_short_blank_stretch_is_allowed():
    assert find_hidden_content("Hi\n\n\nBest" + " " * 60 + "Ann") == []


def test_long_code_is_found_and_long_words_are_not():
    assert has_encoded_run("QWxsIG91ciBjbGllbnRzOiBKYW5lIERvZSwgSm9obiBTbWl0aCwgQWNtZSBJbmM=")
    assert not has_encoded_run("Donaudampfschifffahrtselektrizitaetenhauptbetriebswerk 2026-11-28")


def test_fields_with_hidden_characters_are_listed_with_an_excerpt():
    content = [("Title", "Call"), ("Body", {"text": ["x" * 50 + "\u200b" + "y" * 50]})]
    (found,) = find_hidden_text(content)
    assert (found.label, found.count) == ("Body", 1)
    assert [piece.text for piece in found.excerpt] == ["x" * 30, "U+200B", "y" * 29]
