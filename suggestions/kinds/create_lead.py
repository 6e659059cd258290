"""CREATE_LEAD: create a lead for a prospect, and link their conversation to it."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from pydantic import Field, field_validator

from crm.exceptions import IllegalTransition, InvalidInput
from crm.records.activity import SYSTEM_ACTOR, Actor
from crm.records.transitions import soft_delete
from crm.text.links import validate_web_url
from inbox.models import ThreadSource
from inbox.transitions import link, unlink
from leads.models import InsuranceType, Lead, Source
from leads.transitions import create_lead
from suggestions.choices import LabelCache
from suggestions.kinds.base import LocalKind, Payload
from suggestions.kinds.undo_checks import check_lead_untouched
from suggestions.models import Suggestion, SuggestionType

# The source of a lead by the channel of its first conversation.
LEAD_SOURCES = {ThreadSource.EMAIL: Source.EMAIL, ThreadSource.FORM: Source.WEBSITE}


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
    def check_email(cls, value: str) -> str:
        if value:
            run_validator(value, validate_email, "This must be an address, such as lee@example.com.")
        return value

    @field_validator("companyWebsite")
    @classmethod
    def check_website(cls, value: str) -> str:
        if value:
            run_validator(value, validate_web_url, "This must be a web address, such as https://example.com.")
        return value

    @field_validator("sourceType")
    @classmethod
    def check_source(cls, value: str) -> str:
        if value not in Source.values:
            raise ValueError(f"This must be one of {', '.join(Source.values)}.")
        return value


def run_validator(value: str, validate: Any, sentence: str) -> None:
    try:
        validate(value)
    except ValidationError as error:
        raise ValueError(sentence) from error


class CreateLeadKind(LocalKind):
    type = SuggestionType.CREATE_LEAD
    Payload = CreateLeadPayload
    permission, action_phrase = "leads.add_lead", "add a lead"
    summary_field, summary_format = "contactName", "New lead {}"

    @classmethod
    def fill_defaults(cls, content: Any, suggestion: Suggestion) -> Any:
        source = LEAD_SOURCES.get(suggestion.thread.source) if suggestion.thread is not None else None
        return {"sourceType": source.value, **content} if source and isinstance(content, dict) else content

    @classmethod
    def guard(cls, payload: CreateLeadPayload, suggestion: Suggestion) -> None:
        thread = suggestion.thread
        if suggestion.lead is not None:
            raise IllegalTransition("This suggestion has a lead already.")
        if thread is not None and thread.is_deleted:
            raise IllegalTransition(f"The conversation “{thread}” is deleted; restore it first.")
        if thread is not None and thread.lead is not None:
            raise IllegalTransition("The conversation belongs to a lead already.")
        if Lead.objects.open().with_addresses([payload.contactEmail]).exists():
            # It is not named, because the reader may not be allowed to see it.
            raise IllegalTransition(f"Another open lead already has the address {payload.contactEmail}.")
        find_insurance_line(payload)

    @classmethod
    def urgency(cls, payload: CreateLeadPayload) -> int:
        return 3

    @classmethod
    def sentence(cls, payload: CreateLeadPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        who = payload.contactName + (f" of {payload.companyName}" if payload.companyName else "")
        email_text = f" ({payload.contactEmail})" if payload.contactEmail else ""
        labels, thread = labels or LabelCache(), suggestion.thread
        linked = f" and link the conversation “{labels.name_of(thread)}” to it" if thread else ""
        return f"Create a lead for {who}{email_text}{linked}."

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
            insurance_type=find_insurance_line(payload),
            estimated_value=payload.estimatedValue,
            notes=payload.notes,
        )
        create_lead(lead, by=by)
        if suggestion.thread is not None:
            link(suggestion.thread, lead=lead, by=by)
        attach_to_lead(suggestion, lead)
        return {"lead": str(lead.pk)}

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        lead = Lead.objects.select_for_update(of=("self",)).filter(pk=suggestion.result["lead"]).first()
        if lead is not None:
            check_lead_untouched(lead, suggestion)
            thread = suggestion.thread
            if thread is not None and not thread.is_deleted and thread.lead_id == lead.pk:
                unlink(thread, lead, by=by)
            # The approver may undo it without the permission to delete leads.
            soft_delete(lead, by=SYSTEM_ACTOR)
        attach_to_lead(suggestion, None)


def find_insurance_line(payload: CreateLeadPayload) -> InsuranceType | None:
    if not payload.insuranceType:
        return None
    line = InsuranceType.objects.filter(code=payload.insuranceType, is_active=True).first()
    if line is None:
        raise InvalidInput(f"There is no line of insurance “{payload.insuranceType}”.")
    return line


def attach_to_lead(suggestion: Suggestion, lead: Lead | None) -> None:
    """Put `suggestion` on the timeline of `lead`."""
    Suggestion.everything.filter(pk=suggestion.pk).update(lead=lead)
    suggestion.lead = lead
