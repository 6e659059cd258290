"""What the words of a lead decide, rule by rule, both ways."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from crm.text.english.intents import ACCEPTED, ACCEPTS, DECLINED, DECLINES, asked, call_wanted, verdict

OPENING = "Hello Ann,\n\nthank you for the papers and for your time. "
# A Wednesday.
SAID_AT = datetime(2026, 11, 18, 9, tzinfo=ZoneInfo("America/New_York"))


@pytest.mark.parametrize("rule", DECLINES, ids=lambda rule: rule.true)
def test_a_rule_of_declining_finds_its_sentence_with_the_reason(rule):
    found = verdict(f"{OPENING}{rule.true} Best wishes")
    assert (found.decided, found.reason) == (DECLINED, rule.reason)
    assert verdict(f"{OPENING}{rule.false} Best wishes") is None


@pytest.mark.parametrize("rule", ACCEPTS, ids=lambda rule: rule.true)
def test_a_rule_of_accepting_finds_its_sentence_and_not_the_other(rule):
    assert verdict(f"{OPENING}{rule.true} Best wishes").decided == ACCEPTED
    assert verdict(f"{OPENING}{rule.false} Best wishes") is None


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
def test_doubts_questions_conditions_and_quotes_decide_nothing(words):
    assert verdict(words) is None


@pytest.mark.parametrize(
    ("words", "at"),
    [
        ("Please call me on Friday at 10am.", datetime(2026, 11, 20, 10)),
        ("Could you call me tomorrow at 2:30 pm?", datetime(2026, 11, 19, 14, 30)),
        ("Please call me on Wednesday at 8.", datetime(2026, 11, 25, 8)),
        ("Can we schedule a short call on Monday afternoon at 16:00?", datetime(2026, 11, 23, 16)),
    ],
)
def test_the_hour_at_which_they_want_a_call(words, at):
    assert call_wanted(words, SAID_AT)[0] == at.replace(tzinfo=SAID_AT.tzinfo)


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
def test_no_hour_is_made_up(words):
    assert call_wanted(words, SAID_AT) is None


def test_what_they_ask_is_quoted_else_how_they_begin():
    assert asked("Hello,\n\nhow much is it? And when does it start? Or where? Thanks") == [
        "how much is it?",
        "And when does it start?",
    ]
    assert asked("Hi.\n\nHere are the papers for the van. Regards") == ["Here are the papers for the van."]
    assert len(asked("a " * 5_000 + "?")[0]) <= 160
