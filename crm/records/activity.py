"""Who does a deed, and the one function that writes it down."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone

from crm.exceptions import NotAllowed
from crm.models import ActivityLog, ActorType, User
from crm.records.base import Record


@dataclass(frozen=True)
class Actor:
    """Whoever does a deed: a member of staff, the program, a model, somebody outside."""

    type: ActorType
    user: User | None = None
    name: str = ""

    @classmethod
    def of(cls, by: "Actor | User") -> "Actor":
        return by if isinstance(by, Actor) else cls(ActorType.USER, by, str(by))

    def __str__(self) -> str:
        return self.name or self.type.label

    def require(self, permission: str, deed: str) -> None:
        """Refuse unless this actor may do `deed`; the program itself may do everything.

        Raises:
            NotAllowed: a person without `permission`, or anybody outside the house.
        """
        if self.type == ActorType.SYSTEM:
            return
        if self.user is None or not self.user.is_active or not self.user.has_perm(permission):
            raise NotAllowed(f"{self} may not {deed}.")


SYSTEM = Actor(ActorType.SYSTEM, name="The program")


def record(target: models.Model, verb: str, **said: Any) -> ActivityLog:
    """Write one line of history; the arguments are those of `line`."""
    row = line(target, verb, **said)
    row.save(force_insert=True)
    return row


def keep(lines: Iterable[ActivityLog]) -> None:
    """Write many at once that `line` has made, in the same transaction."""
    ActivityLog.objects.bulk_create(lines)


def line(
    target: models.Model,
    verb: str,
    *,
    by: Actor | User,
    summary: str,
    about: models.Model | None = None,
    at: datetime | None = None,
    **metadata: Any,
) -> ActivityLog:
    """One line of history, yet to be kept: `by` did `verb` to `target`, on the timeline of `about`.

    `about` is the target itself unless given; `metadata` holds what JSON can hold.
    """
    actor = Actor.of(by)
    about, at = about or target, at or timezone.now()
    if isinstance(about, Record):
        about.touched(at)
    return ActivityLog(
        actor_type=actor.type,
        actor=actor.user,
        verb=verb,
        summary=summary,
        target_type=target._meta.label_lower,
        target_id=target.pk,
        about_type=about._meta.label_lower,
        about_id=about.pk,
        metadata={"name": actor.name, **metadata} if actor.name else metadata,
        occurred_at=at,
    )
