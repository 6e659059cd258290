"""Which signals the words of a lead show, and which they do not."""

import pytest

from crm.text.english.signals import SIGNAL_RULES, detect_signals, extract_budget
from leads.scoring.explanation import DEFAULT_SIGNAL_WEIGHTS
from tests.growth import assert_grows_linearly

MATCHING_TEXTS = {
    "budget_mentioned": [
        "Our budget is $12,000 a year for the whole package.",
        "We could spend up to 900 dollars, or let us say $900 a month at most.",
        "I would like to keep it under $2,400 if that can be done.",
        "I am willing to pay about £150 per month for this.",
    ],
    "decision_maker": [
        "I am the owner and would like to get this done with you.",
        "My partner has seen it, but I make the final decision on this.",
        "It's my call, so send me the papers when they are ready.",
        "I can sign it on Monday if you send it to me.",
    ],
    "follow_up_requested": [
        "Could you call me about the quote when you have it?",
        "Please get back to me on Thursday with the numbers.",
        "We are travelling now, so check back with me in January please.",
        "Can you give me a call this week about the trucks?",
        "Call me. It is about the two cars and the house.",
        "Please, call me when you have the numbers for us.",
    ],
    "meeting_scheduled": [
        "Tuesday at 10 am works for us, and my partner will be there too.",
        "I will see you on Friday then, and bring the papers with me.",
        "The appointment is confirmed, thank you for the quick answer.",
        "That works for me, let's talk on Wednesday about the rest.",
    ],
    "referral": [
        "My neighbour told me to call you about our house.",
        "I got your name from the people at the bank.",
        "You were recommended, well: Tom recommended you to us.",
        "A friend of mine is with you and has nothing but praise for it.",
    ],
    "competitor_mentioned": [
        "We have a quote from another agency that is about the same.",
        "My current agent has not called me in two years.",
        "We are comparing quotes from three companies at the moment.",
        "I am already with Bigsure and would like to see what you can do.",
        "We are insured with Bigsure at the moment, and that ends in May.",
    ],
    "price_sensitive": [
        "The premium is too high for what we get from it.",
        "Is there any discount if we take both policies with you?",
        "I am looking for the cheapest thing that is legal.",
        "Can you bring the price down a little, please?",
        "I have found a cheaper policy with all that this one has.",
        "They have a lower rate elsewhere for the same thing, so what can you do?",
    ],
    "just_exploring": [
        "I am just looking at the moment and have not made up my mind.",
        "There is no rush, we only want to know what is out there.",
        "We are not ready to switch, but would like to know more.",
        "We may do this, but maybe next year when the loan is paid.",
    ],
    "urgency_detected": [
        "We need the certificate as soon as possible, the job starts on Monday.",
        "Please send it right away because we are closing on the house.",
    ],
    "clear_requirements": [
        "We need a general liability policy for our 14 employees, effective 1 March.",
        "We are looking for cover for 6 trucks, and the policy renews on the 15th.",
    ],
}
NON_MATCHING_TEXTS = {
    "budget_mentioned": [
        "The deductible of my policy is $500, and I would like to know why.",
        "They could win up to $1,000 if they answer by Friday.",
        "We had a claim of $12,000 for the damage to the roof.",
        "We have no budget for this at all, and will not have one soon.",
        "Our turnover was $400,000 and we would like to spend more time on this.",
        "Last month we made $4,000 with it, and are offering you a part of that.",
        "The savings to our budget this year will be $40,000.",
    ],
    "decision_maker": [
        "I am not the owner, and I don't make the decision on this.",
        "The owner will decide when she is back from her holiday.",
        "I will ask my boss who has to sign off on it.",
    ],
    "follow_up_requested": [
        "Please do not call me, just write an email if there is something.",
        "Take me off the list and stop calling me about this.",
        "I will call you when I have the papers for the house.",
        "Please call me if you have any questions about the form.",
        "Call me old, but I like to have my papers in the post.",
    ],
    "meeting_scheduled": [
        "Tuesday doesn't work for me, I have to be in court.",
        "I have to cancel, so we will not talk on Friday.",
        "We should meet some day when there is time for it.",
    ],
    "referral": [
        "I would recommend that you read the policy first.",
        "Who was your contact before, if I may ask you that?",
        "I got your address from an advert in the town directory.",
    ],
    "competitor_mentioned": [
        "Can you send me another quote for the house, please?",
        "We are leaving my current agent out of this from now on.",
        "The other driver was insured, and the police have his details.",
        "You earn commissions by referring other agents to this plan of ours.",
        "The papers that you wanted are now with me, and I will read them.",
    ],
    "price_sensitive": [
        "There is too much noise in the street for a call just now.",
        "The price is fine, and we would like to go on with this.",
        "The roof is too high for the ladder that we have.",
        "The wooden fence is cheaper, and easier to mend than the wall was.",
        "It is not too expensive, and I like what is in it.",
        "This is a date that we cannot afford to miss, so be there.",
        "They took it over at a discount when the other shop had to close.",
        "We have the best price on the market for all that you need.",
    ],
    "just_exploring": [
        "I am just looking over the papers that you have sent.",
        "We have been looking forward to this, and are ready to sign.",
        "We are just checking that you got our mail with the papers.",
    ],
    "urgency_detected": [
        "It is not urgent, take the time that you need for it.",
        "We will answer as soon as we can about the house.",
        "Write back if you want to be removed from our list immediately.",
    ],
    "clear_requirements": [
        "We would like to have some insurance, what can you do for us?",
        "There were 14 people in the room when it happened to us.",
    ],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in MATCHING_TEXTS.items() for text in texts])
def test_matching_text_is_detected(name, text):
    assert name in {sign.type for sign in detect_signals(text)}


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in NON_MATCHING_TEXTS.items() for text in texts]
)
def test_similar_text_is_not_detected(name, text):
    assert name not in {sign.type for sign in detect_signals(text)}


def test_every_rule_has_examples_and_a_weight():
    assert (
        set(MATCHING_TEXTS)
        == set(NON_MATCHING_TEXTS)
        == {*SIGNAL_RULES, "budget_mentioned", "urgency_detected", "clear_requirements"}
    )
    assert set(MATCHING_TEXTS) <= set(DEFAULT_SIGNAL_WEIGHTS)


def test_budget_is_highest_amount_named():
    assert extract_budget("We want to spend between $1,200 and $1,500 a year.") == 1500
    assert extract_budget("Our budget is $12k for this.") == 12_000
    assert extract_budget("Our budget is $999,999,999,999 for this.") is None


def test_quoted_text_is_ignored():
    quoted = "On Monday Dana wrote:\n> Our budget is $500 a year, I am the owner."
    body = f"Thank you, we will look at it with my partner.\n\n{quoted}"
    assert detect_signals(body) == []


def test_other_languages_are_ignored():
    assert detect_signals("Unser Budget liegt bei $12,000 im Jahr, und ich bin der Inhaber der Firma.") == []


@pytest.mark.parametrize("piece", ["I want to pay $1", "1,", "call me ", "on ", "9 ", "we need "])
def test_time_grows_linearly_with_a_hostile_text(piece):
    assert_grows_linearly(
        detect_signals, lambda size: f"I want to pay ${piece * (size // len(piece))} and we are here for you", 100_000
    )


def test_evidence_quote_is_truncated():
    (sign,) = [
        one
        for one in detect_signals("Please call me " + "about the house and the garden and the car " * 20)
        if one.type == "follow_up_requested"
    ]
    assert len(sign.quote) <= 160
