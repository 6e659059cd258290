"""Seed tickets of a share of the clients."""

from datetime import timedelta
from typing import Any

from django.db.backends.utils import CursorWrapper

from demo.seeding.draws import Chunk, weighted_choice
from support.models import ServiceLevel
from support.service_levels.due_times import compute_outdated

# A week has so many hours for each working hour; resolved tickets get their due times by it, the others exactly.
HOURS_PER_WORKING_HOUR = 7 * 24 / (5 * 8)
# Nearly all tickets older than three weeks are resolved; newer ones have any status.
INSERT_TICKETS_SQL = """
INSERT INTO support_tickets (id, created_at, updated_at, client_id, lead_id, created_by, subject, issue_type,
                             issue_description, resolution_summary, status, priority, assigned_to_id,
                             first_response_due_at, resolve_due_at, first_responded_at, resolved_at,
                             escalated_at, satisfaction, due_is_stale)
SELECT pg_temp.uuid7(at, 'ticket', n), at, coalesce(ended_at, at), client_id, id, name,
       split_part(issue, '|', 2), split_part(issue, '|', 1), split_part(issue, '|', 3),
       CASE WHEN status = 'Resolved' THEN split_part(issue, '|', 4) ELSE '' END,
       status, priority, owner_id, at + first_target, at + target,
       CASE WHEN status <> 'Open' THEN least(%(now)s, at + first_target * pg_temp.draw(n, 'responded')) END,
       CASE WHEN status = 'Resolved' THEN ended_at END,
       CASE WHEN status = 'Escalated' THEN least(%(now)s, at + target) END,
       CASE WHEN status = 'Resolved' AND pg_temp.draw(n, 'rated') < 0.4
            THEN pg_temp.whole(1, 5, sqrt(pg_temp.draw(n, 'satisfaction'))) END,
       status <> 'Resolved'
  FROM (
    SELECT opened.*, first_target, target, least(%(now)s, at + target * 1.1 * pg_temp.draw(n, 'work')) AS ended_at,
           CASE WHEN at < %(now)s - interval '21 days' AND pg_temp.draw(n, 'lingers') < 0.97 THEN 'Resolved'
                ELSE pg_temp.pick(%(statuses)s, %(statuses_shares)s, pg_temp.draw(n, 'ticket status')) END
             AS status
      FROM (
        SELECT seeded.*, converted_at + (%(now)s - converted_at) * sqrt(pg_temp.draw(n, 'needed help')) AS at,
               pg_temp.pick(%(issues)s, pg_temp.draw(n, 'issue')) AS issue,
               pg_temp.pick(%(priorities)s, %(priorities_shares)s, pg_temp.draw(n, 'priority')) AS priority
          FROM seeded WHERE client_id IS NOT NULL AND pg_temp.draw(n, 'tickets') < %(tickets)s
      ) AS opened
      JOIN unnest(%(due_priorities)s::text[], %(first_targets)s::interval[], %(targets)s::interval[])
           AS due_time (due_priority, first_target, target) ON due_priority = priority
     OFFSET 0
  ) AS handled
"""
TICKET_PARAMETERS: dict[str, Any] = {
    **weighted_choice("priorities", {"low": 20, "normal": 55, "high": 19, "urgent": 6}),
    **weighted_choice("statuses", {"Open": 40, "In Progress": 35, "Escalated": 10, "Resolved": 15}),
    "issues": [
        "Billing|Charged twice this month|The bank shows two payments on the same day."
        "|The second payment was returned and the date of collection corrected.",
        "Claim|How do I report a claim?|A tree fell on the fence last night."
        "|Gave them the carrier's claim line and stayed until the claim had a number.",
        "Policy change|Add a driver|My daughter has her license now."
        "|Added the driver and sent the new declarations page.",
        "Policy change|New car|I traded the old one in on Saturday."
        "|Replaced the vehicle on the policy from the date of purchase.",
        "Documents|Certificate of insurance needed|The landlord asks for it before we can move in."
        "|Sent the certificate with the landlord as certificate holder.",
        "Documents|ID cards did not arrive|I need them for the registration.|Mailed new cards and sent a copy at once.",
        "Billing|Why did the premium go up?|It is eighteen percent more than last year."
        "|Explained the new rate of the state and moved them to a higher deductible.",
        "Cancellation|Cancel the second policy|We sold the condo."
        "|Cancelled from the day of the sale; the rest of the premium is refunded.",
        "Account|Cannot sign in to the portal|It says that the address is unknown."
        "|Corrected the address on file and sent a new invitation.",
        "Coverage|Is a rental car covered?|We are traveling next week."
        "|Confirmed in writing that the policy extends to rental cars.",
    ],
}


def insert_tickets(cursor: CursorWrapper, chunk: Chunk) -> int:
    """Insert one ticket for a share of the clients of `seeded`, with due times by the service levels."""
    count = chunk.run(cursor, INSERT_TICKETS_SQL, {**TICKET_PARAMETERS, **target_parameters()})
    compute_outdated()
    return count


def target_parameters() -> dict[str, Any]:
    """Return the targets of the general service levels, as spans of time around the clock."""
    levels = list(ServiceLevel.objects.filter(issue_type=""))
    spans = [(HOURS_PER_WORKING_HOUR if level.in_working_hours else 1) * timedelta(minutes=1) for level in levels]
    return {
        "due_priorities": [level.priority for level in levels],
        "first_targets": [level.first_response_minutes * span for level, span in zip(levels, spans, strict=True)],
        "targets": [level.resolution_minutes * span for level, span in zip(levels, spans, strict=True)],
    }
