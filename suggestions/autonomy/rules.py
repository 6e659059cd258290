"""How far the program may go by itself with a suggestion, and why a person is asked all the same.

Whose setting counts: that of the owner of the lead or client, else the house's, else a person decides.
"""

from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from crm.exceptions import IllegalMove
from crm.models import User
from suggestions.autonomy.trust import trust_in
from suggestions.kinds import Kind
from suggestions.models import GO_AHEAD, AutonomySetting, ExecutionPause, Level, Suggestion, SuggestionExecution
from suggestions.policy.findings import FIRST, Finding

BY_POLICY = "By policy"


@dataclass(frozen=True)
class Ruling:
    """What is done with a proposal: how far the setting goes, and what holds it back all the same."""

    level: str
    setting: AutonomySetting | None = None
    because: list[str] = field(default_factory=list)

    @property
    def goes(self) -> bool:
        """Whether it is let happen without a person."""
        return self.level == Level.AUTO_EXECUTE and not self.because


def owner_of(suggestion: Suggestion) -> User | None:
    """For whom it is done: who owns the lead, else the client."""
    for whose in (suggestion.lead, suggestion.client):
        if whose is not None and whose.assigned_to is not None:
            return whose.assigned_to
    return None


def setting_for(owner: User | None, type: str, *, lock: bool = False) -> AutonomySetting | None:
    """The setting that counts for `owner` and `type`, held until the transaction ends where `lock`."""
    whose = Q(user=None) | Q(user=owner) if owner else Q(user=None)
    rows = AutonomySetting.objects.filter(whose, type=type)
    found = rows.order_by(F("user").asc(nulls_last=True)).first()
    if found is None or not lock:
        return found
    return AutonomySetting.objects.select_for_update(of=("self",)).filter(pk=found.pk).first()


def rule(kind: type[Kind], payload: Any, suggestion: Suggestion, findings: list[Finding]) -> Ruling:
    """What becomes of `suggestion`, which the program proposes, inside the transaction that writes it.

    Raises:
        IllegalMove: its type is switched off for whom it would be proposed to.
    """
    owner = owner_of(suggestion)
    setting = setting_for(owner, suggestion.type)
    level = setting.level if setting else Level.SUGGEST
    if level == Level.OFF:
        whose = f"for {owner}" if setting.user_id else "here"
        raise IllegalMove(f"Suggestions of type {suggestion.get_type_display()} are switched off {whose}.")
    if level != Level.AUTO_EXECUTE:
        return Ruling(level, setting)
    # Who would go over the cap waits here until the other has gone.
    setting = setting_for(owner, suggestion.type, lock=True)
    because = held_because(kind, payload, suggestion, findings, setting)
    if not because and used_today(owner, suggestion.type) >= setting.daily_cap:
        because = [f"The {setting.daily_cap} that may go by themselves in a day have been reached."]
    return Ruling(level, setting, because)


def held_because(
    kind: type[Kind], payload: Any, suggestion: Suggestion, findings: list[Finding], setting: AutonomySetting | None
) -> list[str]:
    """Why a person decides about `suggestion` though its setting may say otherwise; nothing where none does.

    The same when it is proposed and when it is carried out, so that what has changed in between counts.
    """
    if setting is None or setting.level != Level.AUTO_EXECUTE:
        return ["The setting no longer lets this happen by itself."]
    told = [finding.sentence for finding in findings if finding.asks or finding.code.startswith(FIRST)]
    if suggestion.tainted is True and not kind.harmless:
        told.append("It rests on words of somebody outside the team.")
    told += [*unsure(suggestion, setting), *too_large(payload, suggestion, setting), *unearned(suggestion)]
    owner = owner_of(suggestion)
    if owner is not None and not (owner.is_active and owner.has_perm(kind.permission)):
        told.append(f"{owner} may not {kind.deed}, so nobody does it in their name.")
    if ExecutionPause.objects.filter(type__in=("", suggestion.type)).exists():
        told.append("The carrying out is stopped.")
    return told


def unsure(suggestion: Suggestion, setting: AutonomySetting) -> list[str]:
    """That whoever proposed it is not sure enough, or does not say."""
    floor = f"{setting.confidence_floor:.0%}"
    if suggestion.confidence is None:
        return [f"Nobody says how sure this is; {floor} are needed."]
    sure = Decimal(str(suggestion.confidence))
    return [f"It is {sure:.0%} sure; {floor} are needed."] if sure < setting.confidence_floor else []


def too_large(payload: Any, suggestion: Suggestion, setting: AutonomySetting) -> list[str]:
    """That more is at stake than the ceiling says, or nobody knows how much."""
    ceiling = setting.value_ceiling
    if ceiling is None:
        return []
    told, lead, amount = [], suggestion.lead, getattr(payload, "amount", None)
    if lead is not None and lead.estimated_value is None:
        told.append(f"The value of the lead is not known; up to {ceiling:,.0f} nobody is asked.")
    elif lead is not None and lead.estimated_value > ceiling:
        told.append(f"The lead is worth {lead.estimated_value:,.0f}; up to {ceiling:,.0f} nobody is asked.")
    if amount is not None and Decimal(str(amount)) > ceiling:
        told.append(f"It is about {amount:,}; up to {ceiling:,.0f} nobody is asked.")
    return told


def unearned(suggestion: Suggestion) -> list[str]:
    """What its agent has yet to show before anything of this type goes by itself."""
    missing = trust_in(suggestion.agent, suggestion.type).missing
    who = suggestion.agent or "Whoever proposed it"
    return [f"{who} has not earned it yet: {', '.join(missing)}."] if missing else []


def used_today(owner: User | None, type: str) -> int:
    """How many of `type` the policy has let happen for `owner` today, taken back or not."""
    began = timezone.make_aware(datetime.combine(timezone.localdate(), time.min))
    ordered = SuggestionExecution.objects.filter(ordered_by=None, by_policy=True, attempt=1, created_at__gte=began)
    return ordered.filter(
        suggestion__type=type, suggestion__owner=owner, suggestion__autonomy=Level.AUTO_EXECUTE
    ).count()


def by_policy(suggestion: Suggestion) -> bool:
    """Whether nobody but the policy has let `suggestion` happen."""
    let = suggestion.status in GO_AHEAD and suggestion.reviewed_by_id is None
    return let and suggestion.autonomy == Level.AUTO_EXECUTE and not suggestion.held_because
