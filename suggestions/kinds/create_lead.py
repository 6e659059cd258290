"""CREATE_LEAD: somebody who might buy becomes a lead, with the conversation they wrote in."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from pydantic import Field, field_validator

from crm.exceptions import BadInput, IllegalMove
from crm.records.activity import SYSTEM, Actor
from crm.records.transitions import soft_delete
from inbox.models import ThreadSource
from inbox.transitions import link, unlink
from leads.models import InsuranceType, Lead, Source
from leads.transitions import create_lead
from suggestions.choices import Names
from suggestions.kinds.base import Kind, Payload
from suggestions.kinds.undo_checks import refuse_worked_on
from suggestions.models import Suggestion, SuggestionType

is_web_address = URLValidator(schemes=["http", "https"])


class CreateLeadPayload(Payload):
    contactName: str = Field(min_length=1, max_length=200, title="Name")
    contactEmail: str = Field(default="", max_length=254, title="Email")
    contactPhone: str = Field(default="", max_length=40, title="Phone")
    companyName: str = Field(default="", max_length=200, title="Company")
    companyWebsite: str = Field(default="", max_length=200, title="Website", description="Begins with https://")
    sourceType: str = Field(
        default=Source.OTHER.value, max_length=10, title="Source", json_schema_extra={"choices": "lead_sources"}
    )
    sourceDetail: str = Field(default="", max_length=200)
    insuranceType: str = Field(
        default="",
        max_length=40,
        title="Line of insurance",
        json_schema_extra={"choices": "lines", "blank": "Not known yet"},
    )
    estimatedValue: Decimal | None = Field(default=None, ge=0, max_digits=12, decimal_places=2)
    notes: str = Field(default="", max_length=10_000, json_schema_extra={"widget": "textarea"})

    @field_validator("contactEmail")
    @classmethod
    def an_address(cls, value: str) -> str:
        if value:
            valid(value, validate_email, "This must be an address, such as lee@example.com.")
        return value

    @field_validator("companyWebsite")
    @classmethod
    def a_web_address(cls, value: str) -> str:
        if value:
            valid(value, is_web_address, "This must be a web address, such as https://example.com.")
        return value

    @field_validator("sourceType")
    @classmethod
    def a_source(cls, value: str) -> str:
        if value not in Source.values:
            raise ValueError(f"This must be one of {', '.join(Source.values)}.")
        return value


def valid(value: str, validate: Any, sentence: str) -> None:
    try:
        validate(value)
    except ValidationError as error:
        raise ValueError(sentence) from error


class CreateLeadKind(Kind):
    type = SuggestionType.CREATE_LEAD
    Payload = CreateLeadPayload
    permission, deed = "leads.add_lead", "add a lead"
    gist, brief = "contactName", "New lead {}"

    @classmethod
    def completed(cls, content: Any, suggestion: Suggestion) -> Any:
        by_mail = suggestion.thread is not None and suggestion.thread.source == ThreadSource.EMAIL
        return {"sourceType": Source.EMAIL.value, **content} if by_mail and isinstance(content, dict) else content

    @classmethod
    def guard(cls, payload: CreateLeadPayload, suggestion: Suggestion) -> None:
        thread = suggestion.thread
        if suggestion.lead is not None:
            raise IllegalMove(f"This is about a lead already: {suggestion.lead}.")
        if thread is not None and thread.is_deleted:
            raise IllegalMove(f"The conversation “{thread}” is deleted; restore it first.")
        if thread is not None and thread.lead is not None:
            raise IllegalMove(f"The conversation “{thread}” belongs to a lead already: {thread.lead}.")
        twin = payload.contactEmail and Lead.objects.open().filter(contact_email__iexact=payload.contactEmail).first()
        if twin:
            raise IllegalMove(f"Another open lead already has this address: {twin}.")
        line_of(payload)

    @classmethod
    def sentence(cls, payload: CreateLeadPayload, suggestion: Suggestion, names: Names | None = None) -> str:
        who = payload.contactName + (f" of {payload.companyName}" if payload.companyName else "")
        reached = f" ({payload.contactEmail})" if payload.contactEmail else ""
        linked = f" and links the conversation “{suggestion.thread}” to it" if suggestion.thread else ""
        return f"Creates a lead for {who}{reached}{linked}."

    @classmethod
    def execute(cls, payload: CreateLeadPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        lead = Lead(
            contact_name=payload.contactName,
            contact_email=payload.contactEmail,
            contact_phone=payload.contactPhone,
            company_name=payload.companyName,
            company_website=payload.companyWebsite,
            source_type=payload.sourceType,
            source_detail=payload.sourceDetail,
            insurance_type=line_of(payload),
            estimated_value=payload.estimatedValue,
            notes=payload.notes,
        )
        create_lead(lead, by=by)
        if suggestion.thread is not None:
            link(suggestion.thread, lead=lead, by=by)
        stand_on(suggestion, lead)
        return {"lead": str(lead.pk)}

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        lead = Lead.objects.select_for_update(of=("self",)).filter(pk=suggestion.result["lead"]).first()
        if lead is not None:
            refuse_worked_on(lead, suggestion)
            thread = suggestion.thread
            if thread is not None and not thread.is_deleted and thread.lead_id == lead.pk:
                unlink(thread, lead, by=by)
            # Whoever may let it come to be may take it back; that needs no right to delete any lead.
            soft_delete(lead, by=SYSTEM)
        stand_on(suggestion, None)


def line_of(payload: CreateLeadPayload) -> InsuranceType | None:
    if not payload.insuranceType:
        return None
    line = InsuranceType.objects.filter(code=payload.insuranceType, is_active=True).first()
    if line is None:
        raise BadInput(f"There is no line of insurance “{payload.insuranceType}”.")
    return line


def stand_on(suggestion: Suggestion, lead: Lead | None) -> None:
    """Put `suggestion` on the timeline of `lead`."""
    Suggestion.everything.filter(pk=suggestion.pk).update(lead=lead)
    suggestion.lead = lead
