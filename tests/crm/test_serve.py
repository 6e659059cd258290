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
    is_dead,
    manage,
    running,
    test_database_url,
    wait_for_line,
    wait_until,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.storm]


@pytest.fixture
def port():
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def variables(tmp_path, port):
    """The variables of a separate CRM: the test's database, and nothing of the checkout."""
    return {"DATABASE_URL": test_database_url(), "DATA_DIR": str(tmp_path), "PORT": str(port)}


@pytest.fixture
def serving(variables):
    """Serve a CRM; yield its processes."""
    with running("manage.py", "serve", **variables) as serve:
        wait_for_line(serve, "The CRM runs at")
        children = children_of(serve.pid)
        yield serve, children
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def all_dead(children):
    return all(is_dead(pid) for pid in children)


def test_serve_answers_and_stops_all_processes_on_signal(serving, port):
    serve, children = serving
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/login/", timeout=10) as page:
        assert page.status == 200
    serve.send_signal(signal.SIGINT)
    assert wait_for_line(serve, "Stopped.")
    assert serve.wait(10) == 0
    assert all_dead(children)


def test_second_serve_reports_the_first(serving, variables, port):
    ended = manage("serve", "--port", "1", **variables)
    assert ended.returncode == 1
    assert ended.stdout == (f"CommandError: The CRM already runs at http://127.0.0.1:{port}/. Stop it first.\n")


def test_killed_serve_stops_its_children(serving):
    serve, children = serving
    serve.kill()
    assert wait_until(lambda: all_dead(children))


@pytest.mark.parametrize(("name", "words"), [("worker", "manage"), ("web server", "gunicorn")])
def test_death_of_one_child_stops_all_and_names_it(serving, name, words):
    serve, children = serving
    child = next(each for each in psutil.Process(serve.pid).children() if words in each.cmdline())
    child.kill()
    wait_for_line(serve, f"The {name} ended unexpectedly (exit code -9). All processes are stopped")
    assert serve.wait(10) == 1
    assert wait_until(lambda: all_dead(children))


def test_busy_port_is_reported(variables, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        ended = manage("serve", **variables)
    assert ended.returncode == 1
    assert ended.stdout.startswith(f"CommandError: Port {port} is in use by another program. Choose another")
    assert ended.stdout.count("\n") == 1


def test_unmigrated_database_is_reported(variables):
    ended = manage("serve", **{**variables, "DATABASE_URL": test_database_url("postgres")})
    assert ended.returncode == 1
    assert ended.stdout.endswith("migrations are not applied. Run manage.py migrate first.\n")
    assert ended.stdout.count("\n") == 1


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_invalid_port_is_a_usage_error(port):
    ended = manage("serve", "--port", port)
    assert ended.returncode == 2
    assert "argument --port: invalid" in ended.stdout
