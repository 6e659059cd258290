"""Setting how far the program may go by itself, and taking it back where it was wrong."""

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
    """Say how far the program may go for `user` (None: for everybody who says nothing) with suggestions of `type`.

    `bounds` may hold "daily_cap", "value_ceiling" (None: none), "confidence_floor" (0..1) and "undo_seconds"; what it
    does not hold stays as it is.

    Raises:
        NotPermitted: `by` may not, or `user` may not do themselves what would be left to the program.
        InvalidInput: no such type or level, or a bound that the database refuses.
        IllegalTransition: more would be left to the program than any agent has earned.
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
    """Let the house's rule for `type` count for `user` again, in place of one of their own.

    Raises:
        NotPermitted: `by` may not.
        IllegalTransition: there is none of their own.
    """
    require_autonomy_permission(Actor.of(by), user)
    setting = AutonomySetting.objects.select_for_update(of=("self",)).filter(user=user, type=type).first()
    if setting is None:
        raise IllegalTransition(f"The house's rule counts for {user} already.")
    record(
        setting, "left to the house", by=by, summary=f"Autonomy: {setting.get_type_display()} for {user} as the house"
    )
    setting.delete()


def require_autonomy_permission(actor: Actor, user: User | None) -> None:
    """Refuse whoever may not set the autonomy of `user`."""
    if user is None or actor.user is None or actor.user.pk != user.pk:
        actor.require_permission(CHANGE_EVERYONES_PERMISSION, "set the autonomy of the house or of other people")
    else:
        actor.require_permission(CHANGE_OWN_PERMISSION, "set how far the program may go")


def check_level_earned(user: User | None, type: str) -> None:
    """Refuse to leave more of `type` to the program than an agent has earned, or `user` may do."""
    kind, label = KINDS.get(type), SuggestionType(type).label
    if kind is None:
        raise IllegalTransition(f"This program cannot carry out a suggestion of type {label}.")
    if user is not None and not user.has_perm(kind.permission):
        raise NotPermitted(f"{user} may not {kind.action_phrase}: it cannot be left to the program either.")
    trusts = [trust for trust in load_all_trust() if trust.type == type]
    if any(trust.is_earned for trust in trusts):
        return
    needed = (
        f"an agent needs {MIN_DECISIONS} decisions, at least {format_share(MIN_APPROVED_SHARE)} approved"
        f" and fewer than {format_share(EDITED_SHARE_LIMIT)} edited"
    )
    figures = "; ".join(trust.figures_text for trust in trusts) or "nothing of it has been decided yet"
    raise IllegalTransition(f"{label} cannot be left to the program yet: {needed}. So far: {figures}.")


def describe_changed_bounds(was: dict[str, Any], now: dict[str, Any]) -> str:
    """What of the bounds has changed, in words."""
    changes = [f"{name.replace('_', ' ')} {now[name]}" for name in BOUND_FIELDS if now[name] != was[name]]
    return f" ({', '.join(changes)})" if changes else ""


def level_rank(level: str) -> int:
    return LEVELS_ASCENDING.index(Level(level))


# What comes down by itself


def adjust_autonomy(suggestion: Suggestion, why: str, *, was_auto_approved: bool) -> None:
    """Take from the program what a rejection, a failure or an undoing of `suggestion` shows to be too much.

    `was_auto_approved`: the policy had let it happen. Called last in the transaction: a setting is locked after all else.
    """
    if was_auto_approved:
        lower_one_step(suggestion, why)
    lower_if_trust_lost(suggestion)


def lower_one_step(suggestion: Suggestion, why: str) -> None:
    """The policy had let `suggestion` happen, and it was turned down, taken back, or failed: one step down."""
    setting = effective_setting(suggestion_owner(suggestion), suggestion.type, lock=True)
    if setting is not None and level_rank(setting.level) > level_rank(Level.SUGGEST):
        lower_level(setting, LEVELS_ASCENDING[level_rank(setting.level) - 1], f"{suggestion}: {why}")


def lower_if_trust_lost(suggestion: Suggestion) -> None:
    """After a rejection: what no agent has earned any more waits for people again."""
    raised = AutonomySetting.objects.filter(type=suggestion.type, level__in=(Level.AUTO_DRAFT, Level.AUTO_EXECUTE))
    if not raised.exists():
        return
    trusts = [trust for trust in load_all_trust() if trust.type == suggestion.type]
    if any(trust.is_earned for trust in trusts):
        return
    for setting in raised.select_for_update(of=("self",)).order_by("pk"):
        lower_level(
            setting, Level.SUGGEST, f"no agent has earned it any more. {describe_lost_trust(suggestion, trusts)}"
        )


def describe_lost_trust(suggestion: Suggestion, trusts: list[AgentTrust]) -> str:
    """The figures of whoever made `suggestion`, or of all where it made nothing of the kind."""
    figures_text = [trust.figures_text for trust in trusts if trust.agent == suggestion.agent] or [
        trust.figures_text for trust in trusts
    ]
    return "; ".join(figures_text)


def lower_level(setting: AutonomySetting, level: str, reason: str) -> None:
    """Take `setting`, which the caller holds, down to `level`."""
    setting.level, setting.lowered_at, setting.lowered_because = level, timezone.now(), reason
    setting.save(update_fields=["level", "lowered_at", "lowered_because", "updated_at"])
    record(setting, "lowered", by=SYSTEM_ACTOR, summary=f"Autonomy lowered: {setting}, because {reason}")
