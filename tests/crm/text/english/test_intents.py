"""What the words of a lead decide, rule by rule, both ways."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from crm.text.english.intents import (
    ACCEPT_RULES,
    ACCEPTED,
    DECLINE_RULES,
    DECLINED,
    find_decision,
    quote_questions,
    requested_call,
)

OPENING = "Hello Ann,\n\nthank you for the papers and for your time. "
# A Wednesday.
SAID_AT = datetime(2026, 11, 18, 9, tzinfo=ZoneInfo("America/New_York"))


@pytest.mark.parametrize("rule", DECLINE_RULES, ids=lambda rule: rule.example)
def test_declining_rule_matches_its_sentence_with_reason(rule):
    found = find_decision(f"{OPENING}{rule.example} Best wishes")
    assert (found.outcome, found.reason) == (DECLINED, rule.reason)
    assert find_decision(f"{OPENING}{rule.counterexample} Best wishes") is None


@pytest.mark.parametrize("rule", ACCEPT_RULES, ids=lambda rule: rule.example)
def test_accepting_rule_matches_its_sentence_only(rule):
    assert find_decision(f"{OPENING}{rule.example} Best wishes").outcome == ACCEPTED
    assert find_decision(f"{OPENING}{rule.counterexample} Best wishes") is None


@pytest.mark.parametrize(
    "words",
    [
        "Should we go ahead?",
        "We would like to go ahead if the price comes down.",
        "We are not ready to go ahead.",
        "We might accept your offer, I have to talk to my wife.",
        "Once the bank has agreed we want to go ahead.",
        "What happens if we are no longer interested?",
        "We are thinking about putting this on hold.",
        "Thank you for the papers, we will read them.",
        "It is too expensive, can you do something about the price?",
        "We accept your offer. On second thoughts, we are no longer interested.",
        "Thanks.\n\nOn Mon, 5 Jan 2026 Ann <ann@agency.example> wrote:\n> We accept your offer.",
        "Wir nehmen das Angebot gerne an und freuen uns auf die Zusammenarbeit mit Ihnen.",
        "",
    ],
)
def test_doubts_questions_and_conditions_decide_nothing(words):
    assert find_decision(words) is None


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("Please call me on Friday at 10am.", datetime(2026, 11, 20, 10)),
        ("Could you call me tomorrow at 2:30 pm?", datetime(2026, 11, 19, 14, 30)),
        ("Please call me on Wednesday at 8.", datetime(2026, 11, 25, 8)),
        ("Can we schedule a short call on Monday afternoon at 16:00?", datetime(2026, 11, 23, 16)),
    ],
)
def test_requested_call_time_is_parsed(words, at):
    assert requested_call(words, SAID_AT)[0] == at.replace(tzinfo=SAID_AT.tzinfo)


@pytest.mark.parametrize(
    "words",
    [
        "Please call me on Friday.",
        "Please call me at 3.",
        "Please call me on Friday at 10am or on Monday at 9am.",
        "I am at work on Friday at 10am.",
        "Please do not call me on Friday at 10am.",
        "Please call me on Friday at 25.",
        "Please call me on Friday at 11 pm.",
        "Please call me on Friday at 13pm.",
    ],
)
def test_unclear_call_time_is_ignored(words):
    assert requested_call(words, SAID_AT) is None


def test_question_or_first_sentence_is_quoted():
    assert quote_questions("Hello,\n\nhow much is it? And when does it start? Or where? Thanks") == [
        "how much is it?",
        "And when does it start?",
    ]
    assert quote_questions("Hi.\n\nHere are the papers for the van. Regards") == ["Here are the papers for the van."]
    assert len(quote_questions("a " * 5_000 + "?")[0]) <= 160
