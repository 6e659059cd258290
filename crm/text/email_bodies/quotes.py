"""Splits the body of an email into what was written for it, what was quoted, and the signature.

The parts of a body joined together are the body, character for character. Three sources decide where a quote starts:
rules of ours, and two libraries that know the email programs of many languages (quotequail and mail-parser-reply).
The libraries see only a few short lines at a time, so that no email can keep them busy.
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

from crm.text.email_bodies.signatures import find_signature_start

MAX_HEADING_LINES, MAX_HEADER_LINES, MAX_BLANK_LINES = 3, 8, 5
MAX_LINE_LENGTH, MAX_HEADING_LENGTH = 400, 300
# Limits: lines of a body that are checked, those of them that the libraries see, and the last parts of a body in which
# a signature is looked for.
MAX_CHECKED_LINES, MAX_LIBRARY_CHECKS, MAX_SIGNATURE_PARTS = 400, 20, 20
# Only this much of a body is read for what its writer wrote.
MAX_OWN_TEXT_SOURCE = 20_000
# "On Monday Ann <ann@example.com> wrote:", as the common email programs write it in the common languages.
WROTE_HEADING = re.compile(
    r"\s*(?:on|am|le|el|il|op|em|den|dne|dnia|på|ons|tir|man|tor|fre|lør|søn|w dniu|na|\d)\b.{1,260}?"
    r"\b(?:wrote|writes|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|skrev|napsal\(a\)|napsal|napisał\(a\)"
    r"|napisał|geschreven|kirjoitti|написал|пишет|написав)(?:\(а\))?\b.{0,80}[:：]\s*",
    re.IGNORECASE,
)
# Enough only where lines marked with ">" follow.
SAYS_HEADING = re.compile(r"\b(?:wrote|writes|said|says|thought)\s?:\s*$", re.IGNORECASE)
# In any language: first a date or a time; at the end an address, a word or two, and a colon.
DATED_HEADING = re.compile(r"\W{0,3}[^<@]{0,40}\d{1,2}[.:/ ]\s?\d{2}|\W{0,3}[^<@]{0,40}\b(?:19|20)\d\d\b")
ADDRESS_AT_END = re.compile(r"[<\[(\"](?:mailto:)?\s?[^\s<>@]{1,64}@[^\s<>@]{1,190}[>\])\"][^<>@]{0,30}[:：]$")
# The whole email that is answered follows one of these lines.
ORIGINAL_MESSAGE = re.compile(
    r"[\s>*]{0,5}(?:-{2,}\s?(?:original(?: message| appointment)?|forwarded(?: message| by .{1,120})?|reply message"
    r"|ursprüngliche nachricht|weitergeleitete nachricht|message d'origine|message transféré|mensaje original"
    r"|mensaje reenviado|messaggio originale|messaggio inoltrato|oorspronkelijk bericht|doorgestuurd bericht"
    r"|mensagem original|mensagem encaminhada|ursprungligt meddelande|oprindelig meddelelse|opprinnelig melding"
    r"|wiadomość oryginalna|пересылаемое сообщение|исходное сообщение)\s?-{2,}|begin forwarded message\s*:"
    r"|anfang der weitergeleiteten (?:nachricht|e-mail)\s*:|début du message (?:réexpédié|transféré)\s*:"
    r"|inicio del mensaje reenviado\s*:|inizio messaggio inoltrato\s*:)[\s*]{0,5}",
    re.IGNORECASE,
)
# Lotus Notes writes the name and the time on lines of their own, above a header that begins with the recipients.
NOTES_TIME = re.compile(
    r"(?P<name>[^\d]{0,120}?)\s*(?:\bon\b\s*)?\d{1,4}[./-]\d{1,2}[./-]\d{2,4},?\s+\d{1,2}[:.]\d{2}(?:[:.]\d{2})?"
    r"(?:\s*[ap]\.?m\.?)?(?:\s+[A-Z]{2,5}\d?)?\s*",
    re.IGNORECASE,
)
MAX_NOTES_NAME_LENGTH, MAX_NOTES_LINES_ABOVE, MAX_NOTES_HEADER_LINES = 100, 6, 30
# The names of header lines that Outlook writes above a quote.
SENDER_HEADER_NAMES = (
    r"from|von|de|da|van|från|fra|od|от|от кого|発信者|差出人|发件人|寄件者|보낸 사람|lähettäjä|kimden|expéditeur"
)
OTHER_HEADER_NAMES = (
    r"sent|date|to|cc|bcc|subject|kopie|blindkopie|thema|pour|copie|copia"
    r"|gesendet|datum|an|betreff|envoyé|à|objet|enviado(?: el)?|para|asunto|fecha|inviato|data|a"
    r"|oggetto|verzonden|aan|onderwerp|skickat|till|ämne|sendt|til|emne|assunto|odesláno|komu|předmět|wysłano|do|temat"
    r"|кому|тема|дата|отправлено|送信日時|宛先|件名|发送时间|收件人|主题|보낸 날짜|받는 사람|제목|destinataire"
)
SENDER_HEADER = re.compile(rf"[\s*]*(?:{SENDER_HEADER_NAMES})\s?[*]?\s?[:：]\s?\S.*", re.IGNORECASE)
OTHER_HEADER = re.compile(rf"[\s*]*(?:{OTHER_HEADER_NAMES})\s?[*]?\s?[:：][*]?(?:\s.*|$)", re.IGNORECASE)
# One of the lines names an address or the time of day.
ADDRESS_OR_TIME = re.compile(r"@|\d\W{0,3}[:.h]\W{0,3}\d\d")
HEADER_LINE = re.compile(r"[\s*]*[^\W\d][^\W\d\s]*(?: [^\W\d]+){0,2}\s?[*]?\s?[:：]")
HEADING_ENDINGS = frozenset(":：->")
DIGIT_OR_AT = re.compile(r"[\d@]")
HORIZONTAL_RULE = re.compile(r"\s*[_=-]{5,}\s*")
WORD_CHARACTER = re.compile(r"\w")


class PartKind(StrEnum):
    WRITTEN = "written"
    QUOTED = "quoted"
    SIGNATURE = "signature"


@dataclass(frozen=True)
class BodyPart:
    """A part of a body, unchanged: written for this email, quoted from an earlier one, or the signature."""

    text: str
    kind: PartKind = PartKind.WRITTEN

    @property
    def trimmed(self) -> str:
        """The text without blank lines around it."""
        return self.text.strip("\r\n ").rstrip()


def split_body(body: str) -> list[BodyPart]:
    """Return the parts of `body` in order; a body with nothing but quotes or a signature counts as written.

    The parts joined together are `body`, character for character; a blank body has none.
    """
    if not body.strip():
        return []
    whole = body.split("\n")
    lines = [line.rstrip("\r")[:MAX_LINE_LENGTH] for line in whole]
    kinds = mark_signatures(
        lines, [PartKind.QUOTED if quoted else PartKind.WRITTEN for quoted in mark_quoted_lines(lines)]
    )
    for kind in (PartKind.SIGNATURE, PartKind.QUOTED):
        if not any(
            one == PartKind.WRITTEN and WORD_CHARACTER.search(line) for line, one in zip(lines, kinds, strict=True)
        ):
            kinds = [PartKind.WRITTEN if one == kind else one for one in kinds]
    return merge_lines(zip(whole, kinds, strict=True))


def own_text(body: str) -> str:
    """Return what was written for this email in the first 20,000 characters: no quotes, no signature."""
    return "\n".join(
        part.trimmed for part in split_body(body[:MAX_OWN_TEXT_SOURCE]) if part.kind == PartKind.WRITTEN
    ).strip()


def unquoted_text(body: str) -> str:
    """Return the first 20,000 characters of `body` without quotes, the signature included."""
    return "".join(part.text for part in split_body(body[:MAX_OWN_TEXT_SOURCE]) if part.kind != PartKind.QUOTED)


def extract_signature(body: str) -> str:
    """Return the signature in the first 20,000 characters of `body`; empty where there is none."""
    return "\n".join(part.trimmed for part in split_body(body[:MAX_OWN_TEXT_SOURCE]) if part.kind == PartKind.SIGNATURE)


def mark_quoted_lines(lines: list[str]) -> list[bool]:
    """Return for each line whether it is quoted."""
    quoted = [line.lstrip()[:1] == ">" for line in lines]
    checked = 0
    for index, line in enumerate(lines):
        if quoted[index] or not may_be_heading(line):
            continue
        checked += 1
        if checked > MAX_CHECKED_LINES:
            break
        if starts_quoted_email(lines, index):
            return mark_to_end(quoted, include_rule_above(lines, index))
        if (start := find_notes_header(lines, index)) is not None:
            return mark_to_end(quoted, include_rule_above(lines, start))
        after = next((n for n in range(index + 1, min(index + MAX_BLANK_LINES, len(lines))) if lines[n].strip()), None)
        marked = after is not None and quoted[after]
        length = heading_length(lines, index, use_libraries=checked <= MAX_LIBRARY_CHECKS) or int(
            marked and bool(SAYS_HEADING.search(line))
        )
        if not length:
            continue
        start = index - length + 1
        if not marked:  # a program that does not mark quoted lines quotes to the end
            return mark_to_end(quoted, include_rule_above(lines, start))
        # The quoted lines are marked, and answers may stand between them.
        quoted[start:after] = [True] * (after - start)
    return quoted


def mark_to_end(quoted: list[bool], start: int) -> list[bool]:
    """Return `quoted` with every line from `start` on marked."""
    return quoted[:start] + [True] * (len(quoted) - start)


def may_be_heading(line: str) -> bool:
    """Return whether `line` could end or be the heading of a quote; most lines cannot, and are not checked further."""
    text = line.strip()
    return text[-1:] in HEADING_ENDINGS or text[:2] == "--" or bool(HEADER_LINE.match(line))


def starts_quoted_email(lines: list[str], index: int) -> bool:
    """Return whether a whole quoted email starts at `index`: with a line that says so, or with its header."""
    line = lines[index]
    if ORIGINAL_MESSAGE.fullmatch(line) or (line.lstrip().startswith("--") and is_wrapped_rule(lines, index)):
        return True
    if not HEADER_LINE.match(line):
        return False
    block = [text for text in lines[index : index + MAX_HEADER_LINES] if text.strip()]
    if not any(ADDRESS_OR_TIME.search(text) for text in block):
        return False
    below = [text for text in block[1:] if HEADER_LINE.match(text)]
    others = sum(bool(OTHER_HEADER.fullmatch(text)) for text in below)
    if SENDER_HEADER.fullmatch(line):
        return others >= 2 or is_outlook_header(block)
    return bool(OTHER_HEADER.fullmatch(line)) and others >= 1 and any(SENDER_HEADER.fullmatch(text) for text in below)


def is_wrapped_rule(lines: list[str], index: int) -> bool:
    """Return whether the line at `index` and the next one are one line above a whole email that was wrapped."""
    return index + 1 < len(lines) and bool(
        ORIGINAL_MESSAGE.fullmatch(f"{lines[index].rstrip()} {lines[index + 1].strip()}"[:MAX_LINE_LENGTH])
    )


def find_notes_header(lines: list[str], index: int) -> int | None:
    """Return where the header of Lotus Notes starts of which the line at `index` names the recipients.

    None where there is none.
    """
    if not OTHER_HEADER.fullmatch(lines[index]):
        return None
    # The names of many recipients take several lines.
    if not any(OTHER_HEADER.fullmatch(text) for text in lines[index + 1 : index + MAX_NOTES_HEADER_LINES]):
        return None
    above = [n for n in range(index - 1, max(index - 1 - 2 * MAX_NOTES_LINES_ABOVE, -1), -1) if lines[n].strip()]
    for place, at in enumerate(above[:MAX_NOTES_LINES_ABOVE]):
        if found := NOTES_TIME.fullmatch(lines[at]):
            if found["name"].strip():
                return at
            name = above[place + 1] if place + 1 < len(above) else None
            return name if name is not None and len(lines[name]) <= MAX_NOTES_NAME_LENGTH else at
        if len(lines[at]) > MAX_NOTES_NAME_LENGTH:
            return None
    return None


def is_outlook_header(block: list[str]) -> bool:
    """Return whether mail-parser-reply takes `block` for Outlook's header, and its second line is a header, too."""
    return (
        len(block) > 1 and bool(OTHER_HEADER.fullmatch(block[1])) and bool(known_headings().match("\n".join(block[:4])))
    )


