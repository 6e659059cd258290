"""`manage.py serve`: the web server and its worker start together and end together."""

import contextlib
import os
import signal
import socket
import urllib.request

import psutil
import pytest

from tests.crm.processes import (
    children_of,
    eventually,
    is_dead,
    line_with,
    manage,
    running,
    url_of_test_database,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.storm]


@pytest.fixture
def port():
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def ours(tmp_path, port):
    """The variables of a CRM of our own: the test's database, and nothing of the checkout's."""
    return {"DATABASE_URL": url_of_test_database(), "DATA_DIR": str(tmp_path), "PORT": str(port)}


@pytest.fixture
def served(ours):
    """A CRM that is being served, with the processes it consists of."""
    with running("manage.py", "serve", **ours) as serve:
        line_with(serve, "The CRM is at")
        family = children_of(serve.pid)
        yield serve, family
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def all_gone(family):
    return all(is_dead(pid) for pid in family)


def test_it_serves_and_ends_all_of_it_when_told(served, port):
    serve, family = served
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/login/", timeout=10) as page:
        assert page.status == 200
    serve.send_signal(signal.SIGINT)
    assert line_with(serve, "Stopped.")
    assert serve.wait(10) == 0
    assert all_gone(family)


def test_a_second_one_says_where_the_first_is(served, ours, port):
    ended = manage("serve", "--port", "1", **ours)
    assert ended.returncode == 1
    assert ended.stdout == (
        f"CommandError: The CRM is served already, at http://127.0.0.1:{port}/: stop that one first.\n"
    )


def test_killed_it_takes_its_children_along(served):
    serve, family = served
    serve.kill()
    assert eventually(lambda: all_gone(family))


@pytest.mark.parametrize(("name", "words"), [("worker", "manage"), ("web server", "gunicorn")])
def test_when_one_child_dies_all_end_and_it_says_which(served, name, words):
    serve, family = served
    child = next(each for each in psutil.Process(serve.pid).children() if words in each.cmdline())
    child.kill()
    line_with(serve, f"The {name} has ended by itself (code -9), so everything is stopped")
    assert serve.wait(10) == 1
    assert eventually(lambda: all_gone(family))


def test_a_busy_port_is_told_in_a_sentence(ours, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        ended = manage("serve", **ours)
    assert ended.returncode == 1
    assert ended.stdout.startswith(f"CommandError: Port {port} is in use by another program: choose another")
    assert ended.stdout.count("\n") == 1


def test_a_database_without_its_tables_is_told_in_a_sentence(ours):
    ended = manage("serve", **{**ours, "DATABASE_URL": url_of_test_database("postgres")})
    assert ended.returncode == 1
    assert ended.stdout.endswith("migrations are not applied: run manage.py migrate first.\n")
    assert ended.stdout.count("\n") == 1


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_no_port_is_an_error_of_use(port):
    ended = manage("serve", "--port", port)
    assert ended.returncode == 2
    assert "argument --port: invalid" in ended.stdout
