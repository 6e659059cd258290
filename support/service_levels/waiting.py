"""Waits for the customer, as the conversation of a ticket shows them.

Once a reply of ours has left, the customer has the turn, and the time of the ticket stands still until they answer.
"""

from django.db import connection, transaction

from crm.records.activity import SYSTEM_ACTOR, build_entry, save_entries
from support.models import SupportTicket

# Contact between persons, as the state of a thread counts it.
CONTACT = "message.deleted_at IS NULL AND message.nature = 'PERSON' AND message.thread_id = ticket.thread_id"
OURS = f"{CONTACT} AND message.direction = 'out' AND message.state = 'SENT'"
THEIRS = f"{CONTACT} AND message.direction = 'in'"
IN_THREAD = "ticket.deleted_at IS NULL AND ticket.status <> 'Resolved' AND ticket.thread_id IS NOT NULL"
FIRST_RESPONSES_SQL = f"""
    WITH answered AS (
        SELECT ticket.id, (SELECT min(message.sent_at) FROM messages AS message
                            WHERE {OURS} AND message.sent_at >= ticket.opened_at) AS at
          FROM support_tickets AS ticket
          JOIN threads AS thread ON thread.id = ticket.thread_id AND thread.last_message_at >= ticket.opened_at
         WHERE {IN_THREAD} AND ticket.first_responded_at IS NULL
           FOR UPDATE OF ticket SKIP LOCKED
    )
    UPDATE support_tickets AS ticket SET first_responded_at = answered.at, updated_at = statement_timestamp()
      FROM answered WHERE ticket.id = answered.id AND answered.at IS NOT NULL
"""
END_WAITS_SQL = f"""
    WITH answered AS (
        SELECT ticket.id, (SELECT min(message.sent_at) FROM messages AS message
                            WHERE {THEIRS} AND message.sent_at > ticket.waiting_since) AS at
          FROM support_tickets AS ticket
          JOIN threads AS thread ON thread.id = ticket.thread_id AND thread.last_message_at > ticket.waiting_since
         WHERE {IN_THREAD} AND ticket.waiting_since IS NOT NULL
           FOR UPDATE OF ticket SKIP LOCKED
    )
    UPDATE support_tickets AS ticket
       SET waits = ticket.waits || ticket_wait(ticket.waiting_since, answered.at), waiting_since = NULL,
           due_is_stale = ticket.due_is_stale OR NOT ticket.has_own_due_times, updated_at = statement_timestamp()
      FROM answered WHERE ticket.id = answered.id AND answered.at IS NOT NULL
    RETURNING ticket.id, answered.at
"""
# A wait that a person has ended does not begin again with the same message.
BEGIN_WAITS_SQL = f"""
    WITH replied AS (
        SELECT ticket.id, (SELECT min(message.sent_at) FROM messages AS message
                            WHERE {OURS} AND NOT message.is_closing AND message.sent_at >= ticket.opened_at
                              AND message.sent_at > coalesce((ticket.waits -> -1 ->> 'to')::timestamptz, '-infinity')
                              AND message.sent_at > coalesce(theirs.at, '-infinity')) AS at
          FROM support_tickets AS ticket
          JOIN threads AS thread ON thread.id = ticket.thread_id AND thread.awaiting_reply
                                AND thread.last_message_at >= ticket.opened_at
         CROSS JOIN LATERAL (SELECT max(message.sent_at) AS at FROM messages AS message WHERE {THEIRS}) AS theirs
         WHERE {IN_THREAD} AND ticket.waiting_since IS NULL
           FOR UPDATE OF ticket SKIP LOCKED
    )
    UPDATE support_tickets AS ticket SET waiting_since = replied.at, updated_at = statement_timestamp()
      FROM replied WHERE ticket.id = replied.id AND replied.at IS NOT NULL
    RETURNING ticket.id, replied.at
"""


@transaction.atomic
def notice_messages() -> int:
    """Record the first responses, and the waits that messages ended and began; return how many there were.

    What a message changes follows from its time, so a job that runs late records the same.
    """
    with connection.cursor() as cursor:
        cursor.execute(FIRST_RESPONSES_SQL)
        count = cursor.rowcount
        for statement, verb, words in (
            (END_WAITS_SQL, "answered", "The customer answered ticket “{}”"),
            (BEGIN_WAITS_SQL, "waiting", "Ticket “{}” waits for the customer"),
        ):
            cursor.execute(statement)
            times = dict(cursor.fetchall())
            tickets = SupportTicket.objects.filter(pk__in=times).only("number", "subject")
            save_entries(
                build_entry(ticket, verb, by=SYSTEM_ACTOR, at=times[ticket.pk], summary=words.format(ticket))
                for ticket in tickets
            )
            count += len(times)
    return count