def heading_length(lines: list[str], index: int, *, use_libraries: bool) -> int:
    """Return the number of lines of the "… wrote:" heading that ends at `index`; 0 where there is none.

    Only with `use_libraries` do the libraries decide, too.
    """
    if lines[index].rstrip()[-1] not in HEADING_ENDINGS:
        return 0
    for length in range(1, MAX_HEADING_LINES + 1):
        block = lines[max(index - length + 1, 0) : index + 1]
        text = " ".join(line.strip() for line in block)
        if len(block) < length or len(text) > MAX_HEADING_LENGTH or not block[0].strip():
            return 0
        if WROTE_HEADING.fullmatch(text) or (DATED_HEADING.match(text) and ADDRESS_AT_END.search(text)):
            return length
        if use_libraries and DIGIT_OR_AT.search(text) and is_quote_heading(block):
            return length
    return 0


def is_quote_heading(block: list[str]) -> bool:
    """Return whether one of the libraries takes `block` for the heading of a quote."""
    text = "\n".join(line.strip() for line in block)
    if known_headings().fullmatch(text):
        return True
    shown = quotequail.quote(text, quote_intro_line=True)
    return len(shown) == 2 and not shown[0][1].strip()


@cache
def known_headings() -> re.Pattern[str]:
    """Return the headings that mail-parser-reply knows in all its languages but Polish.

    Its rule for Polish takes any line such as "Data: …" for a heading, in any language.
    """
    return EmailMessage(text="", languages=[code for code in MAIL_LANGUAGES if code != "pl"]).HEADER_REGEX


