"""Decides whether a suggestion is approved automatically, and why a person decides instead.

The setting of the owner of the lead or client counts; without one, the agency's; without that, a person decides.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import F, Q

from crm.exceptions import IllegalTransition
from crm.models import User
from crm.records.local_time import agency_today, start_of_agency_day
from suggestions.autonomy.trust import load_trust
from suggestions.kinds import Kind
from suggestions.models import (
    APPROVED_STATUSES,
    AutonomySetting,
    ExecutionPause,
    Level,
    Suggestion,
    SuggestionExecution,
)
from suggestions.policy.findings import FIRST_CONTACT_PREFIX, PolicyFinding

AUTO_APPROVED_NOTE = "Automatic"


@dataclass(frozen=True)
class AutonomyDecision:
    """The level of the setting for a new suggestion, and the reasons to hold the suggestion for a person."""

    level: str
    setting: AutonomySetting | None = None
    hold_reasons: list[str] = field(default_factory=list)

    @property
    def is_auto_approved(self) -> bool:
        """Whether the suggestion is approved without a person."""
        return self.level == Level.AUTO_EXECUTE and not self.hold_reasons


def suggestion_owner(suggestion: Suggestion) -> User | None:
    """Return the owner of the lead, else of the client."""
    for record in (suggestion.lead, suggestion.client):
        if record is not None and record.assigned_to is not None:
            return record.assigned_to
    return None


def effective_setting(owner: User | None, type: str, *, lock: bool = False) -> AutonomySetting | None:
    """Return the setting that applies to `owner` and `type`; with `lock`, locked until the transaction ends."""
    applies_to_owner = Q(user=None) | Q(user=owner) if owner else Q(user=None)
    rows = AutonomySetting.objects.filter(applies_to_owner, type=type)
    setting = rows.order_by(F("user").asc(nulls_last=True)).first()
    if setting is None or not lock:
        return setting
    return AutonomySetting.objects.select_for_update(of=("self",)).filter(pk=setting.pk).first()


def resolve_autonomy(
    kind: type[Kind], payload: Any, suggestion: Suggestion, findings: list[PolicyFinding]
) -> AutonomyDecision:
    """Return what happens to `suggestion` when an agent proposes it, inside the transaction that saves it.

    Raises:
        IllegalTransition: suggestions of its type are switched off for its owner.
    """
    owner = suggestion_owner(suggestion)
    setting = effective_setting(owner, suggestion.type)
    level = setting.level if setting else Level.SUGGEST
    if level == Level.OFF:
        scope = f"for {owner}" if setting.user_id else "for the agency"
        raise IllegalTransition(f"Suggestions of type {suggestion.get_type_display()} are switched off {scope}.")
    if level != Level.AUTO_EXECUTE:
        return AutonomyDecision(level, setting)
    # The lock makes suggestions wait for each other, so that together they cannot pass the daily cap.
    setting = effective_setting(owner, suggestion.type, lock=True)
    hold_reasons = reasons_to_hold(kind, payload, suggestion, findings, setting)
    if not hold_reasons and count_auto_approved_today(owner, suggestion.type) >= setting.daily_cap:
        hold_reasons = [f"The daily cap of {setting.daily_cap} is reached."]
    return AutonomyDecision(level, setting, hold_reasons)


def reasons_to_hold(
    kind: type[Kind],
    payload: Any,
    suggestion: Suggestion,
    findings: list[PolicyFinding],
    setting: AutonomySetting | None,
) -> list[str]:
    """Return why a person must decide about `suggestion` although its setting is automatic; nothing where none must.

    Checked when it is proposed and again when it is executed, so that changes in between count.
    """
    if setting is None or setting.level != Level.AUTO_EXECUTE:
        return ["The autonomy setting is no longer automatic."]
    reasons = [
        finding.sentence
        for finding in findings
        if finding.needs_confirmation or finding.code.startswith(FIRST_CONTACT_PREFIX)
    ]
    if suggestion.tainted and not kind.is_harmless:
        reasons.append("Based on an outside message.")
    if why_incomplete := kind.why_incomplete(payload, suggestion):
        reasons.append(why_incomplete)
    reasons += [
        *check_confidence(suggestion, setting),
        *check_value(payload, suggestion, setting),
        *check_trust(suggestion),
    ]
    owner = suggestion_owner(suggestion)
    if owner is not None and not (owner.is_active and owner.has_perm(kind.permission)):
        reasons.append(f"{owner} does not have permission to {kind.action_phrase}.")
    if ExecutionPause.objects.filter(type__in=("", suggestion.type)).exists():
        reasons.append("Automation is paused.")
    return reasons


def check_confidence(suggestion: Suggestion, setting: AutonomySetting) -> list[str]:
    """Return the reason if the confidence is below the floor or not given."""
    floor = f"{setting.confidence_floor:.0%}"
    if suggestion.confidence is None:
        return [f"No confidence is given; at least {floor} is needed."]
    confidence = Decimal(str(suggestion.confidence))
    return (
        [f"The confidence is {confidence:.0%}; at least {floor} is needed."]
        if confidence < setting.confidence_floor
        else []
    )


def check_value(payload: Any, suggestion: Suggestion, setting: AutonomySetting) -> list[str]:
    """Return the reasons if the value is above the ceiling or unknown."""
    ceiling = setting.value_ceiling
    if ceiling is None:
        return []
    reasons, lead, amount = [], suggestion.lead, getattr(payload, "amount", None)
    if lead is not None and lead.estimated_value is None:
        reasons.append(f"The value of the lead is unknown; the ceiling is {ceiling:,.0f}.")
    elif lead is not None and lead.estimated_value > ceiling:
        reasons.append(f"The value of the lead, {lead.estimated_value:,.0f}, is above the ceiling of {ceiling:,.0f}.")
    if amount is not None and Decimal(str(amount)) > ceiling:
        reasons.append(f"The amount, {amount:,}, is above the ceiling of {ceiling:,.0f}.")
    return reasons


def check_trust(suggestion: Suggestion) -> list[str]:
    """Return what the agent still has to earn before its suggestions of this type are automatic."""
    missing = load_trust(suggestion.agent, suggestion.type).missing_requirements
    agent_name = suggestion.agent or "The agent"
    return [f"{agent_name} has not earned this level yet. It needs {', '.join(missing)}."] if missing else []


def count_auto_approved_today(owner: User | None, type: str) -> int:
    """Return how many suggestions of `type` were approved automatically for `owner` today, undone or not."""
    day_start = start_of_agency_day(agency_today())
    auto_executions = SuggestionExecution.objects.filter(
        ordered_by=None, by_policy=True, attempt=1, created_at__gte=day_start
    )
    return auto_executions.filter(
        suggestion__type=type, suggestion__owner=owner, suggestion__autonomy=Level.AUTO_EXECUTE
    ).count()


def is_auto_approved(suggestion: Suggestion) -> bool:
    """Return whether `suggestion` was approved automatically."""
    is_approved = suggestion.status in APPROVED_STATUSES and suggestion.reviewed_by_id is None
    return is_approved and suggestion.autonomy == Level.AUTO_EXECUTE and not suggestion.held_because
