"""SEND_PROPOSAL: put an offer on paper and mail it."""

from datetime import date
from decimal import Decimal
from typing import Any

from django.utils import timezone
from pydantic import Field

from crm.exceptions import BadInput
from crm.models import User
from crm.text.addresses import house
from inbox.email_templates.placeholders import values_for
from inbox.incoming.parsing import File
from leads.models import LeadStatus
from suggestions.choices import Names
from suggestions.kinds import proposal_pdf
from suggestions.kinds.base import FollowOn, Payload
from suggestions.kinds.email import Draft, MailKind, fill, own_address, owner, signed, whom
from suggestions.models import Suggestion, SuggestionType

NEXT_STAGE = "PROPOSAL_SENT"
MOST_SHOWN = 10


class SendProposalPayload(Payload):
    title: str = Field(min_length=1, max_length=200)
    amount: Decimal = Field(gt=0, max_digits=12, decimal_places=2)
    validUntil: date = Field(title="Valid until")
    body: str = Field(
        min_length=1,
        max_length=20_000,
        json_schema_extra={"widget": "textarea"},
        description="Stands in the mail and on the paper that goes with it.",
    )


class SendProposalKind(MailKind):
    type = SuggestionType.SEND_PROPOSAL
    Payload = SendProposalPayload
    gist = "title"
    links = True

    @classmethod
    def guard(cls, payload: SendProposalPayload, suggestion: Suggestion) -> None:
        if payload.validUntil <= timezone.localdate():
            raise BadInput(f"{payload.validUntil:%-d %b %Y} is no day in the future: an offer must hold for a while.")
        super().guard(payload, suggestion)

    @classmethod
    def recipients(cls, payload: SendProposalPayload, suggestion: Suggestion) -> list[str]:
        return own_address(suggestion)

    @classmethod
    def sentence(cls, payload: SendProposalPayload, suggestion: Suggestion, names: Names | None = None) -> str:
        target = suggestion.lead or suggestion.client or "the lead"
        until = f"{payload.validUntil:%-d %b %Y}"
        return (
            f"Sends {target} the proposal “{payload.title}” over ${payload.amount:,.2f}, valid until {until}, as a PDF."
        )

    @classmethod
    def draft(cls, payload: SendProposalPayload, suggestion: Suggestion, sender: User | None) -> Draft:
        title, body = fill(payload.title, suggestion, sender), fill(payload.body, suggestion, sender)
        return Draft(to=own_address(suggestion), subject=title, text=body)

    @classmethod
    def files(cls, payload: SendProposalPayload, suggestion: Suggestion, sender: User | None) -> list[File]:
        return [File("Proposal.pdf", "application/pdf", proposal_pdf.write(offered(payload, suggestion, sender)))]

    @classmethod
    def preview(
        cls, payload: SendProposalPayload, suggestion: Suggestion, by: User | None = None
    ) -> list[tuple[str, str]]:
        """As of any mail, with the letters that cannot be put on paper."""
        sender = by or owner(suggestion)
        lines = super().preview(payload, suggestion, by)
        if lost := proposal_pdf.missing(proposal_pdf.text_of(offered(payload, suggestion, sender))):
            said = f"{' '.join(lost[:MOST_SHOWN])}: marked by {proposal_pdf.mark()}, as the font of the PDF has no such letters."
            lines.append(("Not on paper", said))
        return lines

    @classmethod
    def leads_to(cls, payload: SendProposalPayload, suggestion: Suggestion, result: dict[str, Any]) -> list[FollowOn]:
        """That the lead moves to the stage in which a proposal is out, if it is open and not there yet."""
        lead = suggestion.lead
        stage = LeadStatus.objects.filter(pk=NEXT_STAGE).first()
        if lead is None or lead.is_deleted or not lead.is_open or stage is None or lead.status_id == stage.pk:
            return []
        move = Suggestion(
            type=SuggestionType.CHANGE_STATUS,
            lead=lead,
            suggested_content={"status": stage.pk, "fromStatus": lead.status_id},
            reasoning=f"The proposal “{payload.title}” has gone out.",
            dedupe_key=f"{NEXT_STAGE}:{lead.pk}",
        )
        return [FollowOn(move)]


def offered(payload: SendProposalPayload, suggestion: Suggestion, sender: User | None) -> proposal_pdf.Offer:
    """What the paper says."""
    values = values_for(whom(suggestion), sender)
    company = values["company_name"]
    name = values["lead_name"]
    body = fill(payload.body, suggestion, sender)
    return proposal_pdf.Offer(
        title=fill(payload.title, suggestion, sender),
        whom=f"{name}, {company}" if company and company != name else name,
        amount=payload.amount,
        valid_until=payload.validUntil,
        body=body,
        agency=house()[0],
        signed=unsigned(signed(sender), body),
    )


def unsigned(signature: str, body: str) -> str:
    """The lines of `signature` with which `body` does not end already: nobody signs twice."""
    lines, end = signature.split("\n"), [line.strip() for line in body.rstrip().splitlines()]
    done = next((length for length in range(len(lines), 0, -1) if end[-length:] == lines[:length]), 0)
    return "\n".join(lines[done:])
