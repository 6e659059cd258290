"""How a model reads the email of a possible lead: the question, the answer, and which of its values count. Pure.

Each value must be in the email, letter by letter; others are dropped. A model never reads the contact address: that is
the address the email came from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from agents.drafting.prompts import MAX_WHY_LENGTH
from ai_log.gateway.prompts import Prompt, storable_text
from crm.text.english.prospects import JOB_TITLES, PERSON_NAME
from crm.text.hidden_characters import find_hidden_content
from crm.text.links import extract_links
from crm.text.phones import PHONE_PATTERN, phone_digits

MAX_READ_LENGTH, MAX_PERSON_NAME_LENGTH, MAX_COMPANY_NAME_LENGTH, MAX_COPIED_LENGTH, MIN_PHONE_DIGITS = (
    8_000,
    60,
    80,
    300,
    7,
)
# The share of the confidence that remains if a model, with a quote, says that the sender is no prospect. The rule's
# own confidence may be anything, so no fixed value would always be lower.
DOUBTED_SHARE = Decimal("0.5")
READING_RULES = (
    "You read mail for {house}, an agency that sells and serves insurance. Say whether whoever wrote may want to buy "
    "insurance from us, and copy out what they say of themselves. Copy letter by letter, and leave empty what they do "
    "not say. Answer with a JSON object."
)


class ProspectReading(BaseModel):
    """The answer of a model; texts are copied from the email, and empty if it does not say."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    prospect: bool = Field(description="Whether they may want to buy insurance from us.")
    quote: str = Field(max_length=MAX_COPIED_LENGTH, description="The sentence that shows it, copied.")
    why: str = Field(min_length=1, max_length=MAX_WHY_LENGTH, description="In one line, why you think so.")
    name: str = Field(default="", max_length=200, description="Their own name, copied.")
    company: str = Field(default="", max_length=200, description="Their company, copied.")
    phone: str = Field(default="", max_length=60, description="Their telephone number, copied.")
    line: str = Field(default="", max_length=40, description="The code of the line of insurance they want.")
    line_words: str = Field(default="", max_length=MAX_COPIED_LENGTH, description="Their words for that line, copied.")
    need: str = Field(
        default="", max_length=MAX_COPIED_LENGTH, description="The sentence that says what they need, copied."
    )

    @property
    def log_summary(self) -> str:
        return f"{'A prospect' if self.prospect else 'No prospect'}: {self.why}"


@dataclass(frozen=True)
class ProspectEmail:
    """What the model reads: an email, its displayed sender, and our lines of insurance by code."""

    subject: str
    display_name: str
    body: str
    insurance_lines: Mapping[str, str]

    @property
    def text(self) -> str:
        return f"{self.display_name}\n{self.subject}\n{self.body[:MAX_READ_LENGTH]}"


def build_reading_prompt(mail: ProspectEmail) -> Prompt:
    """Return the question, with the email between marks."""
    lines = "\n".join(f"- {code}: {name}" for code, name in mail.insurance_lines.items())
    prompt = Prompt().add_trusted("Read this mail.").add_trusted(f"Our lines of insurance, by code:\n{lines}")
    prompt.add_untrusted(mail.display_name, what="the name it came under").add_untrusted(mail.subject, what="subject")
    return prompt.add_untrusted(mail.body[:MAX_READ_LENGTH], what="mail")


def verified_values(email: ProspectEmail, answer: ProspectReading) -> dict[str, str]:
    """Return the values of `answer` that are in the email and plausible, by the names of the suggestion's content."""
    values = {
        "contactName": answer.name if is_plausible_name(answer.name) else "",
        "companyName": answer.company if is_plausible_company(answer.company) else "",
        "contactPhone": answer.phone if is_plausible_phone(answer.phone) else "",
        "insuranceType": answer.line
        if answer.line in email.insurance_lines and is_quoted_from(answer.line_words, email)
        else "",
        "notes": answer.need,
    }
    return {
        name: value
        for name, value in values.items()
        if value and (name == "insuranceType" or is_quoted_from(value, email))
    }


def improve_lead_content(content: Mapping[str, Any], email: ProspectEmail, answer: ProspectReading) -> dict[str, Any]:
    """Return the suggestion's content with the verified values; their needs come before the rules' quotes."""
    values = verified_values(email, answer)
    need, notes = values.pop("notes", ""), str(content.get("notes", ""))
    if need and collapse_whitespace(need) not in collapse_whitespace(notes):
        values["notes"] = "\n\n".join(filter(None, (need, notes)))
    return {**content, **values}


def adjust_confidence(
    email: ProspectEmail, answer: ProspectReading, confidence: Decimal | None
) -> tuple[Decimal | None, str]:
    """Return the confidence after `answer`, never above `confidence`, and a note for the reasoning."""
    why = storable_text(" ".join(answer.why.split()))
    if answer.prospect:
        return confidence, f"A model takes them for a prospect, too: {why}"
    if not is_quoted_from(answer.quote, email):
        return confidence, "A model takes them for no prospect, and has no sentence of theirs to show it."
    doubted = None if confidence is None else (confidence * DOUBTED_SHARE).quantize(Decimal("0.01"))
    return doubted, f"A model takes them for no prospect: {why}"


def is_quoted_from(words: str, email: ProspectEmail) -> bool:
    """Return whether the email contains `words` unchanged, apart from line breaks."""
    return bool(collapse_whitespace(words)) and collapse_whitespace(words) in collapse_whitespace(email.text)


def collapse_whitespace(text: str) -> str:
    return " ".join(text.split())


def is_plausible_name(text: str) -> bool:
    whole = PERSON_NAME.fullmatch(text) or (len(text) > 1 and text.replace("-", "").replace("'", "").isalpha())
    return bool(whole) and len(text) <= MAX_PERSON_NAME_LENGTH and not JOB_TITLES.search(text)


def is_plausible_company(text: str) -> bool:
    plain = not ({"\n", "@"} & set(text)) and not extract_links(text)
    return 1 < len(text) <= MAX_COMPANY_NAME_LENGTH and plain and find_hidden_content(text) == []


def is_plausible_phone(text: str) -> bool:
    return bool(PHONE_PATTERN.fullmatch(text)) and len(text) <= 40 and len(phone_digits(text)) >= MIN_PHONE_DIGITS
