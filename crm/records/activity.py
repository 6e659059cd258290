"""Who does a deed, and the one function that writes it down."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone

from crm.exceptions import NotPermitted
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

    def require_permission(self, permission: str, action: str) -> None:
        """Refuse unless this actor may do `action`; the program itself may do everything.

        Raises:
            NotPermitted: a person without `permission`, or anybody outside the house.
        """
        if self.type == ActorType.SYSTEM:
            return
        if self.user is None or not self.user.is_active or not self.user.has_perm(permission):
            raise NotPermitted(f"{self} may not {action}.")


SYSTEM_ACTOR = Actor(ActorType.SYSTEM, name="The program")


def record(target: models.Model, verb: str, **entry_fields: Any) -> ActivityLog:
    """Write one line of history; the arguments are those of `build_entry`."""
    row = build_entry(target, verb, **entry_fields)
    row.save(force_insert=True)
    return row


def save_entries(entries: Iterable[ActivityLog]) -> None:
    """Write many at once that `build_entry` has made, in the same transaction."""
    ActivityLog.objects.bulk_create(entries)


def build_entry(
    target: models.Model,
    verb: str,
    *,
    by: Actor | User,
    summary: str,
    timeline_owner: models.Model | None = None,
    at: datetime | None = None,
    **metadata: Any,
) -> ActivityLog:
    """One line of history, yet to be kept: `by` did `verb` to `target`, on the timeline of `timeline_owner`.

    `timeline_owner` is the target itself unless given; `metadata` holds what JSON can hold.
    """
    actor = Actor.of(by)
    timeline_owner, at = timeline_owner or target, at or timezone.now()
    if isinstance(timeline_owner, Record):
        timeline_owner.update_last_activity(at)
    return ActivityLog(
        actor_type=actor.type,
        actor=actor.user,
        verb=verb,
        summary=summary,
        target_type=target._meta.label_lower,
        target_id=target.pk,
        about_type=timeline_owner._meta.label_lower,
        about_id=timeline_owner.pk,
        metadata={"name": actor.name, **metadata} if actor.name else metadata,
        occurred_at=at,
    )
