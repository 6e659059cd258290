"""Decisions on suggestions that came from model calls, for the charts of the AI log."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from crm.models import User
from suggestions.models import APPROVED_STATUSES, RejectCode, Suggestion, SuggestionStatus

# Approved or rejected by a person; a superseded suggestion was not judged.
DECIDED_BY_PERSON = Q(reviewed_by__isnull=False) & (
    Q(status__in=[*APPROVED_STATUSES, SuggestionStatus.FAILED])
    | (Q(status=SuggestionStatus.REJECTED) & ~Q(reject_code=RejectCode.SUPERSEDED))
)


def decisions_on_model_calls(
    user: User | None, since: datetime, until: datetime, calls: QuerySet | None, most: int | None
) -> Iterator[tuple[datetime, str, str, str]]:
    """Yield time, agent, model and decision of the newest `most` decisions from `since` and before `until`.

    The decision is "approved", "edited" (approved with changes) or "rejected". Only suggestions that `user` may see
    count (None: all), and only those from `calls` if they are given.
    """
    if user is not None and not user.has_perm("suggestions.view_suggestion"):
        return
    rows = Suggestion.objects.visible_to(user) if user is not None else Suggestion.objects.all()
    rows = rows.filter(DECIDED_BY_PERSON, interaction__isnull=False, reviewed_at__gte=since, reviewed_at__lt=until)
    if calls is not None:
        rows = rows.filter(interaction__in=calls.order_by().values("pk"))
    decisions: Any = rows.order_by("-reviewed_at", "-id").values_list(
        "reviewed_at", "interaction__agent", "interaction__model_used", "status"
    )
    for at, agent, model, status in decisions[:most]:
        yield at, agent, model, DECISION_NAMES.get(status, "approved")


DECISION_NAMES = {SuggestionStatus.MODIFIED: "edited", SuggestionStatus.REJECTED: "rejected"}
