"""Names of people and companies in a text, told by their capital letters."""

import re
from collections.abc import Iterator

# A text with more names than these is reported as a whole; they are not looked up one by one.
MAX_NAMES = 40
MAX_NAME_WORDS = 4
NAME_WORD_PATTERN = re.compile(r"[^\W\d_][\w'’\-]*")
LINKING_WORDS = frozenset(
    {"&", "and", "of", "the", "de", "da", "del", "der", "di", "du", "la", "le", "van", "von", "y"}
)
# Everyday words of an email: no name of a customer begins or ends with one.
COMMON_WORDS = """
    a about after all also am an and any are as ask at auto bcc be best but by call can cc cheers could day dear did
    do does each email even every february first fwd for forward friday from give good great greetings had has have
    he hello her here hi his how i if in insurance is it its january july june just kind kindly last let march may me
    meanwhile meeting monday more my new next no not november now october of offer ok on once one or our out per
    please policy proposal quote re regarding regards reply saturday second see send september she should sincerely
    so some sorry subject sunday sure team tell than thank thanks that the their them then there these they this
    those thursday till to today tomorrow tuesday until up us wednesday we week welcome were what when where which
    while who why will wishes with would yes yesterday you your yours april august december
"""
EVERYDAY_WORDS = frozenset(COMMON_WORDS.split())
# Titles before a name, in the languages that the quote parser reads; in lower case, without dots.
TITLE_WORDS = """
    mr mrs ms mx miss mister madam sir dame dr doctor prof professor rev reverend fr father hon capt captain col lt sgt
    maj gen herr frau fräulein hr dipl ing mag med jur phil rer nat univ habil hc m mme mlle monsieur madame
    mademoiselle me maître docteur pr sr sra srta señor señora señorita don doña doctora dra lic sig sigra signor
    signora signorina dott dottssa avv arch geom rag dhr mevr mw mevrouw meneer de heer drs ir snr senhor senhora exmo
    exma pan pani pán paní mgr ph d herra rouva fru fröken frøken bay bayan г-н г-жа господин госпожа
    judge justice pastor herrn frl
"""
HONORIFICS = frozenset(TITLE_WORDS.split()) - {"de", "d"}
# Without a dot these may be a name as well: Don, Gen, Mag.
NAME_LIKE_TITLE_WORDS = "don bay pan hon gen fr mag ing med nat phil lic rag me m"
NAME_LIKE_TITLES = frozenset(NAME_LIKE_TITLE_WORDS.split())
SUFFIX_WORDS = "jr sr ii iii iv v esq phd md cpa cpcu clu dds rn mba jun sen junior senior"
SUFFIXES = frozenset(SUFFIX_WORDS.split())
# A company's name has them, and a person's has not.
COMPANY_NAME_WORDS = """
    inc incorporated corp corporation co company llc llp lp ltd limited plc gmbh mbh ag kg ohg ug gbr ev se sa sas sarl
    srl spa bv nv oy oyj ab as aps sp zoo kft pty pte sons bros brothers partners group holding holdings agency
    insurance services solutions associates enterprises industries trust bank church school university foundation
    association club estate trustee family team office department sales support info billing accounting
    accounts payable receivable admin reception helpdesk customer the familie eheleute ehepaar firma praxis kanzlei
    famille cabinet familia empresa famiglia ditta studio família familj
"""
COMPANY_WORDS = frozenset(COMPANY_NAME_WORDS.split())
# Before a family name; a name that begins with one has no first name.
PARTICLE_WORDS = "van von vom der den de del da do dos du la le las los ter ten zu zum zur bin ibn"
PARTICLES = frozenset(PARTICLE_WORDS.split())
COUPLE_PATTERN = re.compile(r"\s(?:(?i:and|und|et|ed|en|och|og)|[yei])\s|[&/+]")
FIRST_NAME_PATTERN = re.compile(r"[^\W\d_]{2,}(?:['’-][^\W\d_]+)*")
BRACKETS_PATTERN = re.compile(r"[(\[\"“][^)\]\"”]*[)\]\"”]?")
MIN_CAPITALS = 3


