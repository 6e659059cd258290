"""What somebody wrote in a mail, told apart from what the mail program quoted below it. Pure: no database."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

HEADING_LINES = 3
LONGEST_HEADING = 400
# "On Monday Ann <ann@example.com> wrote:", as the common mail programs write it in the common languages.
WROTE = re.compile(
    r"\s*(On|Am|Le|El|Il|Op|Em|Den)\b.{1,300}\b"
    r"(wrote|schrieb|a écrit|escribió|ha scritto|schreef|escreveu|skrev)\b.{0,80}:\s*",
    re.IGNORECASE,
)
# What follows one of these is the mail that is answered, whole.
WHOLE_MAIL = re.compile(
    r"\s*(-{2,}\s*(original message|forwarded message|ursprüngliche nachricht|message d'origine|mensaje original)"
    r"\s*-{2,}|begin forwarded message:)\s*",
    re.IGNORECASE,
)
OUTLOOK = re.compile(r"\s*(From|Von|De|Da):\s.{1,300}", re.IGNORECASE)
OUTLOOK_NEXT = re.compile(r"\s*(Sent|Date|Gesendet|Datum|Envoyé|Enviado|Inviato):\s.{1,200}", re.IGNORECASE)


@dataclass(frozen=True)
class Part:
    """A stretch of a body: written for this mail, or quoted from an earlier one."""

    text: str
    quoted: bool


def parts(body: str) -> list[Part]:
    """The written and the quoted stretches of `body` in order; one that holds nothing but quotes is left as it is."""
    lines = body.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found = joined(zip(lines, marks(lines), strict=True))
    if not any(part.text and not part.quoted for part in found):
        return [Part(body.strip(), False)] if body.strip() else []
    return [part for part in found if part.text]


def own_words(body: str) -> str:
    """What of `body` was written for this mail: without what it quotes."""
    return "\n".join(part.text for part in parts(body) if not part.quoted)


def marks(lines: list[str]) -> list[bool]:
    """For each line whether it is quoted."""
    quoted = [line.lstrip().startswith(">") for line in lines]
    for index, line in enumerate(lines):
        if WHOLE_MAIL.fullmatch(line[:LONGEST_HEADING]) or outlook_heading(lines, index):
            return quoted[:index] + [True] * (len(lines) - index)
        length = heading_length(lines, index)
        if not length:
            continue
        after = next((n for n in range(index + length, len(lines)) if lines[n].strip()), None)
        if after is None or not quoted[after]:  # a program that quotes without marks quotes to the end
            return quoted[:index] + [True] * (len(lines) - index)
        quoted[index:after] = [True] * (after - index)
    return quoted


def heading_length(lines: list[str], index: int) -> int:
    """Over how many lines a "… wrote:" stretches that begins at `index`; 0 where none does."""
    for length in range(1, HEADING_LINES + 1):
        text = " ".join(lines[index : index + length])
        if len(text) > LONGEST_HEADING:
            return 0
        if WROTE.fullmatch(text):
            return length
    return 0


def outlook_heading(lines: list[str], index: int) -> bool:
    """Whether the block of From:, Sent:, To: stands at `index` with which Outlook begins what it quotes."""
    following = lines[index + 1] if index + 1 < len(lines) else ""
    return bool(
        OUTLOOK.fullmatch(lines[index][:LONGEST_HEADING]) and OUTLOOK_NEXT.fullmatch(following[:LONGEST_HEADING])
    )


def joined(marked: Iterable[tuple[str, bool]]) -> list[Part]:
    """Lines with their marks as stretches; a blank line belongs to the stretch that it stands in."""
    stretches: list[tuple[list[str], bool]] = []
    for line, quoted in marked:
        if stretches and (stretches[-1][1] == quoted or not line.strip()):
            stretches[-1][0].append(line)
        else:
            stretches.append(([line], quoted))
    return [Part("\n".join(lines).strip("\n ").rstrip(), quoted) for lines, quoted in stretches]
