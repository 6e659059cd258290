"""Find the topics of a question about a lead by readable rules. Pure: no database."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

MAX_TOPICS = 5
MAX_FOLLOW_UP_WORDS = 7
MAX_SEARCH_TEXT_LENGTH = 100


class Topic(StrEnum):
    """The topics of questions about a lead, in the order of an overview."""

    IDENTITY = "identity"
    CONTACT_DETAILS = "contact_details"
    STAGE = "stage"
    SCORE = "score"
    PROBABILITY = "probability"
    VALUE = "value"
    LAST_CONTACT = "last_contact"
    MESSAGES = "messages"
    SEARCH = "search"
    SUGGESTIONS = "suggestions"
    TASKS = "tasks"
    TICKETS = "tickets"
    DECISIONS = "decisions"
    DATA = "data"
    STAKEHOLDERS = "stakeholders"
    OWNER = "owner"
    TIMELINE = "timeline"
    NOTES = "notes"
    OUTCOME = "outcome"


TOPIC_HEADINGS = {
    Topic.IDENTITY: "Name and company",
    Topic.CONTACT_DETAILS: "Contact details",
    Topic.STAGE: "Stage",
    Topic.SCORE: "Score and tier",
    Topic.PROBABILITY: "Probability",
    Topic.VALUE: "Value",
    Topic.LAST_CONTACT: "Last contact and replies",
    Topic.MESSAGES: "Latest messages",
    Topic.SEARCH: "Found in the conversations",
    Topic.SUGGESTIONS: "Suggestions to review",
    Topic.TASKS: "Open tasks",
    Topic.TICKETS: "Tickets",
    Topic.DECISIONS: "Decided suggestions",
    Topic.DATA: "Insurance data and other fields",
    Topic.STAKEHOLDERS: "Stakeholders",
    Topic.OWNER: "Owner",
    Topic.TIMELINE: "Timeline",
    Topic.NOTES: "Notes and tags",
    Topic.OUTCOME: "Outcome",
}
OVERVIEW_TOPICS = (
    Topic.IDENTITY,
    Topic.STAGE,
    Topic.SCORE,
    Topic.VALUE,
    Topic.LAST_CONTACT,
    Topic.MESSAGES,
    Topic.SUGGESTIONS,
)

# Topics with the words that ask for them. A question can have several; they are answered in the order of the question.
TOPIC_RULES: tuple[tuple[Topic, str], ...] = (
    (Topic.IDENTITY, r"who (is|are|was) (it|this|that|they|he|she|the lead|the (customer|prospect))\b"),
    (Topic.IDENTITY, r"\b(their|his|her|the) (name|company|employer|firm|business)\b|\bcompany name\b|what company"),
    (
        Topic.IDENTITY,
        r"where (do|did|does) (they|it|he|she|this lead) come from|\bhow did (they|it) find us|\breferred\b",
    ),
    (Topic.IDENTITY, r"\bsource of (it|this|the lead)|\blead source\b|\b(individual|person) or (a )?business\b"),
    (
        Topic.CONTACT_DETAILS,
        r"\b(phone|telephone|mobile|cell|number to call|e-?mail address|contact (data|details|info\w*))\b",
    ),
    (
        Topic.CONTACT_DETAILS,
        r"\b(reach|get hold of|contact) (them|him|her|lee|this|it|the)\b|\bhow (can|do|should) (i|we) (reach|"
        r"call|contact)\b|\b(may|can|are) we (allowed to )?(call|text|mail|email)\b|"
        r"\bwebsite\b|\bhomepage\b|\bopt(ed)?.?in\b",
    ),
    (Topic.CONTACT_DETAILS, r"\b(their|his|her|the|what) (e-?mail|address|number)\b|\bis the (e-?mail|number)\b"),
    (Topic.STAGE, r"\bstages?\b|\bwhere (does|do) (it|they|this|we|things) stand\b|\bpipeline\b|\bstatus\b"),
    (Topic.STAGE, r"\bhow long (has it|have they|has this) been (in|a lead|here|open)\b|\bhow far (is|are|have)\b"),
    (
        Topic.SCORE,
        r"\bscor(e|es|ed|ing)\b|\btier\b|\bsignals?\b|\bwhy\b.*\b(hot|warm|cold|dormant)\b|\bhow (hot|warm|cold)",
    ),
    (Topic.SCORE, r"\bis (it|this|he|she) (a )?(hot|warm|cold|dormant)\b|\bpriority\b"),
    (
        Topic.PROBABILITY,
        r"\b(probab\w+|likely|likelihood|chances?|odds)\b|\b(will|can) (we|they) (win|close|buy|sign)\b",
    ),
    (
        Topic.VALUE,
        r"\bworth\b|\bvalue\b|\bdeal size\b|\bhow (big|large)\b|\bmoney\b|\brevenue\b|\bhow much is (it|this)\b",
    ),
    (
        Topic.VALUE,
        r"\bexpect(ed)? (it )?to close\b|\bexpected close\b|\bclos(e|ing) date\b|\bwhen (will|do|does)\b.*\bclose\b",
    ),
    (
        Topic.LAST_CONTACT,
        r"\bwhose turn\b|\b(we|they|who|anybody|i) owes?\b|\bowed?\b.*\b(reply|answer)\b|\blast (contact|"
        r"spoke|talked|touch)|\blast (speak|talk|hear|heard|reach|write|call|contact)\b|\bin touch\b",
    ),
    (
        Topic.LAST_CONTACT,
        r"\b(have|did|has|had) (they|he|she|anyone|we|lee) (answered|replied|responded|reply|answer|"
        r"respond|called|call)\b|\bsilen(t|ce)\b|\bwaiting for\b|\bgone quiet\b|\bball\b.*\bcourt\b",
    ),
    (
        Topic.MESSAGES,
        r"\b(said|say|says|saying|wrote|written|told us|tell us)\b|\b(last|latest|newest|recent) (message|mail|"
        r"e-?mail|word|conversation|call|reply)s?\b|\bwhat (do|does|did) (they|he|she) (want|write|ask|need)\b",
    ),
    (
        Topic.MESSAGES,
        r"\bconversations?\b|\bmessages\b|\bcorrespondence\b|\bmood\b|\bsentiment\b|\bhow do(es)? (they|it|he|she) "
        r"(sound|feel)\b",
    ),
    (
        Topic.SUGGESTIONS,
        r"\bnext (step|action|move|best)|\bwhat (should|shall|can|do|must) (i|we)\b.*\b(next|now|do)\b|\bwhat now\b|"
        r"\bwhat('s| is) next\b|\bwaiting (for|to be) (approv|decid)\w*|\bto (approve|decide)\b|\brecommend\w*",
    ),
    (Topic.TASKS, r"\btasks?\b|\bto.?dos?\b|\boverdue\b|\bpromised?\b|\bwhat (do|did) (i|we) have to do\b|\bdue\b"),
    (
        Topic.TICKETS,
        r"\btickets?\b|\bcomplain\w*|\bsupport (case|issue|request)s?\b|\bproblems?\b|\bissues?\b|\btrouble\b",
    ),
    (
        Topic.DECISIONS,
        r"\b(suggested|suggestions?|proposed|proposals? (was|were|did)|approved?|reject(ed)?|turned down|decided?|"
        r"decisions?)\b",
    ),
    (
        Topic.DATA,
        r"\b(vin|vehicles?|cars?|drivers?|roof|propert(y|ies)|custom fields?|line of insurance|which line|"
        r"what line|insured|coverages?|policy number|fields?|square feet|year built)\b|\bline data\b",
    ),
    (
        Topic.STAKEHOLDERS,
        r"\bstakeholders?\b|\bdecision.?makers?\b|\bwho (decides|signs|else|has a say|pays)\b|\bcontacts\b|"
        r"\binvolved\b|\binfluencers?\b",
    ),
    (
        Topic.OWNER,
        r"\bowners?\b|\bowns\b|\bwho (works|is working|takes care|looks after|handles|is assigned|of us)\b|"
        r"\bassigned\b|\bin charge\b|\bresponsible\b|\bwhose (lead|is it)\b",
    ),
    (
        Topic.TIMELINE,
        r"\bhappen(ed|ing|s)?\b|\bchanged?\b|\bwhat('s| is| was)? new\b|\bhistory\b|\btimeline\b|\bnews\b|"
        r"\bactivit(y|ies)\b|\bsince (yesterday|last|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b",
    ),
    (Topic.NOTES, r"\bnotes?\b|\btags?\b|\btagged\b|\bremarks?\b"),
    (
        Topic.OUTCOME,
        r"\b(lose|lost|won|converted|conversion)\b|\bwhy (did|was) (it|we|they).*\b(end|closed?)\b|\bclosed\b|"
        r"\bbecome a client\b",
    ),
)
TOPIC_PATTERNS = tuple((topic, re.compile(words)) for topic, words in TOPIC_RULES)
OVERVIEW_PATTERN = re.compile(
    r"\b(summar\w+|overview|brief me|catch me up|tell me (more )?(about|everything)|what do (we|i|you) (need to )?know|"
    r"background|big picture|in short|tl;?dr)\b"
)
# Where the next question of the same sentence starts.
NEXT_CLAUSE = (
    r"(?:[?;!]|,? (?:and|but) (?:who|whose|what|when|where|why|how|is|are|do|does|did|has|have|had|can|will|should)\b)"
)
SEARCH_OBJECT = rf"((?:(?!{NEXT_CLAUSE}).)+)"
# "What did they say about the roof?" is a search in the conversations.
SEARCH_QUESTION_PATTERN = re.compile(
    r"\b(?:sa(?:y|id|ys)|wr[io]te|written|ask(?:ed)?|talk(?:ed)?|spoken?|discuss(?:ed)?|told|tell|anything|something|"
    r"mails?|messages?|words?|news|heard?)\b(?: (?:us|me|we|they|to us|last|ever|there))*"
    rf" (?:about|on|of|regarding|concerning)\s+{SEARCH_OBJECT}"
)
MENTION_PATTERN = re.compile(
    r"\b(?:mention(?:ed|s)?|bring up|brought up|discuss(?:ed)?|search(?: for)?|look for|find)\s+" + SEARCH_OBJECT
)
QUOTED_TEXT = re.compile(r"[\"“”„]([^\"“”„]{2,100})[\"“”„]")
# How a question starts that continues the one before it.
FOLLOW_UP_PATTERN = re.compile(
    r"^(and|but|so|why|when|since when|who|which|what else|anything else|more|how come|really|ok|what about|until when|"
    r"where|how)\b"
)
COUNT_PATTERN = re.compile(r"\bhow many\b|\bnumber of\b")
QUESTION_WORD_PATTERN = re.compile(r"[^\W_][\w.@+-]*[^\W_]|[^\W_]")
STOP_WORDS = frozenset(
    QUESTION_WORD_PATTERN.findall(
        "a about all am an and any anything are as at be been before but by can could did do does ever every for from "
        "give had has have he her him his how i if in into is it its know lead let like many may me mention mentioned "
        "much my no not of off on once one or our out please say says she should show so some something talk tell "
        "than that the their them then there these they thing things think this those to too us was we were what when "
        "where which who whose why will with would yet you your said last latest since until again still"
    )
)
WEEKDAY_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTH_PREFIXES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS_PER_UNIT = {"day": 1, "week": 7, "month": 30, "year": 365}
NUMBER_WORDS = {"a": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "few": 3}
ISO_DATE = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")
DAY_MONTH = re.compile(
    rf"\b(\d{{1,2}})(?:st|nd|rd|th)?\.? (?:of )?({'|'.join(MONTH_PREFIXES)})[a-z]*\.?(?: (\d{{4}}))?\b"
)
MONTH_DAY = re.compile(rf"\b({'|'.join(MONTH_PREFIXES)})[a-z]*\.? (\d{{1,2}})(?:st|nd|rd|th)?(?:,? (\d{{4}}))?\b")
TIME_SPAN = re.compile(rf"\b(\d{{1,3}}|{'|'.join(NUMBER_WORDS)}) (day|week|month|year)s?\b")


@dataclass(frozen=True)
class QuestionIntent:
    """What a question asks for: topics, words to search for in the conversations, and the start of its period."""

    topics: tuple[Topic, ...] = ()
    search: str = ""
    since: datetime | None = None
    # The words of the question, which may name fields.
    words: frozenset[str] = frozenset()
    asks_for_count: bool = False


def parse_question(question: str, now: datetime, previous_topics: Iterable[Topic] = ()) -> QuestionIntent:
    """Return the intent of `question`, as of `now` in the office's time zone.

    A short follow-up has the `previous_topics` of the question before it. A question without a topic searches the
    conversations for its words.
    """
    text = " ".join(question.casefold().replace("’", "'").split())
    asks_for_count = COUNT_PATTERN.search(text) is not None
    since, search = parse_since(text, now), find_search_text(text)
    found = find_topics(SEARCH_QUESTION_PATTERN.sub(" ", MENTION_PATTERN.sub(" ", text)) if search else text)
    if search:
        found = [Topic.SEARCH, *(one for one in found if one != Topic.MESSAGES)]
    if OVERVIEW_PATTERN.search(text) and not search:
        found = [*found, *(one for one in OVERVIEW_TOPICS if one not in found)]
        return QuestionIntent(tuple(found), "", since, keywords_of(text), asks_for_count)
    if since is not None and not found:
        found = [Topic.TIMELINE]
    previous_topics = tuple(previous_topics)
    if not found and previous_topics and len(text.split()) <= MAX_FOLLOW_UP_WORDS and FOLLOW_UP_PATTERN.search(text):
        found = [one for one in previous_topics if one != Topic.SEARCH]
    if not found:
        search = " ".join(search_terms(text))[:MAX_SEARCH_TEXT_LENGTH]
    return QuestionIntent(tuple(found[:MAX_TOPICS]), search, since, keywords_of(text), asks_for_count)


def find_topics(text: str) -> list[Topic]:
    """Return the topics that the rules find in `text`, in the order of the text."""
    places: dict[Topic, int] = {}
    for topic, pattern in TOPIC_PATTERNS:
        if match := pattern.search(text):
            places[topic] = min(places.get(topic, match.start()), match.start())
    return sorted(places, key=places.__getitem__)


def find_search_text(text: str) -> str:
    """Return the words to search for in the conversations; empty where the question asks for no search."""
    if quoted := QUOTED_TEXT.search(text):
        return " ".join(QUESTION_WORD_PATTERN.findall(quoted[1]))
    for pattern in (SEARCH_QUESTION_PATTERN, MENTION_PATTERN):
        if (match := pattern.search(text)) and (words := search_terms(match[1])):
            return " ".join(words)[:MAX_SEARCH_TEXT_LENGTH]
    return ""


def search_terms(text: str) -> list[str]:
    """Return the words of `text` without stop words, each once."""
    return [
        word for word in dict.fromkeys(QUESTION_WORD_PATTERN.findall(text)) if word not in STOP_WORDS and len(word) > 1
    ]


def keywords_of(text: str) -> frozenset[str]:
    """Return the words of `text` without stop words and without a plural s."""
    return frozenset(drop_plural_s(word) for word in search_terms(text.casefold()))


def drop_plural_s(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def parse_since(text: str, now: datetime) -> datetime | None:
    """Return the start of the period that `text` asks about; None where it names none, or one in the future."""
    day = find_day(text, now.date())
    if day is None or day > now.date():
        return None
    return datetime.combine(day, time.min, tzinfo=now.tzinfo)


def find_day(text: str, today: date) -> date | None:
    """Return the day that `text` names: a date, a day of the week, or a number of days ago."""
    if match := ISO_DATE.search(text):
        return date_or_none(int(match[1]), int(match[2]), int(match[3]))
    if match := DAY_MONTH.search(text):
        return resolve_date(int(match[1]), match[2], match[3], today)
    if match := MONTH_DAY.search(text):
        return resolve_date(int(match[2]), match[1], match[3], today)
    if "today" in text:
        return today
    if "yesterday" in text:
        return today - timedelta(days=1)
    for place, name in enumerate(WEEKDAY_NAMES):
        if re.search(rf"\b{name}\b", text):
            return today - timedelta(days=(today.weekday() - place) % 7 or 7)
    return find_span_start(text, today)


def find_span_start(text: str, today: date) -> date | None:
    """Return the first day of a period that `text` names ("the last 10 days", "a week ago", "last month")."""
    for unit, days in DAYS_PER_UNIT.items():
        if re.search(rf"\b(last|past|this) {unit}\b", text):
            return today - timedelta(days=days)
    if (match := TIME_SPAN.search(text)) and re.search(r"\b(last|past|ago|since|within|recent)\b", text):
        count = NUMBER_WORDS[match[1]] if match[1] in NUMBER_WORDS else int(match[1])
        return today - timedelta(days=count * DAYS_PER_UNIT[match[2]])
    return None


def resolve_date(day: int, month: str, year: str | None, today: date) -> date | None:
    """Return the date; without a year the latest one that is not in the future."""
    found = date_or_none(int(year or today.year), MONTH_PREFIXES.index(month) + 1, day)
    if found and not year and found > today:
        return date_or_none(today.year - 1, found.month, found.day)
    return found


def date_or_none(year: int, month: int, day: int) -> date | None:
    """Return a date; None where there is no such day."""
    try:
        return date(year, month, day)
    except ValueError:
        return None