def include_rule_above(lines: list[str], start: int) -> int:
    """Return the line at which the quote starts, together with a rule that the email program drew above it."""
    before = next((n for n in range(start - 1, max(start - 4, -1), -1) if lines[n].strip()), None)
    return before if before is not None and HORIZONTAL_RULE.fullmatch(lines[before]) else start


def mark_signatures(lines: list[str], kinds: list[PartKind]) -> list[PartKind]:
    """Return `kinds` with the signature at the end of each of the last written parts marked."""
    edges = [0, *(place for place in range(1, len(kinds)) if kinds[place] != kinds[place - 1]), len(kinds)]
    written = [(start, end) for start, end in pairwise(edges) if kinds[start] == PartKind.WRITTEN]
    found = list(kinds)
    for start, end in written[-MAX_SIGNATURE_PARTS:]:
        place = start + find_signature_start(lines[start:end])
        found[place:end] = [PartKind.SIGNATURE] * (end - place)
    return found


def merge_lines(marked: Iterable[tuple[str, PartKind]]) -> list[BodyPart]:
    """Return lines with their kinds as parts; a blank line belongs to the part before it."""
    parts: list[tuple[list[str], PartKind]] = []
    for line, kind in marked:
        if parts and (parts[-1][1] == kind or not line.strip()):
            parts[-1][0].append(line)
        else:
            parts.append(([line], kind))
    texts = ["\n".join(lines) for lines, _ in parts]
    return [
        BodyPart(text + ("\n" if number < len(parts) - 1 else ""), kind)
        for number, (text, (_, kind)) in enumerate(zip(texts, parts, strict=True))
    ]
