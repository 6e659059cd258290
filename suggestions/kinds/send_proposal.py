"""SEND_PROPOSAL: send a proposal as a PDF by email."""

from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import Field

from crm.exceptions import InvalidInput
from crm.models import User
from crm.records.local_time import agency_today, format_day
from crm.runtime.lazy_module import LazyModule
from crm.text.addresses import agency_sender
from inbox.email_templates.placeholders import placeholder_values
from inbox.incoming.parsing import EmailFile
from leads.models import LeadStatus
from suggestions.choices import LabelCache
from suggestions.kinds.base import FollowOn, Payload
from suggestions.kinds.email import (
    EmailDraft,
    EmailKind,
    default_sender,
    email_signature,
    fill_for_recipient,
    recipient_addresses,
    require_recipient,
)
from suggestions.models import Suggestion, SuggestionType

# Drawing a PDF takes libraries that take longer to import than all else here.
proposal_pdf = LazyModule("suggestions.proposal_pdf")
PROPOSAL_SENT_STAGE = "PROPOSAL_SENT"
MAX_LETTERS_SHOWN = 10


class SendProposalPayload(Payload):
    title: str = Field(min_length=1, max_length=200)
    amount: Decimal = Field(gt=0, max_digits=12, decimal_places=2)
    validUntil: date = Field(title="Valid until")
    body: str = Field(
        min_length=1,
        max_length=20_000,
        json_schema_extra={"widget": "textarea"},
        description="Goes into the email and into the PDF.",
    )


class SendProposalKind(EmailKind):
    type = SuggestionType.SEND_PROPOSAL
    Payload = SendProposalPayload
    summary_field = "title"
    links_to_proposal = True

    @classmethod
    def guard(cls, payload: SendProposalPayload, suggestion: Suggestion) -> None:
        if payload.validUntil <= agency_today():
            raise InvalidInput(
                f"{format_day(payload.validUntil)} is not in the future: choose a later day for “Valid until”."
            )
        super().guard(payload, suggestion)

    @classmethod
    def recipients(cls, payload: SendProposalPayload, suggestion: Suggestion) -> list[str]:
        return recipient_addresses(suggestion)

    @classmethod
    def sentence(cls, payload: SendProposalPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        target = suggestion.lead or suggestion.client or "the lead"
        until = f"{format_day(payload.validUntil)}"
        return (
            f"Send {target} the proposal “{payload.title}” over ${payload.amount:,.2f}, valid until {until}, as a PDF."
        )

    @classmethod
    def draft(
        cls, payload: SendProposalPayload, suggestion: Suggestion, sender: User | None, *, is_final: bool = True
    ) -> EmailDraft:
        title, body = (
            fill_for_recipient(text, suggestion, sender, is_final=is_final) for text in (payload.title, payload.body)
        )
        return EmailDraft(to=recipient_addresses(suggestion), subject=title, text=body)

    @classmethod
    def attachments(cls, payload: SendProposalPayload, suggestion: Suggestion, sender: User | None) -> list[EmailFile]:
        return [
            EmailFile(
                "Proposal.pdf", "application/pdf", proposal_pdf.render_pdf(build_document(payload, suggestion, sender))
            )
        ]

    @classmethod
    def preview(
        cls, payload: SendProposalPayload, suggestion: Suggestion, by: User | None = None
    ) -> list[tuple[str, str]]:
        """Return the preview of the email, with the characters that the PDF cannot show."""
        sender = by or default_sender(suggestion)
        lines = super().preview(payload, suggestion, by)
        if undrawable := proposal_pdf.undrawable_letters(
            proposal_pdf.document_text(build_document(payload, suggestion, sender))
        ):
            letters, mark = " ".join(undrawable[:MAX_LETTERS_SHOWN]), proposal_pdf.replacement_mark()
            lines.append(("Not in the PDF", f"{letters}: shown as {mark}, because the font of the PDF lacks them."))
        return lines

    @classmethod
    def follow_ons(cls, payload: SendProposalPayload, suggestion: Suggestion, result: dict[str, Any]) -> list[FollowOn]:
        """Propose to move the lead to the stage after a proposal, if it is open and not there yet."""
        lead = suggestion.lead
        stage = LeadStatus.objects.filter(pk=PROPOSAL_SENT_STAGE).first()
        if lead is None or lead.is_deleted or not lead.is_open or stage is None or lead.status_id == stage.pk:
            return []
        move = Suggestion(
            type=SuggestionType.CHANGE_STATUS,
            lead=lead,
            suggested_content={"status": stage.pk, "fromStatus": lead.status_id},
            reasoning=f"The proposal “{payload.title}” was sent.",
            dedupe_key=f"{PROPOSAL_SENT_STAGE}:{lead.pk}",
        )
        return [FollowOn(move)]


def build_document(
    payload: SendProposalPayload, suggestion: Suggestion, sender: User | None
) -> "proposal_pdf.ProposalDocument":
    """Return the contents of the PDF."""
    values = placeholder_values(require_recipient(suggestion), sender)
    company = values["company_name"]
    name = values["lead_name"]
    body = fill_for_recipient(payload.body, suggestion, sender)
    return proposal_pdf.ProposalDocument(
        title=fill_for_recipient(payload.title, suggestion, sender),
        recipient=f"{name}, {company}" if company and company != name else name,
        amount=payload.amount,
        valid_until=payload.validUntil,
        body=body,
        agency=agency_sender()[0],
        signature=missing_signature_lines(email_signature(sender), body),
    )


def missing_signature_lines(signature: str, body: str) -> str:
    """Return the lines of `signature` that the end of `body` does not have yet, so that there is one signature."""
    lines, end = signature.split("\n"), [line.strip() for line in body.rstrip().splitlines()]
    done = next((length for length in range(len(lines), 0, -1) if end[-length:] == lines[:length]), 0)
    return "\n".join(lines[done:])
