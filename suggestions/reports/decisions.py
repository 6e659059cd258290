"""What became of suggestions: approved as they were, changed, or rejected, by type and agent."""

from collections.abc import Sequence

from django.db.models import BooleanField, F, Q
from django.db.models.expressions import ExpressionWrapper
from django.db.models.fields.json import KeyTextTransform
from django.urls import reverse

from crm.models import User
from crm.screens.reports import Figure, Period, Report, ReportColumn, ReportTable, Unit
from crm.screens.reports.grouping import Dimension, Params, Sums, group_rows, list_address, make_table
from suggestions.filters import BY_PEOPLE, BY_POLICY
from suggestions.models import UNDECIDED_STATUSES, Suggestion
from suggestions.models.suggestion import TYPE_LABELS

# A usual speed of typing; it turns words that were not typed into hours.
WORDS_AN_HOUR = 40 * 60
PERSON_APPROVED = "is_by_person AND status IN ('APPROVED', 'MODIFIED')"
SUMS = (
    f"count(*) FILTER (WHERE {PERSON_APPROVED})",
    "count(*) FILTER (WHERE is_by_person AND status = 'MODIFIED')",
    "count(*) FILTER (WHERE is_by_person AND status = 'REJECTED')",
    "count(*) FILTER (WHERE is_by_person AND status = 'FAILED')",
    "count(*) FILTER (WHERE NOT is_by_person AND status IN ('APPROVED', 'MODIFIED'))",
    "percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM reviewed_at - created_at)::float8 / 3600)"
    " FILTER (WHERE is_by_person)",
    r"sum(array_length(regexp_split_to_array(btrim(words), '\s+'), 1))"
    " FILTER (WHERE is_by_person AND status = 'APPROVED')",
)
COLUMNS = (
    ReportColumn("Approved"),
    ReportColumn("With changes"),
    ReportColumn("Rejected"),
    ReportColumn("Failed"),
    ReportColumn("Accepted", Unit.SHARE),
    ReportColumn("Changed", Unit.SHARE),
    ReportColumn("Decided after", Unit.HOURS),
    ReportColumn("Typing saved", Unit.HOURS),
    ReportColumn("Automatic"),
)
NOTE = (
    "Accepted: approved or failed ÷ decided by people. Changed: with changes ÷ approved. Decided after: the median."
    " Typing saved: the words of drafts approved as they were, at 40 words a minute. Automatic: approved by the policy."
)


def load_decisions(user: User, period: Period) -> list[ReportTable]:
    """Return the decisions of `period` on the suggestions that `user` sees, by type and agent."""
    decided = Suggestion.objects.visible_to(user).exclude(status__in=UNDECIDED_STATUSES)
    rows = decided.filter(reviewed_at__gte=period.start, reviewed_at__lt=period.end).values(
        "status",
        "reviewed_at",
        "created_at",
        kind=F("type"),
        proposer=F("agent"),
        is_by_person=ExpressionWrapper(Q(reviewed_by__isnull=False), BooleanField()),
        words=KeyTextTransform("body", "approved_content"),
    )
    by = group_rows(rows, ("kind", "proposer"), SUMS).by
    filters = period.params("decided")

    def make_figures(sums: Sums, params: Params | None) -> Sequence[Figure]:
        approved, changed, rejected, failed, automatic, hours, words = sums
        people, accepted = {**filters, "decided_by": BY_PEOPLE}, approved + failed
        states = {"approved": approved, "edited": changed, "rejected": rejected, "failed": failed}
        return (
            *(Figure(count, suggestions_address({**people, "state": one}, params)) for one, count in states.items()),
            Figure(accepted / (accepted + rejected) if accepted + rejected else None),
            Figure(changed / approved if approved else None),
            Figure(hours),
            Figure((words or 0) / WORDS_AN_HOUR),
            Figure(automatic, suggestions_address({**filters, "decided_by": BY_POLICY, "state": "approved"}, params)),
        )

    types = Dimension("By type", "Type", lambda code: (TYPE_LABELS[code], {"type": code}))
    agents = Dimension("By agent", "Agent", lambda name: (name, {"agent": name}) if name else ("No agent", None))
    return [
        make_table(types, by["kind"], COLUMNS, make_figures, note=NOTE),
        make_table(agents, by["proposer"], COLUMNS, make_figures),
    ]


def suggestions_address(filters: Params, params: Params | None) -> str:
    return list_address(reverse("admin:suggestions_suggestion_changelist"), filters, params)


DECISIONS = Report(
    "suggestions",
    "Decisions on suggestions",
    "How many suggestions were approved, changed or rejected, by type and agent, and the typing that they saved.",
    "suggestions.view_suggestion",
    load_decisions,
)
