"""What people decided on what came of calls to models: for the charts of the AI log."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from crm.models import User
from suggestions.models import APPROVED_STATUSES, RejectCode, Suggestion, SuggestionStatus

# What a person has let through, with changes or without, or turned down; what was merely replaced was not judged.
DECIDED_BY_PERSON = Q(reviewed_by__isnull=False) & (
    Q(status__in=[*APPROVED_STATUSES, SuggestionStatus.FAILED])
    | (Q(status=SuggestionStatus.REJECTED) & ~Q(reject_code=RejectCode.SUPERSEDED))
)


def decisions_on_model_calls(
    user: User | None, since: datetime, until: datetime, calls: QuerySet | None, most: int | None
) -> Iterator[tuple[datetime, str, str, str]]:
    """When something was decided that came of a call, the call's agent and model, and what: the newest `most`.

    Of `calls` alone if they are given; of what `user` may see (None: of all), decided from `since` and before `until`.
    What was decided is "approved", "edited" (approved with changes) or "rejected".
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
