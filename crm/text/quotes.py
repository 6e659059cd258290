"""What somebody wrote in a mail, told apart from what the mail program quoted below it and from the signature.

Pure: no database. The stretches of a body put together give it back to the letter. Which line begins what is quoted,
three ask: rules of ours, and two libraries that know the mail programs of many languages (quotequail and
mail-parser-reply), each shown a few short lines at a time, so that no mail can keep them busy.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import pairwise

import quotequail
from mailparser_reply.constants import MAIL_LANGUAGES
from mailparser_reply.parser import EmailMessage

from crm.text.signatures import begins_signature

HEADING_LINES, HEADER_LINES, MOST_BLANK = 3, 8, 5
LONGEST_LINE, LONGEST_HEADING = 400, 300
# So many lines of a body are looked at closer, of the first of them the libraries are asked, and in so many of its
# last stretches a signature is looked for.
MOST_LOOKED_AT, MOST_ASKED, MOST_STRETCHES = 400, 20, 20
# So much of a body is looked at where only its own words count.
LONGEST_OWN = 20_000
# "On Monday Ann <ann@example.com> wrote:", as the common mail programs write it in the common languages.
WROTE = re.compile(
    r"\s*(?:on|am|le|el|il|op|em|den|dne|dnia|på|ons|tir|man|tor|fre|lør|søn|w dniu|na|\d)\b.{1,260}?"
    r"\b(?:wrote|writes|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|skrev|napsal\(a\)|napsal|napisał\(a\)"
    r"|napisał|geschreven|kirjoitti|написал|пишет|написав)(?:\(а\))?\b.{0,80}[:：]\s*",
    re.IGNORECASE,
)
# Enough where marked lines follow.
SAYS = re.compile(r"\b(?:wrote|writes|said|says|thought)\s?:\s*$", re.IGNORECASE)
# In whatever language: first a date or a time, at the end an address, a word or two, and a colon.
DATED = re.compile(r"\W{0,3}[^<@]{0,40}\d{1,2}[.:/ ]\s?\d{2}|\W{0,3}[^<@]{0,40}\b(?:19|20)\d\d\b")
ADDRESSED = re.compile(r"[<\[(\"](?:mailto:)?\s?[^\s<>@]{1,64}@[^\s<>@]{1,190}[>\])\"][^<>@]{0,30}[:：]$")
# What follows one of these is the mail that is answered, whole.
WHOLE_MAIL = re.compile(
    r"[\s>*]{0,5}(?:-{2,20}\s?(?:original(?: message| appointment)?|forwarded(?: message| by .{1,120})?|reply message"
    r"|ursprüngliche nachricht|weitergeleitete nachricht|message d'origine|message transféré|mensaje original"
    r"|mensaje reenviado|messaggio originale|messaggio inoltrato|oorspronkelijk bericht|doorgestuurd bericht"
    r"|mensagem original|mensagem encaminhada|ursprungligt meddelande|oprindelig meddelelse|opprinnelig melding"
    r"|wiadomość oryginalna|пересылаемое сообщение|исходное сообщение)\s?-{2,20}|begin forwarded message\s*:"
    r"|anfang der weitergeleiteten (?:nachricht|e-mail)\s*:|début du message (?:réexpédié|transféré)\s*:"
    r"|inicio del mensaje reenviado\s*:|inizio messaggio inoltrato\s*:)[\s*]{0,5}",
    re.IGNORECASE,
)
# The names of header lines as Outlook writes them above what it quotes.
SENDERS = r"from|von|de|da|van|från|fra|od|от|от кого|発信者|差出人|发件人|寄件者|보낸 사람|lähettäjä|kimden|expéditeur"
OTHERS = (
    r"sent|date|to|cc|subject|gesendet|datum|an|betreff|envoyé|à|objet|enviado(?: el)?|para|asunto|fecha|inviato|data|a"
    r"|oggetto|verzonden|aan|onderwerp|skickat|till|ämne|sendt|til|emne|assunto|odesláno|komu|předmět|wysłano|do|temat"
    r"|кому|тема|дата|отправлено|送信日時|宛先|件名|发送时间|收件人|主题|보낸 날짜|받는 사람|제목|destinataire"
)
SENDER = re.compile(rf"[\s*]*(?:{SENDERS})\s?[*]?\s?[:：]\s?\S.*", re.IGNORECASE)
OTHER = re.compile(rf"[\s*]*(?:{OTHERS})\s?[*]?\s?[:：][*]?(?:\s.*|$)", re.IGNORECASE)
# One of them names an address or the time of day.
TELLING = re.compile(r"@|\d\W{0,3}[:.h]\W{0,3}\d\d")
HEADER = re.compile(r"[\s*]*[^\W\d][^\W\d\s]*(?: [^\W\d]+){0,2}\s?[*]?\s?[:：]")
ENDINGS = frozenset(":：->")
NUMBERED = re.compile(r"[\d@]")
RULE = re.compile(r"\s*[_=-]{5,}\s*")
WORDS = re.compile(r"\w")


class Kind(StrEnum):
    WRITTEN = "written"
    QUOTED = "quoted"
    SIGNATURE = "signature"


@dataclass(frozen=True)
class Part:
    """A stretch of a body, to the letter: written for this mail, quoted from an earlier one, or the signature."""

    text: str
    kind: Kind = Kind.WRITTEN

    @property
    def shown(self) -> str:
        """The text without blank lines around it."""
        return self.text.strip("\r\n ").rstrip()


def parts(body: str) -> list[Part]:
    """The stretches of `body` in order; where hardly anything would be left open, all of it is.

    Together they are `body`, character for character; one that holds nothing but blanks has none.
    """
    if not body.strip():
        return []
    whole = body.split("\n")
    lines = [line.rstrip("\r")[:LONGEST_LINE] for line in whole]
    kinds = signed(lines, [Kind.QUOTED if quoted else Kind.WRITTEN for quoted in marks(lines)])
    for kind in (Kind.SIGNATURE, Kind.QUOTED):
        if not any(one == Kind.WRITTEN and WORDS.search(line) for line, one in zip(lines, kinds, strict=True)):
            kinds = [Kind.WRITTEN if one == kind else one for one in kinds]
    return joined(zip(whole, kinds, strict=True))


def own_words(body: str) -> str:
    """What of the first 20,000 characters of `body` was written for this mail: without quotes and signature."""
    return "\n".join(part.shown for part in parts(body[:LONGEST_OWN]) if part.kind == Kind.WRITTEN).strip()


def signature_of(body: str) -> str:
    """The signature in the first 20,000 characters of `body`; empty where none is to be seen."""
    return "\n".join(part.shown for part in parts(body[:LONGEST_OWN]) if part.kind == Kind.SIGNATURE)


def marks(lines: list[str]) -> list[bool]:
    """For each line whether it is quoted."""
    quoted = [line.lstrip()[:1] == ">" for line in lines]
    looked_at = 0
    for index, line in enumerate(lines):
        if quoted[index] or not may_head(line):
            continue
        looked_at += 1
        if looked_at > MOST_LOOKED_AT:
            break
        if whole_mail(lines, index):
            return to_the_end(quoted, above_rule(lines, index))
        after = next((n for n in range(index + 1, min(index + MOST_BLANK, len(lines))) if lines[n].strip()), None)
        marked = after is not None and quoted[after]
        length = heading_length(lines, index, ask=looked_at <= MOST_ASKED) or int(marked and bool(SAYS.search(line)))
        if not length:
            continue
        start = index - length + 1
        if not marked:  # a program that quotes without marks quotes to the end
            return to_the_end(quoted, above_rule(lines, start))
        # What it quotes is marked, and answers may stand between.
        quoted[start:after] = [True] * (after - start)
    return quoted


def to_the_end(quoted: list[bool], start: int) -> list[bool]:
    return quoted[:start] + [True] * (len(quoted) - start)


def may_head(line: str) -> bool:
    """Whether `line` could end or be the heading of what is quoted: most lines cannot, and are not looked at closer."""
    return line.rstrip()[-1:] in ENDINGS or bool(HEADER.match(line))


def whole_mail(lines: list[str], index: int) -> bool:
    """Whether at `index` a whole mail begins: after a line that says so, or with its header."""
    line = lines[index]
    if WHOLE_MAIL.fullmatch(line):
        return True
    if not HEADER.match(line):
        return False
    block = [text for text in lines[index : index + HEADER_LINES] if text.strip()]
    if not any(TELLING.search(text) for text in block):
        return False
    below = [text for text in block[1:] if HEADER.match(text)]
    others = sum(bool(OTHER.fullmatch(text)) for text in below)
    if SENDER.fullmatch(line):
        return others >= 2 or outlook(block)
    return bool(OTHER.fullmatch(line)) and others >= 1 and any(SENDER.fullmatch(text) for text in below)


def outlook(block: list[str]) -> bool:
    """Whether mail-parser-reply knows `block` as what Outlook begins with, and a second line of it is a header, too."""
    return len(block) > 1 and bool(OTHER.fullmatch(block[1])) and bool(known().match("\n".join(block[:4])))


def heading_length(lines: list[str], index: int, *, ask: bool) -> int:
    """Over how many lines a "… wrote:" stretches that ends at `index`; 0 where none does.

    The libraries are asked only where `ask` says so.
    """
    if lines[index].rstrip()[-1] not in ENDINGS:
        return 0
    for length in range(1, HEADING_LINES + 1):
        block = lines[max(index - length + 1, 0) : index + 1]
        text = " ".join(line.strip() for line in block)
        if len(block) < length or len(text) > LONGEST_HEADING or not block[0].strip():
            return 0
        if WROTE.fullmatch(text) or (DATED.match(text) and ADDRESSED.search(text)):
            return length
        if ask and NUMBERED.search(text) and heads(block):
            return length
    return 0


def heads(block: list[str]) -> bool:
    """Whether one of the libraries takes `block` for the heading of a quote."""
    text = "\n".join(line.strip() for line in block)
    if known().fullmatch(text):
        return True
    shown = quotequail.quote(text, quote_intro_line=True)
    return len(shown) == 2 and not shown[0][1].strip()


@cache
def known() -> re.Pattern[str]:
    """The headings that mail-parser-reply knows, of all its languages.

    Not of Polish: there it takes any one line such as "Data: …" for one, in whatever language it is.
    """
    return EmailMessage(text="", languages=[code for code in MAIL_LANGUAGES if code != "pl"]).HEADER_REGEX


def above_rule(lines: list[str], start: int) -> int:
    """The line from which the quote is folded: with the rule that a program has drawn above it."""
    before = next((n for n in range(start - 1, max(start - 4, -1), -1) if lines[n].strip()), None)
    return before if before is not None and RULE.fullmatch(lines[before]) else start


def signed(lines: list[str], kinds: list[Kind]) -> list[Kind]:
    """`kinds` with the signature at the end of each of the last written stretches marked."""
    edges = [0, *(place for place in range(1, len(kinds)) if kinds[place] != kinds[place - 1]), len(kinds)]
    written = [(start, end) for start, end in pairwise(edges) if kinds[start] == Kind.WRITTEN]
    found = list(kinds)
    for start, end in written[-MOST_STRETCHES:]:
        place = start + begins_signature(lines[start:end])
        found[place:end] = [Kind.SIGNATURE] * (end - place)
    return found


def joined(marked: Iterable[tuple[str, Kind]]) -> list[Part]:
    """Lines with their kinds as stretches; a blank line belongs to the stretch that it stands in."""
    stretches: list[tuple[list[str], Kind]] = []
    for line, kind in marked:
        if stretches and (stretches[-1][1] == kind or not line.strip()):
            stretches[-1][0].append(line)
        else:
            stretches.append(([line], kind))
    texts = ["\n".join(lines) for lines, _ in stretches]
    return [
        Part(text + ("\n" if number < len(stretches) - 1 else ""), kind)
        for number, (text, (_, kind)) in enumerate(zip(texts, stretches, strict=True))
    ]
