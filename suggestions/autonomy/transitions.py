"""Setting how far the program may go by itself, and taking it back where it was wrong."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from crm.exceptions import BadInput, IllegalMove, NotAllowed, refusing
from crm.models import User
from crm.records.activity import SYSTEM, Actor, record
from suggestions.autonomy.rules import owner_of, setting_for
from suggestions.autonomy.trust import APPROVED_FROM, EDITED_BELOW, ENOUGH, Trust, everybody, percent
from suggestions.kinds import KINDS
from suggestions.models import LADDER, AutonomySetting, Level, Suggestion, SuggestionType

OWN = "suggestions.change_autonomysetting"
EVERYONES = "suggestions.change_everyones_autonomy"
BOUNDS = ("daily_cap", "value_ceiling", "confidence_floor", "undo_seconds")


@transaction.atomic
def set_level(
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
        NotAllowed: `by` may not, or `user` may not do themselves what would be left to the program.
        BadInput: no such type or level, or a bound that the database refuses.
        IllegalMove: more would be left to the program than any agent has earned.
    """
    actor = Actor.of(by)
    may_set(actor, user)
    if type not in SuggestionType.values or level not in Level.values:
        raise BadInput("Choose a type of suggestion and a level from the list.")
    rows = AutonomySetting.objects.select_for_update(of=("self",)).filter(user=user, type=type)
    setting = rows.first() or AutonomySetting(user=user, type=type, level=Level.SUGGEST)
    was = {name: getattr(setting, name) for name in ("level", *BOUNDS)}
    if step(level) > max(step(was["level"]), step(Level.SUGGEST)):
        refuse_unearned(user, type)
    now = {**was, **{name: value for name, value in (bounds or {}).items() if name in BOUNDS}, "level": level}
    if now == was and not setting._state.adding:
        return setting
    for name, value in now.items():
        setattr(setting, name, value)
    if level != was["level"]:
        setting.lowered_at, setting.lowered_because = None, ""
    with refusing():
        setting.full_clean()
        setting.save()
    record(setting, "set", by=by, summary=f"Autonomy: {setting}{changed(was, now)}")
    return setting


@transaction.atomic
def follow_house(user: User, type: str, *, by: Actor | User) -> None:
    """Let the house's rule for `type` count for `user` again, in place of one of their own.

    Raises:
        NotAllowed: `by` may not.
        IllegalMove: there is none of their own.
    """
    may_set(Actor.of(by), user)
    setting = AutonomySetting.objects.select_for_update(of=("self",)).filter(user=user, type=type).first()
    if setting is None:
        raise IllegalMove(f"The house's rule counts for {user} already.")
    record(
        setting, "left to the house", by=by, summary=f"Autonomy: {setting.get_type_display()} for {user} as the house"
    )
    setting.delete()


def may_set(actor: Actor, user: User | None) -> None:
    """Refuse whoever may not set the autonomy of `user`."""
    if user is None or actor.user is None or actor.user.pk != user.pk:
        actor.require(EVERYONES, "set the autonomy of the house or of other people")
    else:
        actor.require(OWN, "set how far the program may go")


def refuse_unearned(user: User | None, type: str) -> None:
    """Refuse to leave more of `type` to the program than an agent has earned, or `user` may do."""
    kind, label = KINDS.get(type), SuggestionType(type).label
    if kind is None:
        raise IllegalMove(f"This program cannot carry out a suggestion of type {label}.")
    if user is not None and not user.has_perm(kind.permission):
        raise NotAllowed(f"{user} may not {kind.deed}: it cannot be left to the program either.")
    known = [trust for trust in everybody() if trust.type == type]
    if any(trust.earned for trust in known):
        return
    needed = (
        f"an agent needs {ENOUGH} decisions, at least {percent(APPROVED_FROM)} approved"
        f" and fewer than {percent(EDITED_BELOW)} edited"
    )
    figures = "; ".join(trust.told for trust in known) or "nothing of it has been decided yet"
    raise IllegalMove(f"{label} cannot be left to the program yet: {needed}. So far: {figures}.")


def changed(was: dict[str, Any], now: dict[str, Any]) -> str:
    """What of the bounds has changed, in words."""
    told = [f"{name.replace('_', ' ')} {now[name]}" for name in BOUNDS if now[name] != was[name]]
    return f" ({', '.join(told)})" if told else ""


def step(level: str) -> int:
    return LADDER.index(Level(level))


# What comes down by itself


def learn(suggestion: Suggestion, why: str, *, let: bool) -> None:
    """Take from the program what a rejection, a failure or an undoing of `suggestion` shows to be too much.

    `let`: the policy had let it happen. Called last in the transaction: a setting is locked after all else.
    """
    if let:
        went_wrong(suggestion, why)
    no_longer_earned(suggestion)


def went_wrong(suggestion: Suggestion, why: str) -> None:
    """The policy had let `suggestion` happen, and it was turned down, taken back, or failed: one step down."""
    setting = setting_for(owner_of(suggestion), suggestion.type, lock=True)
    if setting is not None and step(setting.level) > step(Level.SUGGEST):
        lower(setting, LADDER[step(setting.level) - 1], f"{suggestion}: {why}")


def no_longer_earned(suggestion: Suggestion) -> None:
    """After a rejection: what no agent has earned any more waits for people again."""
    above = AutonomySetting.objects.filter(type=suggestion.type, level__in=(Level.AUTO_DRAFT, Level.AUTO_EXECUTE))
    if not above.exists():
        return
    known = [trust for trust in everybody() if trust.type == suggestion.type]
    if any(trust.earned for trust in known):
        return
    for setting in above.select_for_update(of=("self",)).order_by("pk"):
        lower(setting, Level.SUGGEST, f"no agent has earned it any more. {fallen(suggestion, known)}")


def fallen(suggestion: Suggestion, known: list[Trust]) -> str:
    """The figures of whoever made `suggestion`, or of all where it made nothing of the kind."""
    told = [trust.told for trust in known if trust.agent == suggestion.agent] or [trust.told for trust in known]
    return "; ".join(told)


def lower(setting: AutonomySetting, level: str, because: str) -> None:
    """Take `setting`, which the caller holds, down to `level`."""
    setting.level, setting.lowered_at, setting.lowered_because = level, timezone.now(), because
    setting.save(update_fields=["level", "lowered_at", "lowered_because", "updated_at"])
    record(setting, "lowered", by=SYSTEM, summary=f"Autonomy lowered: {setting}, because {because}")
