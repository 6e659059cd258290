"""Where in a text its writer signs. Pure: no database."""

import re

LONGEST_SIGNED, MOST_SIGNED, MOST_BELOW_RULE = 100, 14, 25
# RFC 3676, section 4.3.
DELIMITER = "-- "
RULE = re.compile(r"\s*[_=*~-]{4,}\s*")
SENT_FROM = re.compile(
    r"\W{0,3}(?:sent (?:from|with|via|using) \w|get outlook for|gesendet (?:von|mit)|von meinem \w+ gesendet|envoyé d"
    r"|enviado (?:desde|do|de)|inviato da|verzonden (?:vanaf|met)|skickat från|sendt fra|wysłan[oe] z|odesláno z"
    r"|отправлено (?:с|из)|lähetetty|发自我的|从我的|iphoneから送信|내 .{1,20}에서 보냄).{0,80}",
    re.IGNORECASE,
)
SIGN_OFFS = (
    r"(?:with )?(?:(?:best|kind|kindest|warm|warmest|many|my best) )?(?:regards|wishes|thanks)|(?:all the )?best"
    r"|thank(?:s| you)(?: so much| very much| again| in advance| a lot)?|cheers|sincerely(?: yours)?|yours(?: \w+)?"
    r"|(?:mit )?(?:freundliche[nr]?|beste[nr]?|herzliche[nr]?|viele[n]?|liebe[n]?|schöne[n]?) gr(?:ü|ue)(?:ß|ss)en?"
    r"|mfg|(?:bien )?cordialement|salutations(?: distinguées)?|bien à vous|merci|(?:un )?saludos?(?: cordiales)?"
    r"|un saludo|atentamente|gracias|cordiali saluti|distinti saluti|grazie|(?:met )?vriendelijke groet(?:en)?"
    r"|hartelijke groet(?:en)?|groeten|bedankt|(?:med )?vänliga hälsningar|hälsningar|mvh|(?:med )?venlig hilsen"
    r"|(?:med )?vennlig hilsen|hilsen|atenciosamente|abraços|obrigad[oa]|cumprimentos|pozdrawiam|z poważaniem"
    r"|s pozdravem|ystävällisin terveisin|с уважением|спасибо|saygılarımla|よろしくお願いします|此致"
)
SIGN_OFF = re.compile(rf"\W{{0,3}}(?:{SIGN_OFFS})(?P<rest>\W*|[,.!]\s?[^\W\d]\S*(?:\s\S+){{0,2}})", re.IGNORECASE)
AFTERTHOUGHT = re.compile(r"\s*p\.?\s?s\.?\b", re.IGNORECASE)
# A line of an address, and no sentence.
NAMED = re.compile(r"(?=.{1,70}$)\S+(?:\s+\S+){0,7}(?<![?!:])")
# What stands below a rule and is a signature tells how to reach somebody.
REACHED = re.compile(r"@|https?:|www\.|\+?\d[\d\s().-]{6,20}\d|mailing list", re.IGNORECASE)


def begins_signature(lines: list[str]) -> int:
    """The line of `lines` from which they are signature; their number where none is."""
    said = [index for index, line in enumerate(lines) if line.strip()]
    for index in said[:-1]:
        if lines[index] == DELIMITER:
            return index
    for place in range(max(len(said) - MOST_BELOW_RULE - 1, 0), len(said)):
        if signs(lines[said[place]].strip(), [lines[index] for index in said[place + 1 :]]):
            return said[place]
    return below_blank(lines, said)


def below_blank(lines: list[str], said: list[int]) -> int:
    """The line where the last paragraph begins, if that is a name with ways to reach it; else how many lines there are.

    `said` are the lines that hold anything.
    """
    gaps = [place for place in range(1, len(said)) if said[place] - said[place - 1] > 1]
    if gaps and not lines[said[gaps[-1] - 1]].rstrip().endswith(":"):
        last = [lines[index].strip() for index in said[gaps[-1] :]]
        reached = sum(bool(REACHED.search(line)) for line in last)
        if 3 <= len(last) <= MOST_SIGNED and reached >= 2 and all(NAMED.fullmatch(line) for line in last):
            return said[gaps[-1]]
    return len(lines)


def signs(text: str, below: list[str]) -> bool:
    """Whether `text`, with `below` under it, begins a signature."""
    if len(text) > LONGEST_SIGNED:
        return False
    if RULE.fullmatch(text) or text == DELIMITER.strip():
        return any(REACHED.search(line) for line in below)
    if len(below) > MOST_SIGNED:
        return False
    return bool(SENT_FROM.fullmatch(text)) or (bool(SIGN_OFF.fullmatch(text)) and all_signed(below))


def all_signed(below: list[str]) -> bool:
    """Whether `below`, what stands under a closing line, is names and addresses and nothing that is said."""
    return not any(
        len(line) > LONGEST_SIGNED or line.rstrip().endswith("?") or AFTERTHOUGHT.match(line) for line in below
    ) and (not below or len(below[0].split()) <= 6)
