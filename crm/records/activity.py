"""The actors of actions, and `record()`, the only function that writes the activity log."""

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
    """The actor of an action: a user, the system, a model or an outside person."""

    type: ActorType
    user: User | None = None
    name: str = ""

    @classmethod
    def of(cls, by: "Actor | User") -> "Actor":
        return by if isinstance(by, Actor) else cls(ActorType.USER, by, str(by))

    def __str__(self) -> str:
        return self.name or self.type.label

    def require_permission(self, permission: str, action: str) -> None:
        """Check that this actor may do `action`; the system may do everything.

        Raises:
            NotPermitted: the user lacks `permission`, or the actor is an outside person.
        """
        if self.type == ActorType.SYSTEM:
            return
        if self.user is None or not self.user.is_active or not self.user.has_perm(permission):
            raise NotPermitted(f"{self} may not {action}.")

    def require_visible(self, row: Record) -> None:
        """Check that this actor may open `row`, freshly loaded; only users are kept from records of others.

        Raises:
            NotPermitted: the user may not see it.
        """
        if self.user is not None and not row.is_visible_to(self.user):
            raise NotPermitted(f"{self} may not open this {row._meta.verbose_name}.")


SYSTEM_ACTOR = Actor(ActorType.SYSTEM, name="The program")
# Stands for a user with a deleted account, and has no permission.
DELETED_USER = Actor(ActorType.USER, name="A former colleague")


def record(target: models.Model, verb: str, **entry_fields: Any) -> ActivityLog:
    """Save one log entry; takes the arguments of `build_entry`."""
    row = build_entry(target, verb, **entry_fields)
    row.save(force_insert=True)
    return row


def save_entries(entries: Iterable[ActivityLog]) -> None:
    """Save many entries from `build_entry` at once, in the current transaction."""
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
    """Return an unsaved log entry: `by` did `verb` to `target`, shown on the timeline of `timeline_owner`.

    `timeline_owner` defaults to the target. `metadata` must be JSON-serializable.
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
