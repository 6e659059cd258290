"""A model's reading of a conversation whose writer may become a lead: the question, the answer, what of it holds. Pure.

Each value that it reads must stand in what was written, letter by letter; what does not is left out. Whom the lead is
reached at is never read by a model: that is the address the mail came from.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agents.drafting.prompts import LONGEST_WHY
from ai_log.gateway.prompts import Prompt, keepable
from crm.text import outgoing_checks
from crm.text.english.prospects import NAME, TITLES

LONGEST_READ, LONGEST_NAME, LONGEST_COMPANY, LONGEST_QUOTE, FEWEST_DIGITS = 8_000, 60, 80, 300, 7
# How sure the rules may stay where a model, with a quote, takes somebody for no prospect.
DOUBTED = Decimal("0.50")
RULE = (
    "You read mail for {house}, an agency that sells and serves insurance. Say whether whoever wrote may want to buy "
    "insurance from us, and copy out what they say of themselves. Copy letter by letter, and leave empty what they do "
    "not say. Answer with a JSON object."
)


class Reading(BaseModel):
    """What a model answers; texts are copied from the mail, and empty where it does not say."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    prospect: bool = Field(description="Whether they may want to buy insurance from us.")
    quote: str = Field(max_length=LONGEST_QUOTE, description="The sentence that shows it, copied.")
    why: str = Field(min_length=1, max_length=LONGEST_WHY, description="In one line, why you think so.")
    name: str = Field(default="", max_length=200, description="Their own name, copied.")
    company: str = Field(default="", max_length=200, description="Their company, copied.")
    phone: str = Field(default="", max_length=60, description="Their telephone number, copied.")
    line: str = Field(default="", max_length=40, description="The code of the line of insurance they want.")
    line_words: str = Field(default="", max_length=LONGEST_QUOTE, description="Their words for that line, copied.")
    need: str = Field(
        default="", max_length=LONGEST_QUOTE, description="The sentence that says what they need, copied."
    )

    @property
    def in_short(self) -> str:
        return f"{'A prospect' if self.prospect else 'No prospect'}: {self.why}"


@dataclass(frozen=True)
class Mail:
    """What is read: a mail, who is shown as its writer, and our lines of insurance by code."""

    subject: str
    shown_name: str
    body: str
    lines: Mapping[str, str]

    @property
    def text(self) -> str:
        return f"{self.shown_name}\n{self.subject}\n{self.body[:LONGEST_READ]}"


def question(mail: Mail) -> Prompt:
    """What is asked, with what was written between marks."""
    lines = "\n".join(f"- {code}: {name}" for code, name in mail.lines.items())
    prompt = Prompt().ours("Read this mail.").ours(f"Our lines of insurance, by code:\n{lines}")
    prompt.outside(mail.shown_name, what="the name it came under").outside(mail.subject, what="subject")
    return prompt.outside(mail.body[:LONGEST_READ], what="mail")


def found(mail: Mail, answer: Reading) -> dict[str, str]:
    """What `answer` has read that stands in the mail and can be what it is said to be, by the names of the content."""
    values = {
        "contactName": answer.name if is_name(answer.name) else "",
        "companyName": answer.company if is_company(answer.company) else "",
        "contactPhone": answer.phone if is_phone(answer.phone) else "",
        "insuranceType": answer.line if answer.line in mail.lines and stands(answer.line_words, mail) else "",
        "notes": answer.need,
    }
    return {name: value for name, value in values.items() if value and (name == "insuranceType" or stands(value, mail))}


def bettered(content: Mapping[str, Any], mail: Mail, answer: Reading) -> dict[str, Any]:
    """The content of the suggestion with what was found; what they need stands before what the rules quote."""
    read = found(mail, answer)
    need, notes = read.pop("notes", ""), str(content.get("notes", ""))
    if need and squeezed(need) not in squeezed(notes):
        read["notes"] = "\n\n".join(filter(None, (need, notes)))
    return {**content, **read}


def opinion(mail: Mail, answer: Reading, sure: Decimal | None) -> tuple[Decimal | None, str]:
    """How sure one may be after `answer`, never surer than `sure`, and what it adds to the reasons."""
    why = keepable(" ".join(answer.why.split()))
    if answer.prospect:
        return sure, f"A model takes them for a prospect, too: {why}"
    if not stands(answer.quote, mail):
        return sure, "A model takes them for no prospect, and has no sentence of theirs to show it."
    return (None if sure is None else min(sure, DOUBTED)), f"A model takes them for no prospect: {why}"


def stands(words: str, mail: Mail) -> bool:
    """Whether `words` stand in the mail as they are, however its lines are broken."""
    return bool(squeezed(words)) and squeezed(words) in squeezed(mail.text)


def squeezed(text: str) -> str:
    return " ".join(text.split())


def is_name(text: str) -> bool:
    whole = NAME.fullmatch(text) or (len(text) > 1 and text.replace("-", "").replace("'", "").isalpha())
    return bool(whole) and len(text) <= LONGEST_NAME and not TITLES.search(text)


def is_company(text: str) -> bool:
    plain = not ({"\n", "@"} & set(text)) and not outgoing_checks.links(text)
    return 1 < len(text) <= LONGEST_COMPANY and plain and outgoing_checks.hidden(text) == []


def is_phone(text: str) -> bool:
    return (
        bool(outgoing_checks.PHONE.fullmatch(text))
        and len(text) <= 40
        and len(re.sub(r"\D", "", text)) >= FEWEST_DIGITS
    )
