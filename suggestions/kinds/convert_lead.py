"""CONVERT_LEAD: convert a lead to a client, by the transition of the conversion page."""

from typing import Any
from uuid import UUID

from django.core.validators import validate_email
from pydantic import Field, field_validator

from crm.exceptions import IllegalTransition, InvalidInput
from crm.models import Client, ClientType, User
from crm.records.activity import Actor
from crm.records.transitions import describe_record
from leads.conversion.candidates import clients_by_address, find_client_candidates
from leads.conversion.preview import preview_conversion
from leads.conversion.transitions import client_from_lead, convert, policy_from_lead, undo_conversion
from leads.models import Lead, LeadConversion
from suggestions.choices import LabelCache
from suggestions.kinds.base import LocalKind, Payload
from suggestions.kinds.change_status import require_lead
from suggestions.kinds.create_lead import run_validator
from suggestions.models import Suggestion, SuggestionType

# The fields of a new client, and those of the payload that hold them.
NEW_CLIENT_FIELDS = {
    "name": "clientName",
    "client_type": "clientType",
    "email": "clientEmail",
    "phone": "clientPhone",
}


class ConvertLeadPayload(Payload):
    client: str = Field(
        default="",
        max_length=36,
        title="Client",
        json_schema_extra={"choices": "matching_clients", "blank": "A new client", "record": "client"},
    )
    clientName: str = Field(default="", max_length=200, title="Name of the new client")
    clientType: str = Field(
        default="", max_length=20, title="Type of the new client", json_schema_extra={"choices": "client_types"}
    )
    clientEmail: str = Field(default="", max_length=254, title="Email of the new client")
    clientPhone: str = Field(default="", max_length=40, title="Phone of the new client")
    projectName: str = Field(
        default="", max_length=200, title="First project", description="Leave blank for none. Such as “Onboarding”."
    )
    addPolicy: bool = Field(default=False, title="Add a quoted policy of the lead’s line")

    welcomeTemplate: str = Field(
        default="",
        max_length=36,
        title="Welcome email",
        description="Saved as a draft of yours to the client.",
        json_schema_extra={"choices": "templates", "blank": "None"},
    )

    @field_validator("client", "welcomeTemplate")
    @classmethod
    def check_key(cls, value: str) -> str:
        if value:
            UUID(value)
        return value

    @field_validator("clientType")
    @classmethod
    def check_type(cls, value: str) -> str:
        if value and value not in ClientType.values:
            raise ValueError(f"This must be one of {', '.join(ClientType.values)}.")
        return value

    @field_validator("clientEmail")
    @classmethod
    def check_email(cls, value: str) -> str:
        if value:
            run_validator(value, validate_email, "This must be an address, such as lee@example.com.")
        return value


