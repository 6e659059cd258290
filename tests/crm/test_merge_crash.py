"""A merge or its undo that is cut off: whole, or not at all."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection
from procrastinate.exceptions import ConnectorException
from psycopg import connect

from crm.exceptions import InvalidInput
from crm.models import Merge
from crm.records.merging.transitions import merge, unmerge
from tests.cast import make_user
from tests.crm.test_merge import make_full_lead, table_rows

KILLED_POINTS, SPARE_STATEMENTS = 10, 4
NEEDED = {"dbname", "user", "password", "host", "port"}


class KilledBackend:
    """Ends the server process of the connection right before the statement with a certain number."""

    def __init__(self, number: int) -> None:
        self.number, self.count = number, 0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        self.count += 1
        if self.count == self.number:
            parameters = {name: value for name, value in connection.get_connection_params().items() if name in NEEDED}
            with connect(**parameters, autocommit=True) as other:
                backend = connection.connection.info.backend_pid
                # Wait until the process has ended, so that the statement finds no connection.
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
        return execute(sql, params, many, context)


def count_statements(step: Callable[[], Any]) -> int:
    counter = KilledBackend(0)
    with connection.execute_wrapper(counter):
        step()
    return counter.count


def kill_at_each_point(step: Callable[[], Any], total: int) -> None:
    """Run `step` once for each point and kill it there: nothing at all may have changed."""
    before = table_rows()
    for point in range(KILLED_POINTS):
        # Two leads need a few statements more or less than two others.
        number = 1 + point * (total - SPARE_STATEMENTS) // (KILLED_POINTS - 1)
        # Django asks the database about each constraint, and takes an error there for a violation.
        with (
            pytest.raises((OperationalError, ConnectorException, InvalidInput)),
            connection.execute_wrapper(KilledBackend(number)),
        ):
            step()
        connection.close()
        assert table_rows() == before, f"killed at statement {number} of {total}"


@pytest.mark.django_db(transaction=True)
def test_killed_merge_and_killed_undo_leave_every_row_as_it_was():
    by = make_user("max", "manager")
    winner, loser = make_full_lead(), make_full_lead()
    trial = [make_full_lead(), make_full_lead()]
    # The first run fills caches, such as that of the permissions.
    unmerge(merge(*trial, {}, by=by), by=by)
    merge_total = count_statements(lambda: merge(*trial, {}, by=by))
    unmerge_total = count_statements(lambda: unmerge(Merge.objects.in_force().get(loser_id=trial[1].pk), by=by))
    kill_at_each_point(lambda: merge(winner, loser, {}, by=by), merge_total)
    done = merge(winner, loser, {}, by=by)
    kill_at_each_point(lambda: unmerge(done, by=by), unmerge_total)
    unmerge(done, by=by)
    winner.refresh_from_db()
    loser.refresh_from_db()
    assert (winner.merged_into_id, loser.merged_into_id, loser.deleted_at) == (None, None, None)
