"""CHANGE_STATUS: move a lead to another stage."""

from datetime import datetime
from typing import Any

from django.urls import reverse
from pydantic import Field

from crm.exceptions import IllegalTransition, InvalidInput
from crm.records.activity import Actor
from leads.models import Lead, LeadStageHistory, LeadStatus, StageCategory
from leads.models.conversion import conversion_key
from leads.transitions import change_status, check_stage_change, loss_fields
from suggestions.choices import LabelCache
from suggestions.kinds.base import FollowOn, InvalidContent, LocalKind, NextStep, Payload
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


class ChangeStatusKind(LocalKind):
    type = SuggestionType.CHANGE_STATUS
    Payload = ChangeStatusPayload
    permission, action_phrase = "leads.change_lead", "change the stage of a lead"
    summary_field, summary_format = "status", "Move to {}"

    @classmethod
    def fill_defaults(cls, content: Any, suggestion: Suggestion) -> Any:
        """Fill in the present stage of the lead."""
        if not isinstance(content, dict) or content.get("fromStatus"):
            return content
        if suggestion.lead is None:
            raise InvalidContent({"lead": ["This is needed."]})
        return {**content, "fromStatus": suggestion.lead.status_id}

    @classmethod
    def guard(cls, payload: ChangeStatusPayload, suggestion: Suggestion) -> None:
        status = get_stage(payload.status)
        check_stage_change(require_lead(suggestion), status, payload.fromStatus)
        loss_fields(status, payload.lossReason, payload.lossNotes)

    @classmethod
    def sentence(cls, payload: ChangeStatusPayload, suggestion: Suggestion, labels: LabelCache | None = None) -> str:
        labels = labels or LabelCache()
        was, now = (labels.label("stages", code) for code in (payload.fromStatus, payload.status))
        return f"Move {suggestion.lead or 'the lead'} from {was} to {now}."

    @classmethod
    def execute(cls, payload: ChangeStatusPayload, suggestion: Suggestion, *, by: Actor) -> dict[str, Any]:
        lead = require_lead(suggestion)
        change_status(
            lead,
            get_stage(payload.status),
            by=by,
            loss_reason=payload.lossReason,
            loss_notes=payload.lossNotes,
            expected=payload.fromStatus,
        )
        return {"lead": str(lead.pk), "was": payload.fromStatus, "now": payload.status}

    @classmethod
    def next_step(cls, suggestion: Suggestion) -> NextStep | None:
        won = Lead.objects.filter(pk=suggestion.lead_id, status__category=StageCategory.WON, converted_at=None)
        url = reverse("admin:leads_lead_convert", args=[suggestion.lead_id])
        return NextStep("Convert to client", url) if won.exists() else None

    @classmethod
    def follow_ons(cls, payload: ChangeStatusPayload, suggestion: Suggestion, result: dict[str, Any]) -> list[FollowOn]:
        """Propose the conversion of a lead that is won."""
        lead = Lead.objects.to_convert().filter(pk=suggestion.lead_id).first()
        if lead is None:
            return []
        conversion = Suggestion(
            type=SuggestionType.CONVERT_LEAD,
            lead=lead,
            suggested_content={},
            reasoning=f"{lead} is won and not a client yet.",
            dedupe_key=conversion_key(lead),
        )
        return [FollowOn(conversion, agent=suggestion.agent)]

    @classmethod
    def change_since_proposed(cls, payload: ChangeStatusPayload, suggestion: Suggestion) -> tuple[datetime, str] | None:
        lead = require_lead(suggestion)
        if lead.status_id in (payload.fromStatus, payload.status):
            return None
        latest = LeadStageHistory.objects.filter(lead=lead).order_by("-at").first()
        at = latest.at if latest else lead.updated_at
        return at, f"{lead} has moved to {lead.status.label} since this was suggested."

    @classmethod
    def refresh_payload(cls, payload: ChangeStatusPayload, suggestion: Suggestion) -> ChangeStatusPayload:
        return payload.model_copy(update={"fromStatus": require_lead(suggestion).status_id})

    @classmethod
    def undo(cls, suggestion: Suggestion, *, by: Actor) -> None:
        lead, was = require_lead(suggestion), get_stage(suggestion.result["was"])
        if was.category == StageCategory.LOST:
            raise IllegalTransition(f"{lead} was {was.label} before: move it back by hand, with the reason.")
        change_status(lead, was, by=by, expected=suggestion.result["now"])


def require_lead(suggestion: Suggestion) -> Lead:
    if suggestion.lead is None:
        raise IllegalTransition("The lead of this suggestion no longer exists.")
    return suggestion.lead


def get_stage(code: str) -> LeadStatus:
    found = LeadStatus.objects.filter(pk=code).first()
    if found is None:
        raise InvalidInput(f"There is no stage “{code}”.")
    return found
