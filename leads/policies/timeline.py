"""What the timeline of a policy shows beside its own entries: its changes of status, which its client's keeps."""

from typing import Any

from crm.models import ActivityLog
from crm.records.timeline import Position, SourcePage, line_of, rows_before
from leads.models import Policy


def status_lines(user: Any, policy: Policy, before: Position | None, size: int) -> SourcePage:
    """Return the entries about `policy` on the timeline of its client, newest first."""
    entries = ActivityLog.objects.for_target(policy).exclude(about_type=policy._meta.label_lower)
    rows, complete_to = rows_before(entries.select_related("actor"), before, at="occurred_at", size=size)
    return SourcePage([line_of(row) for row in rows], complete_to)
