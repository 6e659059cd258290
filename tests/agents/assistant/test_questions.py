"""What a question about a lead is after: by rules, without a database."""

from datetime import UTC, datetime

import pytest

from agents.assistant.questions import (
    OVERVIEW_TOPICS,
    TOPIC_RULES,
    Topic,
    find_search_text,
    parse_question,
    parse_since,
)

# A Monday.
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
T = Topic

ASKED = {
    "Who is it?": [T.IDENTITY],
    "Where do they come from?": [T.IDENTITY],
    "What is their company name?": [T.IDENTITY],
    "What's the phone number?": [T.CONTACT_DETAILS],
    "How can I reach them?": [T.CONTACT_DETAILS],
    "What is her email?": [T.CONTACT_DETAILS],
    "Are we allowed to call?": [T.CONTACT_DETAILS],
    "Which stage is it in, and since when?": [T.STAGE],
    "Where does it stand?": [T.STAGE],
    "Why is the score so low?": [T.SCORE],
    "Why is this lead hot?": [T.SCORE],
    "What tier is it?": [T.SCORE],
    "How likely are they to buy?": [T.PROBABILITY],
    "What are the odds?": [T.PROBABILITY],
    "What is it worth?": [T.VALUE],
    "When do we expect it to close?": [T.VALUE],
    "When did we last speak?": [T.LAST_CONTACT],
    "Whose turn is it?": [T.LAST_CONTACT],
    "Do we owe them a reply?": [T.LAST_CONTACT],
    "Have they answered?": [T.LAST_CONTACT],
    "How long have they been silent?": [T.LAST_CONTACT],
    "What did they say last?": [T.MESSAGES],
    "Show me the last message": [T.MESSAGES],
    "What do they want?": [T.MESSAGES],
    "How do they sound?": [T.MESSAGES],
    "What did they say about the deductible?": [T.SEARCH],
    "Did they mention a competitor?": [T.SEARCH],
    "What did they say about the deductible, and whose turn is it?": [T.SEARCH, T.LAST_CONTACT],
    "Did they mention the fence? Who decides?": [T.SEARCH, T.STAKEHOLDERS],
    "Is there anything about the roof?": [T.SEARCH],
    "Which tasks are open?": [T.TASKS],
    "Is anything overdue?": [T.TASKS],
    "Are there any tickets?": [T.TICKETS],
    "Did they complain?": [T.TICKETS],
    "What was suggested and what did we decide?": [T.DECISIONS],
    "What did Dana reject?": [T.DECISIONS],
    "What should I do next?": [T.SUGGESTIONS],
    "What is the next best action?": [T.SUGGESTIONS],
    "What is the VIN?": [T.DATA],
    "How many vehicles do they have?": [T.DATA],
    "Which line of insurance is it?": [T.DATA],
    "Who decides?": [T.STAKEHOLDERS],
    "List the stakeholders": [T.STAKEHOLDERS],
    "Who works on it?": [T.OWNER],
    "Who is the owner of this lead?": [T.OWNER],
    "What happened since last week?": [T.TIMELINE],
    "What's new?": [T.TIMELINE],
    "Are there notes?": [T.NOTES],
    "Why did we lose it?": [T.OUTCOME],
    "What is the score and who works on it?": [T.SCORE, T.OWNER],
    "Open tasks and tickets, please": [T.TASKS, T.TICKETS],
    "Catch me up": list(OVERVIEW_TOPICS),
    "Summarise this lead": list(OVERVIEW_TOPICS),
    # None of these: no topic is guessed.
    "What is the meaning of life?": [],
    "Lorem ipsum": [],
    "??": [],
    "": [],
}


@pytest.mark.parametrize("question", ASKED)
def test_question_maps_to_topics(question):
    assert list(parse_question(question, NOW).topics) == ASKED[question]


def test_every_topic_rule_has_an_example():
    assert {topic for topic, _ in TOPIC_RULES} <= {topic for topics in ASKED.values() for topic in topics}


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("What did they say about the deductible?", "deductible"),
        ("Did they ever mention the flat roof?", "flat roof"),
        ('Who wrote "water damage"?', "water damage"),
        ("Did we talk about -price or “the roof”?", "the roof"),
        ("What did they say?", ""),
        ("Did they mention it?", ""),
    ],
)
def test_search_words_are_extracted_from_question(question, words):
    assert find_search_text(question.casefold()) == words


def test_unknown_question_becomes_search_words():
    assert parse_question("Earthquake retrofit?", NOW).search == "earthquake retrofit"
    assert len(parse_question("x" * 2_000, NOW).search) <= 100


@pytest.mark.parametrize(
    ("question", "day"),
    [
        ("since 2026-11-03", "2026-11-03"),
        ("since 3 November", "2026-11-03"),
        ("since November 3rd, 2025", "2025-11-03"),
        ("since 24 december", "2025-12-24"),
        ("since yesterday", "2026-11-22"),
        ("today", "2026-11-23"),
        ("since friday", "2026-11-20"),
        ("since monday", "2026-11-16"),
        ("in the last 10 days", "2026-11-13"),
        ("since two weeks ago", "2026-11-09"),
        ("last month", "2026-10-24"),
        ("since 31 february", None),
        ("since 2031-01-01", None),
        ("since when", None),
        ("how many weeks", None),
        ("since 99999 days ago 0000-00-00", None),
    ],
)
def test_date_is_parsed_from_question(question, day):
    found = parse_since(question.casefold(), NOW)
    assert (found and str(found.date())) == day


def test_date_alone_asks_for_events():
    assert parse_question("And since 3 November?", NOW, [T.STAGE]).topics == (T.TIMELINE,)


def test_short_question_continues_previous_topic():
    assert parse_question("And why?", NOW, [T.SCORE]).topics == (T.SCORE,)
    assert parse_question("Since when?", NOW, [T.STAGE]).topics == (T.STAGE,)
    assert parse_question("And the tickets?", NOW, [T.SCORE]).topics == (T.TICKETS,)
    assert parse_question("And why?", NOW).topics == ()
    assert parse_question("And why does the moon shine over the sea at night?", NOW, [T.SCORE]).topics == ()
