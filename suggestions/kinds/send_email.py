"""SEND_EMAIL: send an email, written from a template or freely."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from pydantic import Field, field_validator

from crm.exceptions import InvalidInput
from crm.models import User
from inbox.models.email_template import EmailTemplate
from suggestions.choices import LabelCache
from suggestions.kinds.base import Payload
from suggestions.kinds.email import EmailDraft, EmailKind, RecipientList, customer_email, fill_for_recipient
from suggestions.models import Suggestion, SuggestionType


class SendEmailPayload(Payload):
    to: RecipientList
    subject: str = Field(min_length=1, max_length=300)
    body: str = Field(
        min_length=1,
        max_length=20_000,
        json_schema_extra={"widget": "textarea"},
        description="Placeholders such as {{first_name}} are filled in at the approval.",
    )
    templateId: UUID | None = Field(
        default=None,
        title="Template",
        json_schema_extra={"choices": "templates", "blank": "None"},
        description="The template it was written from.",
    )

    @field_validator("templateId", mode="before")
    @classmethod
    def blank_is_none(cls, value: Any) -> Any:
        """Return None for the blank choice of a form."""
        return None if value == "" else value


class SendEmailKind(EmailKind):
    type = SuggestionType.SEND_EMAIL
    Payload = SendEmailPayload
    summary_field = "subject"

    @classmethod
    def fill_defaults(cls, content: dict[str, Any], suggestion: Suggestion) -> dict[str, Any]:
        """Fill in the address of the lead or client, and the subject and body of the template."""
        if not isinstance(content, dict):
            return content
        content = dict(content)
        address = customer_email(suggestion.lead or suggestion.client)
        if not content.get("to") and address:
            content["to"] = [address]
        template = find_template(content.get("templateId"))
        for name in ("subject", "body"):
            if template is not None and not content.get(name):
                content[name] = getattr(template, name)
        return content

    @classmethod
    def guard(cls, payload: SendEmailPayload, suggestion: Suggestion) -> None:
        if payload.templateId and find_template(payload.templateId) is None:
            raise InvalidInput("There is no such template.")
        super().guard(payload, suggestion)

    @classmethod
    def sentence(cls, payload: SendEmailPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        return f"Send “{payload.subject}” to {', '.join(payload.to) or 'no recipient yet'}."

    @classmethod
    def draft(
        cls, payload: SendEmailPayload, suggestion: Suggestion, sender: User | None, *, is_final: bool = True
    ) -> EmailDraft:
        return EmailDraft(
            to=payload.to,
            subject=fill_for_recipient(payload.subject, suggestion, sender, is_final=is_final),
            text=fill_for_recipient(payload.body, suggestion, sender, is_final=is_final),
        )


def find_template(key: Any) -> EmailTemplate | None:
    """Return the template `key`, also a deleted or inactive one: what was written from it stays valid."""
    with suppress(ValueError, TypeError, AttributeError):
        return EmailTemplate.everything.filter(pk=UUID(str(key))).first()
    return None