class ConvertLeadKind(LocalKind):
    type = SuggestionType.CONVERT_LEAD
    Payload = ConvertLeadPayload
    permission, action_phrase = "leads.change_lead", "convert a lead"
    summary_field, summary_format = "clientName", "Convert to the client {}"
    preview_title = "Carried over"

    @classmethod
    def fill_defaults(cls, content: Any, suggestion: Suggestion) -> Any:
        """Fill in the details of a new client from the lead."""
        if not isinstance(content, dict) or suggestion.lead is None or content.get("client"):
            return content
        proposed = client_from_lead(suggestion.lead)
        details = {key: getattr(proposed, name) for name, key in NEW_CLIENT_FIELDS.items()}
        return {**content, **{key: value for key, value in details.items() if not content.get(key)}}

    @classmethod
    def guard(cls, payload: ConvertLeadPayload, suggestion: Suggestion) -> None:
        lead = require_lead(suggestion)
        if lead.is_deleted:
            raise IllegalTransition(f"The {describe_record(lead)} is deleted; restore it first.")
        if lead.converted_at is not None:
            raise IllegalTransition(f"The {describe_record(lead)} is already converted to a client.")
        if payload.client:
            require_client(payload)
        elif not payload.clientName:
            raise InvalidInput("Enter the name of the new client, or choose an existing one.")
        if payload.addPolicy and lead.insurance_type is None:
            raise InvalidInput("The lead has no line of insurance: set it first, or add the policy later.")

    @classmethod
    def urgency(cls, payload: ConvertLeadPayload) -> int:
        return 2

    @classmethod
    def sentence(cls, payload: ConvertLeadPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        labels = labels or LabelCache()
        target = f"the new client {payload.clientName}"
        if payload.client:
            # The log, which is not written for one reader, does not name it.
            name = labels.record_label("client", payload.client) if labels.user else ""
            target = f"the client {name}" if name else "an existing client"
        added = [f"the project “{payload.projectName}”"] if payload.projectName else []
        added += ["a quoted policy"] if payload.addPolicy else []
        added += ["the draft of a welcome email"] if payload.welcomeTemplate else []
        return f"Convert {suggestion.lead or 'the lead'} to {target}{' with ' if added else ''}{' and '.join(added)}."

    @classmethod
    def choices(cls, suggestion: Suggestion, user: User) -> dict[str, dict[str, str]]:
        """Return the clients that the lead may be already and that `user` may see."""
        lead = suggestion.lead
        found = find_client_candidates(user, lead) if lead is not None else []
        labels = {str(one.client.pk): f"{one.client} ({', '.join(one.reasons)})" for one in found}
        return {"matching_clients": {**chosen_client(suggestion, user), **labels}}

    @classmethod
    def points_to_check(cls, payload: ConvertLeadPayload, suggestion: Suggestion) -> list[tuple[str, str]]:
        """Point out that a client with the lead's address exists; it is not named, as not every reader may see it."""
        if payload.client or suggestion.lead is None or not clients_by_address(Client.objects.all(), suggestion.lead):
            return []
        return [("same-address", "A client with the same address exists. Choose it, unless this is another client.")]

    @classmethod
    def preview(
        cls, payload: ConvertLeadPayload, suggestion: Suggestion, by: User | None = None
    ) -> list[tuple[str, str]]:
        cls.guard(payload, suggestion)
        return [(line.label, line.text) for line in preview_conversion(by, require_lead(suggestion))]

    @classmethod
    def execute(cls, payload: ConvertLeadPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        lead = require_lead(suggestion)
        conversion = convert(
            lead,
            require_client(payload) if payload.client else new_client(payload, lead),
            by=by,
            project_name=payload.projectName,
            policy=policy_from_lead(lead) if payload.addPolicy else None,
            welcome_template=payload.welcomeTemplate,
        )
        return {"lead": str(lead.pk), "client": str(conversion.client_id)}

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        result = suggestion.result
        conversion = LeadConversion.objects.not_undone().filter(lead=result["lead"], client=result["client"]).first()
        # It may have been undone on the page of the lead.
        if conversion is not None:
            undo_conversion(conversion, by=by)


def new_client(payload: ConvertLeadPayload, lead: Lead) -> Client:
    """Return an unsaved client with the details of `payload`, and all else from `lead`."""
    client = client_from_lead(lead)
    for name, key in NEW_CLIENT_FIELDS.items():
        value = getattr(payload, key)
        if value or name != "client_type":
            setattr(client, name, value)
    return client


def require_client(payload: ConvertLeadPayload) -> Client:
    client = Client.everything.filter(pk=payload.client).first()
    if client is None:
        raise IllegalTransition("The chosen client no longer exists. Choose another one.")
    if client.is_deleted:
        raise IllegalTransition("The chosen client is deleted. Restore it, or choose another one.")
    return client


def chosen_client(suggestion: Suggestion, user: User) -> dict[str, str]:
    """Return the client that the content names, with the name that `user` may read."""
    key = (suggestion.edited_content or suggestion.suggested_content or {}).get("client")
    client = Client.everything.filter(pk=key).first() if key else None
    return {str(client.pk): client.name_for(user)} if client else {}
