"""SEND_EMAIL: write a mail, from a template or freely."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from pydantic import Field

from crm.exceptions import BadInput
from crm.models import User
from inbox.models.email_template import EmailTemplate
from suggestions.choices import Names
from suggestions.kinds.base import Payload
from suggestions.kinds.email import Draft, MailKind, To, address_of, fill
from suggestions.models import Suggestion, SuggestionType


class SendEmailPayload(Payload):
    to: To
    subject: str = Field(min_length=1, max_length=300)
    body: str = Field(
        min_length=1,
        max_length=20_000,
        json_schema_extra={"widget": "textarea"},
        description="Gaps such as {{first_name}} are filled in when it is approved.",
    )
    templateId: str = Field(
        default="",
        max_length=40,
        title="Template",
        json_schema_extra={"choices": "templates", "blank": "None"},
        description="What it was written from.",
    )


class SendEmailKind(MailKind):
    type = SuggestionType.SEND_EMAIL
    Payload = SendEmailPayload
    gist = "subject"

    @classmethod
    def completed(cls, content: dict[str, Any], suggestion: Suggestion) -> dict[str, Any]:
        """With the address of the lead or client, and the words of the template where there are none."""
        if not isinstance(content, dict):
            return content
        content = dict(content)
        address = address_of(suggestion.lead or suggestion.client)
        if not content.get("to") and address:
            content["to"] = [address]
        template = template_of(content.get("templateId"))
        for name in ("subject", "body"):
            if template is not None and not content.get(name):
                content[name] = getattr(template, name)
        return content

    @classmethod
    def guard(cls, payload: SendEmailPayload, suggestion: Suggestion) -> None:
        if payload.templateId and template_of(payload.templateId) is None:
            raise BadInput("There is no such template.")
        super().guard(payload, suggestion)

    @classmethod
    def sentence(cls, payload: SendEmailPayload, suggestion: Suggestion, names: Names | None = None) -> str:
        return f"Sends “{payload.subject}” to {', '.join(payload.to) or 'nobody yet'}."

    @classmethod
    def draft(cls, payload: SendEmailPayload, suggestion: Suggestion, sender: User | None) -> Draft:
        return Draft(
            to=payload.to,
            subject=fill(payload.subject, suggestion, sender),
            text=fill(payload.body, suggestion, sender),
        )


def template_of(key: Any) -> EmailTemplate | None:
    """The template `key`, one that is deleted or out of use too: what was written from it stands."""
    with suppress(ValueError, TypeError, AttributeError):
        return EmailTemplate.everything.filter(pk=UUID(str(key))).first()
    return None
