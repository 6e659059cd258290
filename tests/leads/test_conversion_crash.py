"""A connection that is lost in the middle of a conversion, or of its undo, leaves all of it or nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from procrastinate.exceptions import ConnectorException

from crm.exceptions import ActionRefused
from inbox.models.email_template import EmailTemplate
from leads.conversion.transitions import client_from_lead, convert, policy_from_lead, undo_conversion
from leads.models import Lead, LeadConversion
from tests.cast import make_user
from tests.leads.test_undo_conversion import live_rows, make_busy_lead

POINTS = 10


@contextmanager
def each_statement(before: Callable[[int], None]) -> Iterator[None]:
    """Call `before` with the number of each statement, counted from one."""
    number = 0

    def count(execute, sql, params, many, context):
        nonlocal number
        number += 1
        before(number)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        yield


def count_statements(action: Callable[[], object]) -> int:
    """Return the number of statements of `action`, which is rolled back."""
    numbers = []
    with transaction.atomic(), each_statement(numbers.append):
        action()
        transaction.set_rollback(True)
    # Within another transaction it begins and ends with a savepoint.
    return len(numbers) - 2


def lose_connection_at(point: int, action: Callable[[], object]) -> None:
    """Run `action` while the server ends the session at its statement `point`, as if the process were killed."""

    def end_session(number: int) -> None:
        if number == point:
            with suppress(psycopg.OperationalError):
                connection.connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises((DatabaseError, ConnectorException, ActionRefused)), each_statement(end_session):
        action()
    connection.close()


def spread(count: int) -> list[int]:
    """Return ten of the numbers from 1 to `count`, the first and the last among them."""
    return sorted({round(1 + step * (count - 1) / (POINTS - 1)) for step in range(POINTS)})


@pytest.mark.django_db(transaction=True)
def test_lost_connection_leaves_all_or_nothing_of_a_conversion_and_its_undo():
    ann = make_user("ann", "agent")
    ann.get_all_permissions()  # read once, and not in each attempt
    lead = make_busy_lead(assigned_to=ann)
    template = str(EmailTemplate.objects.get(category="WELCOME").pk)

    def conversion() -> LeadConversion:
        fresh = Lead.objects.get(pk=lead.pk)
        added = {"project_name": "First", "policy": policy_from_lead(fresh), "welcome_template": template}
        return convert(fresh, client_from_lead(fresh), by=ann, **added)

    def undo() -> None:
        undo_conversion(LeadConversion.objects.get(undone_at=None), by=ann)

    before = live_rows()
    for point in spread(count_statements(conversion)):
        lose_connection_at(point, conversion)
        assert live_rows() == before, point
    conversion()
    converted = live_rows()
    assert converted != before
    for point in spread(count_statements(undo)):
        lose_connection_at(point, undo)
        assert live_rows() == converted, point
    undo()
    assert live_rows() == before
