"""Seed tickets of a share of the clients."""

from typing import Any

from django.db.backends.utils import CursorWrapper

from demo.seeding.draws import Chunk, weighted_choice
from support.due_times import RESPONSE_TARGETS

# Nearly all tickets older than three weeks are resolved; newer ones have any status.
INSERT_TICKETS_SQL = """
INSERT INTO support_tickets (id, created_at, updated_at, client_id, lead_id, created_by, subject, issue_type,
                             issue_description, resolution_summary, status, priority, assigned_to_id,
                             first_response_due_at, resolve_due_at, first_responded_at, resolved_at,
                             escalated_at, satisfaction)
SELECT pg_temp.uuid7(at, 'ticket', n), at, coalesce(ended_at, at), client_id, id, name,
       split_part(issue, '|', 2), split_part(issue, '|', 1), split_part(issue, '|', 3),
       CASE WHEN status = 'Resolved' THEN split_part(issue, '|', 4) ELSE '' END,
       status, priority, owner_id, at + first_target, at + target,
       CASE WHEN status <> 'Open' THEN least(%(now)s, at + first_target * pg_temp.draw(n, 'responded')) END,
       CASE WHEN status = 'Resolved' THEN ended_at END,
       CASE WHEN status = 'Escalated' THEN least(%(now)s, at + target) END,
       CASE WHEN status = 'Resolved' AND pg_temp.draw(n, 'rated') < 0.4
            THEN pg_temp.whole(1, 5, sqrt(pg_temp.draw(n, 'satisfaction'))) END
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
    "due_priorities": [str(priority) for priority in RESPONSE_TARGETS],
    "first_targets": [first for first, _ in RESPONSE_TARGETS.values()],
    "targets": [target for _, target in RESPONSE_TARGETS.values()],
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
    """Insert one ticket for a share of the clients of `seeded`."""
    return chunk.run(cursor, INSERT_TICKETS_SQL, TICKET_PARAMETERS)
