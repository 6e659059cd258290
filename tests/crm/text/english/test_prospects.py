"""Emails from unknown senders: which read like a prospect's, and what they tell about the sender."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.text.english.prospects import (
    NEGATIVE_RULES,
    POSITIVE_RULES,
    extract_company,
    extract_name,
    extract_phone,
    extract_yearly_value,
    score_prospect,
)

LINES = {
    "auto": "Auto",
    "home": "Home",
    "renters": "Renters",
    "umbrella": "Umbrella",
    "specialty": "Specialty",
    "life": "Life",
    "commercial_auto": "Commercial auto",
    "general_liability": "General liability",
    "commercial_property": "Commercial property",
    "workers_compensation": "Workers compensation",
    "pet": "Pet",
}
PROSPECTS = [
    ("Could you quote car insurance for my daughter, who has just got her licence?", "auto"),
    ("We are buying a house on Elm Street and the bank wants home insurance. How much would that cost?", "home"),
    ("I need renters insurance from the first of May. Please call me at (419) 555-0170.", "renters"),
    ("We run three delivery vans and are looking for a better insurance. Our renewal is on 1 June.", "commercial_auto"),
    ("Our restaurant needs workers comp for nine people. Can you send us a price?", "workers_compensation"),
    ("A friend recommended you. I'd like a quote for life insurance, I am 41 and do not smoke.", "life"),
    ("Do you insure food trucks? We start in spring and would like general liability, too.", "general_liability"),
    ("Our policy for the warehouse expires in March, can you give us a quote before that?", "commercial_property"),
    ("I'm interested in an umbrella policy above my home and auto.", "umbrella"),
    ("Would you cover a small boat? We need insurance for it before the season.", "specialty"),
    ("I'd like pet insurance for two dogs, what does it cost?", "pet"),
    ("We are a firm of nine and want to get a quote on our liability before we renew in April.", "general_liability"),
]
NONE = [
    "We offer insurance leads of the best quality. Are you looking for more clients?",
    "Our platform helps agencies to quote faster. Book a demo!",
    "Please find my resume attached. I apply for the position of an insurance agent, and I have a licence.",
    "We have two candidates for your open position as account manager. Shall I send their profiles?",
    "You qualify for the lowest rates on life insurance! Click here for your free quote. To unsubscribe, reply STOP.",
    "I have an inheritance of ten million dollars and need a partner whom I can trust with the transfer of funds.",
    "My policy number is 4471. I need a new certificate, the old one is lost.",
    "Lunch on Thursday?",
    "Here is the paper that we talked about.",
    "Dear members, the next breakfast is in two weeks. Our insurance covers the parade.",
    "The invoice for the printing is attached, please pay it by the end of the month.",
    "Are you paying too much for car insurance? Save up to 40% now.",
    "Could you send me the notes of the meeting?",
    "",
]
CLOSING = ["Nora New", "New Bread", "(419) 555-0188"]


@pytest.mark.parametrize("rule", [*POSITIVE_RULES, *NEGATIVE_RULES], ids=lambda rule: rule.reason)
def test_each_rule_matches_its_example_only(rule):
    assert rule.pattern.search(rule.example)
    assert not rule.pattern.search(rule.counterexample)


@pytest.mark.parametrize(("words", "line"), PROSPECTS)
def test_request_for_cover_is_a_prospect(words, line):
    verdict = score_prospect("A question", words, LINES)
    assert verdict.is_prospect, verdict
    assert verdict.line == line
    assert verdict.quotes


@pytest.mark.parametrize("words", NONE)
def test_vendor_email_is_not_a_prospect(words):
    verdict = score_prospect("Hello", words, LINES)
    assert not verdict.is_prospect, verdict


@given(st.text(max_size=2_000))
def test_any_text_can_be_judged(words):
    assert 0 <= score_prospect(words, words, LINES).score <= 1
    assert len(extract_phone(words)) <= 40
    assert len(extract_company(words, words.splitlines(), "")) <= 80
    assert extract_name(words, "a@example.com", words.splitlines())
    extract_yearly_value(words)


@pytest.mark.parametrize(
    ("shown", "address", "closing", "name"),
    [
        ("Nora New", "n@example.com", [], "Nora New"),
        ("", "n@example.com", CLOSING, "Nora New"),
        ("", "nora.new@example.com", [], "Nora New"),
        ("Office Manager", "nora.new@example.com", [], "Nora New"),
        ("Nora", "office@example.com", [], "Nora"),
        ("click\u202e here http://evil.example", "nora@example.com", [], "Nora"),
        ("", "12345@example.com", [], "12345@example.com"),
    ],
)
def test_name_is_extracted(shown, address, closing, name):
    assert extract_name(shown, address, closing) == name


@pytest.mark.parametrize(
    ("text", "phone"),
    [
        ("Call me: (419) 555-0188.", "(419) 555-0188"),
        ("+49 30 1234567 is my number", "+49 30 1234567"),
        ("My phone is 4195550188", "4195550188"),
        ("The policy 4195550188 ends on 2026-03-01", ""),
        ("Frame 12345 of 2026", ""),
    ],
)
def test_phone_number_is_extracted(text, phone):
    assert extract_phone(text) == phone


@pytest.mark.parametrize(
    ("text", "closing", "company"),
    [
        ("Hello", CLOSING, "New Bread"),
        ("I write for Harlan Tools LLC about our vans.", [], "Harlan Tools LLC"),
        ("Hello", ["Nora New", "Office Manager"], ""),
        ("Hello there", [], ""),
    ],
)
def test_company_is_extracted(text, closing, company):
    assert extract_company(text, closing, "Nora New") == company


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("We pay about $2,400 a year now.", Decimal("2400.00")),
        ("Our budget is $3k.", Decimal("3000.00")),
        ("We pay $200 a month.", None),
        ("The building is worth $80,000.", None),
        ("Our budget is $99,999,999,999.", None),
    ],
)
def test_yearly_value_is_extracted(text, value):
    assert extract_yearly_value(text) == value
