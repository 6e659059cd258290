"""Response times: how long people waited for our answer."""

from collections.abc import Sequence
from typing import Any

from django.db import connection, models
from django.db.models import F
from django.urls import reverse

from crm.filters import OUR_TURN
from crm.models import User
from crm.records.local_time import format_moment
from crm.screens.reports import Figure, Period, Report, ReportColumn, ReportRow, ReportTable, Unit
from crm.screens.reports.grouping import (
    Dimension,
    Params,
    Sums,
    group_statement,
    list_address,
    make_table,
    owner_dimension,
)
from crm.screens.reports.workload import count_by_user
from inbox.models import Direction, MessageState, Nature, Thread, ThreadSource
from inbox.models.thread import VERBATIM_SOURCES

# A person waits from the first message that we have not answered. Their further messages until then start no new wait,
# and one that only closes the conversation starts none at all.
WAITS_SQL = """
    SELECT thread_id, subject, owner, source, sent_at, extract(epoch FROM answered_at - sent_at)::float8 / 3600 AS hours
      FROM (SELECT message.thread_id, thread.subject, thread.owner, thread.source, message.direction, message.sent_at,
                   lag(message.direction) OVER earlier AS before,
                   min(message.sent_at) FILTER (WHERE message.direction = 'out') OVER later AS answered_at
              FROM messages AS message
              JOIN ({threads}) AS thread (id, subject, owner, source) ON thread.id = message.thread_id
             WHERE message.deleted_at IS NULL AND NOT message.is_closing
               AND message.nature = %s AND message.state IN (%s, %s)
            WINDOW earlier AS (PARTITION BY message.thread_id ORDER BY message.sent_at, message.id),
                   later AS (earlier ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING)) AS spoken
     WHERE direction = 'in' AND before IS DISTINCT FROM 'in' AND sent_at >= %s AND sent_at < %s
"""
LONGEST_SQL = "SELECT thread_id, subject, sent_at, hours FROM ({waits}) AS waits WHERE hours IS NOT NULL"
LONGEST_SQL += " ORDER BY hours DESC, thread_id LIMIT 20"
SUMS = (
    "count(*)",
    "count(hours)",
    "percentile_cont(0.5) WITHIN GROUP (ORDER BY hours)",
    "percentile_cont(0.9) WITHIN GROUP (ORDER BY hours)",
)
COLUMNS = (
    ReportColumn("Asked"),
    ReportColumn("Answered"),
    ReportColumn("Median wait", Unit.HOURS),
    ReportColumn("90 % waited at most", Unit.HOURS),
)
WAITING_NOW = ReportColumn("Waiting now")
NOTE = "From the first unanswered message of a person to our next one. Mailing lists and automatic emails do not count."


def load_response_times(user: User, period: Period) -> list[ReportTable]:
    """Return the waits that began in `period`, by owner and channel, and the longest of them."""
    threads = Thread.objects.visible_to(user)
    statement, params = waits_statement(threads, period)
    by = group_statement(statement, params, ("owner", "source"), SUMS).by
    waiting = count_by_user(threads.needs_reply(), "owner")

    def owner_figures(sums: Sums, filters: Params | None) -> Sequence[Figure]:
        key = (filters or {}).get("owner")
        count = 0 if key is None else {str(owner or "none"): one for owner, one in waiting.items()}.get(key, 0)
        address = list_address(reverse("admin:inbox_thread_changelist"), {"turn": OUR_TURN}, filters)
        return (*wait_figures(sums, filters), Figure(count, address if count else ""))

    channels = Dimension("By channel", "Channel", lambda source: (ThreadSource(source).label, {}))
    return [
        make_table(owner_dimension(by["owner"]), by["owner"], (*COLUMNS, WAITING_NOW), owner_figures, note=NOTE),
        make_table(channels, by["source"], COLUMNS, wait_figures),
        longest_waits(statement, params),
    ]


def waits_statement(threads: models.QuerySet, period: Period) -> tuple[str, list[Any]]:
    """Return the statement for the waits of `threads` that began in `period`, and its parameters."""
    talked = threads.filter(last_message_at__gte=period.start, source__in=VERBATIM_SOURCES).order_by()
    sql, values = talked.values_list("pk", "subject", F("owner_id"), "source").query.sql_with_params()
    said = [Nature.PERSON.value, MessageState.RECEIVED.value, MessageState.SENT.value]
    return WAITS_SQL.format(threads=sql), [*values, *said, period.start, period.end]


def wait_figures(sums: Sums, filters: Params | None) -> Sequence[Figure]:
    return [Figure(one) for one in sums]


def longest_waits(statement: str, params: list[Any]) -> ReportTable:
    with connection.cursor() as cursor:
        cursor.execute(LONGEST_SQL.format(waits=statement), params)
        rows = [
            ReportRow(
                f"{subject or Direction.IN.label} · {format_moment(sent_at)}",
                (Figure(hours),),
                reverse("admin:inbox_thread_change", args=[key]),
            )
            for key, subject, sent_at, hours in cursor.fetchall()
        ]
    return ReportTable("Longest waits", "Conversation", [ReportColumn("Waited", Unit.HOURS)], rows)


RESPONSE_TIMES = Report(
    "response-times",
    "Response times",
    "How long people waited for our answer, by owner and channel, and the longest waits.",
    "inbox.view_thread",
    load_response_times,
)
