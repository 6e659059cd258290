"""Sets the autonomy level of a type of suggestion, and lowers it when suggestions went wrong."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from crm.exceptions import IllegalTransition, InvalidInput, NotPermitted, errors_as_invalid_input
from crm.models import User
from crm.records.activity import SYSTEM_ACTOR, Actor, record
from suggestions.autonomy.rules import effective_setting, suggestion_owner
from suggestions.autonomy.trust import (
    EDITED_SHARE_LIMIT,
    MIN_APPROVED_SHARE,
    MIN_DECISIONS,
    AgentTrust,
    format_share,
    load_all_trust,
)
from suggestions.kinds import KINDS
from suggestions.models import LEVELS_ASCENDING, AutonomySetting, Level, Suggestion, SuggestionType

CHANGE_OWN_PERMISSION = "suggestions.change_autonomysetting"
CHANGE_EVERYONES_PERMISSION = "suggestions.change_everyones_autonomy"
BOUND_FIELDS = ("daily_cap", "value_ceiling", "confidence_floor", "undo_seconds")


@transaction.atomic
def set_autonomy_level(
    user: User | None,
    type: str,
    level: str,
    *,
    bounds: Mapping[str, Any] | None = None,
    by: Actor | User,
) -> AutonomySetting:
    """Set the autonomy level of suggestions of `type` for `user` (None: for the agency).

    `bounds` may set "daily_cap", "value_ceiling" (None: no ceiling), "confidence_floor" (0..1) and "undo_seconds"; the
    other bounds stay as they are.

    Raises:
        NotPermitted: `by` may not change the setting, or `user` may not do what would become automatic.
        InvalidInput: `type` or `level` does not exist, or the database refuses a bound.
        IllegalTransition: no agent has earned the level.
    """
    actor = Actor.of(by)
    require_autonomy_permission(actor, user)
    if type not in SuggestionType.values or level not in Level.values:
        raise InvalidInput("Choose a type of suggestion and a level from the list.")
    rows = AutonomySetting.objects.select_for_update(of=("self",)).filter(user=user, type=type)
    setting = rows.first() or AutonomySetting(user=user, type=type, level=Level.SUGGEST)
    was = {name: getattr(setting, name) for name in ("level", *BOUND_FIELDS)}
    if level_rank(level) > max(level_rank(was["level"]), level_rank(Level.SUGGEST)):
        check_level_earned(user, type)
    now = {**was, **{name: value for name, value in (bounds or {}).items() if name in BOUND_FIELDS}, "level": level}
    if now == was and not setting._state.adding:
        return setting
    for name, value in now.items():
        setattr(setting, name, value)
    if level != was["level"]:
        setting.lowered_at, setting.lowered_because = None, ""
    with errors_as_invalid_input():
        setting.full_clean()
        setting.save()
    record(setting, "set", by=by, summary=f"Autonomy: {setting}{describe_changed_bounds(was, now)}")
    return setting


@transaction.atomic
def reset_to_agency_setting(user: User, type: str, *, by: Actor | User) -> None:
    """Delete the setting of `user` for `type`, so that the agency's applies.

    Raises:
        NotPermitted: `by` may not change the setting.
        IllegalTransition: `user` has no setting of their own.
    """
    require_autonomy_permission(Actor.of(by), user)
    setting = AutonomySetting.objects.select_for_update(of=("self",)).filter(user=user, type=type).first()
    if setting is None:
        raise IllegalTransition(f"{user} already uses the agency's setting.")
    record(
        setting,
        "reset",
        by=by,
        summary=f"Autonomy: {setting.get_type_display()} for {user} reset to the agency's setting",
    )
    setting.delete()


def require_autonomy_permission(actor: Actor, user: User | None) -> None:
    """Raise NotPermitted unless `actor` may set the autonomy of `user`."""
    if user is None or actor.user is None or actor.user.pk != user.pk:
        actor.require_permission(CHANGE_EVERYONES_PERMISSION, "change the autonomy of the agency or of other people")
    else:
        actor.require_permission(CHANGE_OWN_PERMISSION, "change autonomy settings")


def check_level_earned(user: User | None, type: str) -> None:
    """Raise an exception unless an agent has earned more autonomy for `type`, and `user` may do it themselves."""
    kind, label = KINDS.get(type), SuggestionType(type).label
    if kind is None:
        raise IllegalTransition(f"Suggestions of type {label} cannot be executed.")
    if user is not None and not user.has_perm(kind.permission):
        raise NotPermitted(f"{user} does not have permission to {kind.action_phrase}, so it cannot be automatic.")
    trusts = [trust for trust in load_all_trust() if trust.type == type]
    if any(trust.is_earned for trust in trusts):
        return
    needed = (
        f"an agent needs {MIN_DECISIONS} decisions, at least {format_share(MIN_APPROVED_SHARE)} approved"
        f" and fewer than {format_share(EDITED_SHARE_LIMIT)} edited"
    )
    figures = "; ".join(trust.figures_text for trust in trusts) or "no decisions yet"
    raise IllegalTransition(f"{label} cannot be automatic yet: {needed}. So far: {figures}.")


def describe_changed_bounds(was: dict[str, Any], now: dict[str, Any]) -> str:
    """Return the changed bounds, in words."""
    changes = [f"{name.replace('_', ' ')} {now[name]}" for name in BOUND_FIELDS if now[name] != was[name]]
    return f" ({', '.join(changes)})" if changes else ""


def level_rank(level: str) -> int:
    """Return the place of `level` from the lowest, 0."""
    return LEVELS_ASCENDING.index(Level(level))


# Lowering a level


def adjust_autonomy(suggestion: Suggestion, why: str, *, was_auto_approved: bool) -> None:
    """Lower the level where a rejection, a failure or an undo of `suggestion` shows that it is too high.

    Called last in the transaction, because a setting is locked after all else.
    """
    if was_auto_approved:
        lower_one_step(suggestion, why)
    lower_if_trust_lost(suggestion)


def lower_one_step(suggestion: Suggestion, why: str) -> None:
    """Lower the level by one step: `suggestion` was automatic, and was rejected or undone, or failed."""
    setting = effective_setting(suggestion_owner(suggestion), suggestion.type, lock=True)
    if setting is not None and level_rank(setting.level) > level_rank(Level.SUGGEST):
        lower_level(setting, LEVELS_ASCENDING[level_rank(setting.level) - 1], f"{suggestion}: {why}")


def lower_if_trust_lost(suggestion: Suggestion) -> None:
    """Lower the level to "Suggest" where no agent has earned more any longer."""
    raised = AutonomySetting.objects.filter(type=suggestion.type, level__in=(Level.AUTO_DRAFT, Level.AUTO_EXECUTE))
    if not raised.exists():
        return
    trusts = [trust for trust in load_all_trust() if trust.type == suggestion.type]
    if any(trust.is_earned for trust in trusts):
        return
    for setting in raised.select_for_update(of=("self",)).order_by("pk"):
        lower_level(
            setting,
            Level.SUGGEST,
            f"no agent has earned this level any longer. {describe_lost_trust(suggestion, trusts)}",
        )


def describe_lost_trust(suggestion: Suggestion, trusts: list[AgentTrust]) -> str:
    """Return the figures of the agent that made `suggestion`, or of all agents where it has none."""
    figures_text = [trust.figures_text for trust in trusts if trust.agent == suggestion.agent] or [
        trust.figures_text for trust in trusts
    ]
    return "; ".join(figures_text)


def lower_level(setting: AutonomySetting, level: str, reason: str) -> None:
    """Lower `setting`, which the caller has locked, to `level`."""
    setting.level, setting.lowered_at, setting.lowered_because = level, timezone.now(), reason
    setting.save(update_fields=["level", "lowered_at", "lowered_because", "updated_at"])
    record(setting, "lowered", by=SYSTEM_ACTOR, summary=f"Autonomy lowered: {setting}, because {reason}")
