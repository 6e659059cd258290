"""An agent with a past: what people decided about its earlier suggestions."""

from typing import Any

from django.utils import timezone

from crm.models import ActorType, User
from crm.records.activity import Actor
from suggestions.models import AutonomySetting, Level, Suggestion, SuggestionStatus, SuggestionType
from suggestions.transitions import propose
from tests.cast import make_lead

SCOUT = Actor(ActorType.AI, name="scout")


def make_decided_suggestions(by: User, agent: str = "scout", type: str = SuggestionType.TASK, **counts: int) -> None:
    """So many decided suggestions of `agent`, by their status (approved=50, modified=2, rejected=1)."""
    now = timezone.now()
    Suggestion.objects.bulk_create(
        Suggestion(
            type=type,
            agent=agent,
            status=status.upper(),
            reviewed_by=by,
            reviewed_at=now,
            **(
                {"reject_code": "NOT_NEEDED"}
                if status == "rejected"
                else {"approved_content": {}, "content_hash": "x", "suggested_content": {}}
            ),
        )
        for status, count in counts.items()
        for _ in range(count)
    )


def make_setting(user: User | None = None, type: str = SuggestionType.TASK, **kw: Any) -> AutonomySetting:
    kw.setdefault("level", Level.AUTO_EXECUTE)
    return AutonomySetting.objects.create(user=user, type=type, **kw)


def make_proposal(by: Actor | User = SCOUT, **kw: Any) -> Suggestion:
    """A task that an agent that is sure of itself proposes for a lead."""
    if "lead" not in kw:
        kw["lead"] = make_lead(assigned_to=kw.pop("owner", None))
    kw.setdefault("type", SuggestionType.TASK)
    kw.setdefault("suggested_content", {"title": "Call back"})
    kw.setdefault("confidence", "0.95")
    return propose(Suggestion(**kw), by=by)


def status_label(suggestion: Suggestion) -> str:
    suggestion.refresh_from_db()
    return SuggestionStatus(suggestion.status).label