def extract_names(text: str) -> list[str]:
    """Return what may be names in `text`, in lower case: two to four capitalised words in a row.

    Stops one past `MAX_NAMES`, so that a longer list shows that there are more.
    """
    found: dict[str, None] = {}
    for run in capitalised_runs(text):
        for start, length in name_spans(len(run)):
            part = run[start : start + length]
            if part[0].lower() not in LINKING_WORDS and part[-1].lower() not in LINKING_WORDS:
                found.setdefault(" ".join(part).lower())
                if len(found) > MAX_NAMES:
                    return list(found)
    return list(found)


def name_spans(length: int) -> Iterator[tuple[int, int]]:
    """Yield start and length of every part of two words or more, the longest first."""
    for size in range(min(length, MAX_NAME_WORDS), 1, -1):
        yield from ((start, size) for start in range(length - size + 1))


def extract_single_names(text: str) -> list[str]:
    """Return the capitalised words of `text`, as written, that may be the whole name of a company."""
    words = (word for run in capitalised_runs(text) for word in run if len(word) > 3)
    return list(dict.fromkeys(words))[:MAX_NAMES]


def capitalised_runs(text: str) -> Iterator[list[str]]:
    """Yield runs of capitalised words, with only spaces and linking words between them and no everyday words."""
    run: list[str] = []
    end = 0
    for match in NAME_WORD_PATTERN.finditer(text):
        word = match[0].rstrip("-'’")
        word = re.sub(r"['’]s$", "", word)
        between = text[end : match.start()]
        initial = run and len(run[-1]) == 1 and between == ". "
        if run and not initial and not re.fullmatch(r"[ \t\xa0]{1,3}|[ \t]?\r?\n[ \t]?| ?& ?", between):
            yield run
            run = []
        end = match.end()
        if word.lower() in EVERYDAY_WORDS and not (run and word.lower() in LINKING_WORDS):
            if run:
                yield run
            run = []
        elif word[:1].isupper() or (run and word.lower() in LINKING_WORDS):
            run = [*run, *(["&"] if "&" in between else []), word]
        elif run:
            yield run
            run = []
    if run:
        yield run


def first_name(name: str) -> str:
    """Return the first name in `name`; "" where none is certain.

    None is certain in a single word, after a title with one word, in the names of couples and companies, in initials
    and in addresses.
    """
    text = " ".join(BRACKETS_PATTERN.sub(" ", name).split())
    if "@" in text or COUPLE_PATTERN.search(text):
        return ""
    given, follows_family_name = given_part(text)
    words = words_after_titles(given.split())
    if not words or any(plain_word(word) in COMPANY_WORDS for word in text.split()):
        return ""
    # A word by itself may be either name.
    is_alone = len(words) == 1 and not follows_family_name
    return "" if is_alone or plain_word(words[0]) in PARTICLES else certain_name(words)


def given_part(text: str) -> tuple[str, bool]:
    """Return `text` without the family name before a comma, and whether there was one.

    A title or suffix after a comma belongs to the name before it.
    """
    family, _, rest = text.partition(",")
    given = rest.split(",")[0].strip()
    if not given or all(plain_word(word) in SUFFIXES | HONORIFICS for word in given.split()):
        return family, False
    return given, True


def words_after_titles(words: list[str]) -> list[str]:
    """Return the words of a name without titles and suffixes; none where a title may be the first name."""
    start = 0
    while start < len(words) and is_title(words[start]):
        if words[start].lower() in NAME_LIKE_TITLES:
            return []
        start += 1
    return [word for word in words[start:] if plain_word(word) not in SUFFIXES and is_name_word(word)]


def is_name_word(word: str) -> bool:
    return any(char.isalpha() for char in word) and not any(char.isdigit() for char in word)


def is_title(word: str) -> bool:
    """Return whether `word` is a title, such as "Dr." or "Dipl.-Ing."."""
    parts = [part for part in re.split(r"[.-]", word.lower()) if part]
    return bool(parts) and (plain_word(word) in HONORIFICS or all(part in HONORIFICS for part in parts))


def plain_word(word: str) -> str:
    return word.lower().replace(".", "").strip(",")


def certain_name(words: list[str]) -> str:
    """Return the first of `words` as a first name is written; "" for an initial or a family name in capitals."""
    first = words[0]
    if not FIRST_NAME_PATTERN.fullmatch(first):
        return ""
    if first.isupper() and (len(first) < MIN_CAPITALS or not all(word.isupper() for word in words)):
        return ""
    if first.isupper() or first.islower():
        return re.sub(r"[^\W\d_]+", lambda part: part[0].capitalize(), first)
    return first
