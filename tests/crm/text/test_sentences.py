"""Sentences, shortening, and the texts inside a content."""

import pytest

from crm.text.cleaning import collect_texts, shorten
from crm.text.sentences import split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("Version 1.2 of a.b is out.", ["Version 1.2 of a.b is out."]),
        ("A line that\nthe program broke.", ["A line that the program broke."]),
        ("A heading\n\nA paragraph.", ["A heading", "A paragraph."]),
        ("Really?! Yes...", ["Really?!", "Yes..."]),
        ("", []),
    ],
)
def test_text_is_split_into_sentences(text, sentences):
    assert [one for one in split_sentences(text) if one] == sentences


def test_list_items_are_sentences_where_asked():
    text = "We need:\n- two vans\n* a house\nin Boston."
    assert [one for one in split_sentences(text) if one] == ["We need: - two vans * a house in Boston."]
    items = ["We need:", "- two vans", "* a house in Boston."]
    assert [one for one in split_sentences(text, split_list_items=True) if one] == items


def test_number_and_length_of_sentences_are_limited():
    assert split_sentences("aaaa. bbbb. cccc.", most=2, length=3) == ["aaa", "bbb"]


@pytest.mark.parametrize(("text", "short"), [("abcde", "abcde"), ("abcdef", "abcd…"), ("abc  def", "abc…"), ("", "")])
def test_shortened_text_is_never_longer_than_asked(text, short):
    assert shorten(text, 5) == short


def test_texts_of_a_content_come_in_order_and_at_any_depth():
    deep = "x"
    for _ in range(5_000):
        deep = [deep]
    assert collect_texts({"a": ["b", {"c": "d"}, 7], "e": deep}) == "a\nb\nc\nd\ne\nx"
