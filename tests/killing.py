"""A process that is killed at a chosen line, or at a chosen statement."""

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from typing import Any, NamedTuple

import pytest
from django.db import connection, transaction

from tests.crm.processes import wait_until
from tests.forking import forked

KILLED_POINTS = 10
SAVEPOINT_WORDS = ("SAVEPOINT", "RELEASE", "ROLLBACK TO")


class Point(NamedTuple):
    """A call of a function that a process does not survive: the `number`th of `name` in any of the modules `owners`."""

    owners: tuple[Any, ...]
    name: str
    number: int = 1
    # Whether the function had returned by then.
    after: bool = True


def with_endings(points: Iterable[Point]) -> Iterator[Any]:
    """Yield each point with how the next worker ends the work, in turn: it finishes what was begun, or undoes it."""
    for point, ending in zip(points, cycle(["APPLIED", "UNDONE"]), strict=False):
        yield pytest.param(point, ending, id=f"{point.name} {point.number} {ending.lower()}")


class Killed(BaseException):
    """The process ends here."""


def kill_at(monkeypatch, module, name, *, after=False):
    """Kill the process at the call of `name`, or right after it."""
    whole = getattr(module, name)

    def killed(*args, **kw):
        if after:
            whole(*args, **kw)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        yield


class StatementCounter:
    """Counts the statements of a connection, and kills the process right before the one with number `last`."""

    def __init__(self, last: int | None = None) -> None:
        self.last, self.count = last, 0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        # A step that is counted runs in a transaction of the counter's, so its own one is a savepoint.
        self.count += not str(sql).startswith(SAVEPOINT_WORDS)
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)


def run_killed(work: Callable[..., Any], *arguments: Any, at: Point) -> None:
    """Do `work` in a process that is killed by SIGKILL `at` a point, and wait until the database has noticed."""
    with forked(work_until_killed, work, arguments, at) as child:
        said, _ = child.communicate()
    assert child.returncode == -signal.SIGKILL, f"not killed at {at}: {said}"
    assert wait_until(lambda: not other_sessions()), "the database still works for a dead process"


def work_until_killed(work: Callable[..., Any], arguments: tuple[Any, ...], point: Point) -> None:
    owners = [owner for owner in point.owners if hasattr(owner, point.name)]
    whole, calls = getattr(owners[0], point.name), []

    def killed(*args: Any, **kw: Any) -> Any:
        calls.append(point.name)
        answer = whole(*args, **kw) if point.after or len(calls) < point.number else None
        if len(calls) == point.number:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    for owner in owners:
        setattr(owner, point.name, killed)
    work(*arguments)


def other_sessions() -> int:
    """Return how many other sessions the database has, among them those of dead processes."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return cursor.fetchone()[0]


def kill_at_ten_statements(step: Callable[[], Any], rows: Callable[[], Any]) -> None:
    """Run `step` in a process that is killed at a statement, at ten of them in turn.

    Each time `rows`, which reads the database, returns what it had returned before.
    """
    before, total = rows(), count_statements(step)
    for point in range(KILLED_POINTS):
        number = 1 + point * (total - 1) // (KILLED_POINTS - 1)
        with forked(run_and_count, step, StatementCounter(number)) as child:
            said, _ = child.communicate()
        assert child.returncode == -signal.SIGKILL, f"not killed at statement {number} of {total}: {said}"
        assert wait_until(lambda: not other_sessions()), "the database still works for a dead process"
        assert rows() == before, f"killed at statement {number} of {total}"


def count_statements(step: Callable[[], Any]) -> int:
    """Return how many statements `step` sends, in a process that takes all of them back."""
    counter = StatementCounter()
    with forked(run_and_take_back, step, counter) as child:
        said, _ = child.communicate()
    return int(said)


def run_and_take_back(step: Callable[[], Any], counter: StatementCounter) -> None:
    with transaction.atomic():
        run_and_count(step, counter)
        transaction.set_rollback(True)
    print(counter.count)  # noqa: T201


def run_and_count(step: Callable[[], Any], counter: StatementCounter) -> None:
    connection.ensure_connection()  # its own statements are none of the step's
    with connection.execute_wrapper(counter):
        step()
