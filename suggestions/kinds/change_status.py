"""CHANGE_STATUS: move a lead to another stage."""

from datetime import datetime
from typing import Any

from pydantic import Field

from crm.exceptions import BadInput, IllegalMove
from crm.records.activity import Actor
from leads.models import Category, Lead, LeadStageHistory, LeadStatus
from leads.transitions import change_status, closing, guard_move
from suggestions.choices import Names
from suggestions.kinds.base import Kind, Payload
from suggestions.models import Suggestion, SuggestionType


class ChangeStatusPayload(Payload):
    status: str = Field(max_length=40, title="New stage", json_schema_extra={"choices": "stages"})
    fromStatus: str = Field(
        max_length=40, title="Stage when proposed", json_schema_extra={"choices": "stages", "readonly": True}
    )
    lossReason: str = Field(
        default="", max_length=12, title="Loss reason", json_schema_extra={"choices": "loss_reasons"}
    )
    lossNotes: str = Field(default="", max_length=2_000, title="Loss notes", json_schema_extra={"widget": "textarea"})


class ChangeStatusKind(Kind):
    type = SuggestionType.CHANGE_STATUS
    Payload = ChangeStatusPayload
    permission, deed = "leads.change_lead", "change the stage of a lead"
    gist, brief = "status", "Move to {}"

    @classmethod
    def guard(cls, payload: ChangeStatusPayload, suggestion: Suggestion) -> None:
        status = stage(payload.status)
        guard_move(lead_of(suggestion), status, payload.fromStatus)
        closing(status, payload.lossReason, payload.lossNotes)

    @classmethod
    def sentence(cls, payload: ChangeStatusPayload, suggestion: Suggestion, names: Names | None = None) -> str:
        names = names or Names()
        was, now = (names.label("stages", code) for code in (payload.fromStatus, payload.status))
        return f"Moves {suggestion.lead or 'the lead'} from {was} to {now}."

    @classmethod
    def execute(cls, payload: ChangeStatusPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        lead = lead_of(suggestion)
        change_status(
            lead,
            stage(payload.status),
            by=by,
            loss_reason=payload.lossReason,
            loss_notes=payload.lossNotes,
            expected=payload.fromStatus,
        )
        return {"lead": str(lead.pk), "was": payload.fromStatus, "now": payload.status}

    @classmethod
    def overtaken(cls, payload: ChangeStatusPayload, suggestion: Suggestion) -> tuple[datetime, str] | None:
        lead = lead_of(suggestion)
        if lead.status_id in (payload.fromStatus, payload.status):
            return None
        latest = LeadStageHistory.objects.filter(lead=lead).order_by("-at").first()
        at = latest.at if latest else lead.updated_at
        return at, f"{lead} has moved to {lead.status.label} since this was suggested."

    @classmethod
    def renewed(cls, payload: ChangeStatusPayload, suggestion: Suggestion) -> ChangeStatusPayload:
        return payload.model_copy(update={"fromStatus": lead_of(suggestion).status_id})

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        lead, was = lead_of(suggestion), stage(suggestion.result["was"])
        if was.category == Category.LOST:
            raise IllegalMove(f"{lead} was {was.label} before: move it back by hand, with the reason.")
        change_status(lead, was, by=by, expected=suggestion.result["now"])


def lead_of(suggestion: Suggestion) -> Lead:
    if suggestion.lead is None:
        raise IllegalMove("The lead of this suggestion no longer exists.")
    return suggestion.lead


def stage(code: str) -> LeadStatus:
    found = LeadStatus.objects.filter(pk=code).first()
    if found is None:
        raise BadInput(f"There is no stage “{code}”.")
    return found
