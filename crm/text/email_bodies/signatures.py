"""Finds the signature at the end of a text."""

import re

MAX_SIGNATURE_LINE_LENGTH, MAX_SIGNATURE_LINES, MAX_LINES_BELOW_RULE = 100, 14, 25
# RFC 3676, section 4.3.
SIGNATURE_DELIMITER = "-- "
SIGNATURE_RULE = re.compile(r"\s*[_=*~-]{4,}\s*")
SENT_FROM_LINE = re.compile(
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
POSTSCRIPT = re.compile(r"\s*p\.?\s?s\.?\b", re.IGNORECASE)
# A line of an address, not a sentence.
NAME_OR_ADDRESS_LINE = re.compile(r"(?=.{1,70}$)\S+(?:\s+\S+){0,7}(?<![?!:])")
# Below a rule, a signature says how to reach its writer.
CONTACT_DETAIL = re.compile(r"@|https?:|www\.|\+?\d[\d\s().-]{6,20}\d|mailing list", re.IGNORECASE)


def find_signature_start(lines: list[str]) -> int:
    """Return the index of the line at which the signature of `lines` starts; their number where there is none."""
    non_blank = [index for index, line in enumerate(lines) if line.strip()]
    for index in non_blank[:-1]:
        if lines[index] == SIGNATURE_DELIMITER:
            return index
    for place in range(max(len(non_blank) - MAX_LINES_BELOW_RULE - 1, 0), len(non_blank)):
        if starts_signature(lines[non_blank[place]].strip(), [lines[index] for index in non_blank[place + 1 :]]):
            return non_blank[place]
    return find_contact_paragraph(lines, non_blank)


def find_contact_paragraph(lines: list[str], non_blank: list[int]) -> int:
    """Return where the last paragraph starts if it is a name with contact details; else the number of lines.

    `non_blank` holds the indexes of the lines that are not blank.
    """
    gaps = [place for place in range(1, len(non_blank)) if non_blank[place] - non_blank[place - 1] > 1]
    if gaps and not lines[non_blank[gaps[-1] - 1]].rstrip().endswith(":"):
        last = [lines[index].strip() for index in non_blank[gaps[-1] :]]
        contact_lines = sum(bool(CONTACT_DETAIL.search(line)) for line in last)
        if (
            3 <= len(last) <= MAX_SIGNATURE_LINES
            and contact_lines >= 2
            and all(NAME_OR_ADDRESS_LINE.fullmatch(line) for line in last)
        ):
            return non_blank[gaps[-1]]
    return len(lines)


def starts_signature(text: str, below: list[str]) -> bool:
    """Return whether the line `text`, with the lines `below` under it, starts a signature."""
    if len(text) > MAX_SIGNATURE_LINE_LENGTH:
        return False
    if SIGNATURE_RULE.fullmatch(text) or text == SIGNATURE_DELIMITER.strip():
        return any(CONTACT_DETAIL.search(line) for line in below)
    if len(below) > MAX_SIGNATURE_LINES:
        return False
    return bool(SENT_FROM_LINE.fullmatch(text)) or (bool(SIGN_OFF.fullmatch(text)) and is_all_signature(below))


def is_all_signature(below: list[str]) -> bool:
    """Return whether the lines `below` a closing line are only names and addresses."""
    return not any(
        len(line) > MAX_SIGNATURE_LINE_LENGTH or line.rstrip().endswith("?") or POSTSCRIPT.match(line) for line in below
    ) and (not below or len(below[0].split()) <= 6)
