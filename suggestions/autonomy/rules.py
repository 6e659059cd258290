"""How far the program may go by itself with a suggestion, and why a person is asked all the same.

Whose setting counts: that of the owner of the lead or client, else the house's, else a person decides.
"""

from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from crm.exceptions import IllegalTransition
from crm.models import User
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

AUTO_APPROVED_NOTE = "By policy"


@dataclass(frozen=True)
class AutonomyDecision:
    """What is done with a proposal: how far the setting goes, and what holds it back all the same."""

    level: str
    setting: AutonomySetting | None = None
    hold_reasons: list[str] = field(default_factory=list)

    @property
    def is_auto_approved(self) -> bool:
        """Whether it is let happen without a person."""
        return self.level == Level.AUTO_EXECUTE and not self.hold_reasons


def suggestion_owner(suggestion: Suggestion) -> User | None:
    """For whom it is done: who owns the lead, else the client."""
    for record in (suggestion.lead, suggestion.client):
        if record is not None and record.assigned_to is not None:
            return record.assigned_to
    return None


def effective_setting(owner: User | None, type: str, *, lock: bool = False) -> AutonomySetting | None:
    """The setting that counts for `owner` and `type`, held until the transaction ends where `lock`."""
    applies_to_owner = Q(user=None) | Q(user=owner) if owner else Q(user=None)
    rows = AutonomySetting.objects.filter(applies_to_owner, type=type)
    setting = rows.order_by(F("user").asc(nulls_last=True)).first()
    if setting is None or not lock:
        return setting
    return AutonomySetting.objects.select_for_update(of=("self",)).filter(pk=setting.pk).first()


def resolve_autonomy(
    kind: type[Kind], payload: Any, suggestion: Suggestion, findings: list[PolicyFinding]
) -> AutonomyDecision:
    """What becomes of `suggestion`, which the program proposes, inside the transaction that writes it.

    Raises:
        IllegalTransition: its type is switched off for whom it would be proposed to.
    """
    owner = suggestion_owner(suggestion)
    setting = effective_setting(owner, suggestion.type)
    level = setting.level if setting else Level.SUGGEST
    if level == Level.OFF:
        scope = f"for {owner}" if setting.user_id else "here"
        raise IllegalTransition(f"Suggestions of type {suggestion.get_type_display()} are switched off {scope}.")
    if level != Level.AUTO_EXECUTE:
        return AutonomyDecision(level, setting)
    # Who would go over the cap waits here until the other has gone.
    setting = effective_setting(owner, suggestion.type, lock=True)
    hold_reasons = reasons_to_hold(kind, payload, suggestion, findings, setting)
    if not hold_reasons and count_auto_approved_today(owner, suggestion.type) >= setting.daily_cap:
        hold_reasons = [f"The {setting.daily_cap} that may go by themselves in a day have been reached."]
    return AutonomyDecision(level, setting, hold_reasons)


def reasons_to_hold(
    kind: type[Kind],
    payload: Any,
    suggestion: Suggestion,
    findings: list[PolicyFinding],
    setting: AutonomySetting | None,
) -> list[str]:
    """Why a person decides about `suggestion` though its setting may say otherwise; nothing where none does.

    The same when it is proposed and when it is carried out, so that what has changed in between counts.
    """
    if setting is None or setting.level != Level.AUTO_EXECUTE:
        return ["The setting no longer lets this happen by itself."]
    reasons = [
        finding.sentence
        for finding in findings
        if finding.needs_confirmation or finding.code.startswith(FIRST_CONTACT_PREFIX)
    ]
    if suggestion.tainted and not kind.is_harmless:
        reasons.append("It rests on words of somebody outside the team.")
    reasons += [
        *check_confidence(suggestion, setting),
        *check_value(payload, suggestion, setting),
        *check_trust(suggestion),
    ]
    owner = suggestion_owner(suggestion)
    if owner is not None and not (owner.is_active and owner.has_perm(kind.permission)):
        reasons.append(f"{owner} may not {kind.action_phrase}, so nobody does it in their name.")
    if ExecutionPause.objects.filter(type__in=("", suggestion.type)).exists():
        reasons.append("The carrying out is stopped.")
    return reasons


def check_confidence(suggestion: Suggestion, setting: AutonomySetting) -> list[str]:
    """That whoever proposed it is not sure enough, or does not say."""
    floor = f"{setting.confidence_floor:.0%}"
    if suggestion.confidence is None:
        return [f"Nobody says how sure this is; {floor} are needed."]
    confidence = Decimal(str(suggestion.confidence))
    return [f"It is {confidence:.0%} sure; {floor} are needed."] if confidence < setting.confidence_floor else []


def check_value(payload: Any, suggestion: Suggestion, setting: AutonomySetting) -> list[str]:
    """That more is at stake than the ceiling says, or nobody knows how much."""
    ceiling = setting.value_ceiling
    if ceiling is None:
        return []
    reasons, lead, amount = [], suggestion.lead, getattr(payload, "amount", None)
    if lead is not None and lead.estimated_value is None:
        reasons.append(f"The value of the lead is not known; up to {ceiling:,.0f} nobody is asked.")
    elif lead is not None and lead.estimated_value > ceiling:
        reasons.append(f"The lead is worth {lead.estimated_value:,.0f}; up to {ceiling:,.0f} nobody is asked.")
    if amount is not None and Decimal(str(amount)) > ceiling:
        reasons.append(f"It is about {amount:,}; up to {ceiling:,.0f} nobody is asked.")
    return reasons


def check_trust(suggestion: Suggestion) -> list[str]:
    """What its agent has yet to show before anything of this type goes by itself."""
    missing = load_trust(suggestion.agent, suggestion.type).missing_requirements
    agent_name = suggestion.agent or "Whoever proposed it"
    return [f"{agent_name} has not earned it yet: {', '.join(missing)}."] if missing else []


def count_auto_approved_today(owner: User | None, type: str) -> int:
    """How many of `type` the policy has let happen for `owner` today, taken back or not."""
    day_start = timezone.make_aware(datetime.combine(timezone.localdate(), time.min))
    auto_executions = SuggestionExecution.objects.filter(
        ordered_by=None, by_policy=True, attempt=1, created_at__gte=day_start
    )
    return auto_executions.filter(
        suggestion__type=type, suggestion__owner=owner, suggestion__autonomy=Level.AUTO_EXECUTE
    ).count()


def is_auto_approved(suggestion: Suggestion) -> bool:
    """Whether nobody but the policy has let `suggestion` happen."""
    is_approved = suggestion.status in APPROVED_STATUSES and suggestion.reviewed_by_id is None
    return is_approved and suggestion.autonomy == Level.AUTO_EXECUTE and not suggestion.held_because
