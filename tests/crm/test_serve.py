"""`manage.py serve`: the web server and its worker start together and end together."""

import contextlib
import os
import signal
import socket
import urllib.request

import psutil
import pytest

from crm.runtime.serving import CannotServe, Restarts, open_listener, single_instance_lock
from tests.crm.processes import (
    PATIENCE_SECONDS,
    children_of,
    current_database_url,
    free_port,
    is_dead,
    manage_here,
    running,
    send_email,
    wait_for_line,
    wait_until,
)
from tests.template_database import connected_to

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.storm]


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def variables(tmp_path, port):
    """The variables of a separate CRM: the test's database, and nothing of the checkout."""
    return {"DATABASE_URL": current_database_url(), "DATA_DIR": str(tmp_path), "PORT": str(port)}


NO_CATCHER = {"EMAIL_URL": "smtp://127.0.0.1:9", "MAIL_FROM": "Agency <office@agency.example>"}


@pytest.fixture
def served_here(settings, tmp_path, port):
    """The same CRM for a command in this process."""
    settings.DATA_DIR, settings.PORT = tmp_path, port


@contextlib.contextmanager
def serving(**variables):
    """Serve a CRM; yield its main process, all its children, and what it said of outgoing email, if anything."""
    with running("manage.py", "serve", **variables) as serve:
        said = wait_for_line(serve, "Outgoing email is not ", "The CRM runs at")
        if said.startswith("Outgoing"):
            wait_for_line(serve, "The CRM runs at")
        children = children_of(serve.pid)
        yield serve, children, said
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def all_dead(children):
    return all(is_dead(pid) for pid in children)


def named(serve, word):
    """Return the child of `serve` with a word in its command line."""
    return next(each for each in psutil.Process(serve.pid).children() if word in each.cmdline())


def test_serve_answers_alone_beside_another_mail_catcher_and_stops_on_signal(variables, served_here, port):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        catcher_port = taken.getsockname()[1]
        with serving(**variables, MAIL_CATCHER_PORT=str(catcher_port)) as (serve, children, said):
            assert f"another program listens on 127.0.0.1:{catcher_port}" in said
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/login/", timeout=10) as page:
                assert page.status == 200
            second = manage_here("serve", "--port", "1")
            assert second.returncode == 1
            expected = f"CommandError: The CRM already runs at http://127.0.0.1:{port}/. Stop it first.\n"
            assert second.stdout == expected
            serve.send_signal(signal.SIGINT)
            assert wait_for_line(serve, "Stopped.")
            assert serve.wait(PATIENCE_SECONDS) == 0
            assert all_dead(children)


def test_killed_serve_stops_its_children_and_its_mail_catcher(variables, tmp_path):
    catcher_port = free_port()
    with serving(**variables, MAIL_CATCHER_PORT=str(catcher_port)) as (serve, children, said):
        assert "another program" not in said
        send_email(catcher_port)
        assert len(list((tmp_path / "mail").iterdir())) == 1
        serve.kill()
        assert wait_until(lambda: all_dead(children))


def test_killed_worker_is_started_again_and_the_web_server_stays(variables, port):
    with serving(**variables, **NO_CATCHER) as (serve, children, said):
        web, worker = named(serve, "gunicorn"), named(serve, "worker")
        worker.kill()
        wait_for_line(serve, "The worker ended unexpectedly (exit code -9). It is started again in 1 s")
        wait_for_line(serve, "The worker is started again.")
        assert named(serve, "worker").pid != worker.pid
        named(serve, "worker").kill()
        wait_for_line(serve, "It is started again in 2 s")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/login/", timeout=10) as page:
            assert page.status == 200
        assert named(serve, "gunicorn") == web
        # Stopped during the pause, too.
        serve.send_signal(signal.SIGINT)
        assert serve.wait(PATIENCE_SECONDS) == 0
        assert all_dead(children)


def test_pauses_before_a_restart_grow_until_a_worker_stays():
    restarts, now, waits = Restarts(started_at=0.0), 0.0, []
    for seconds_of_work in [1, 1, 1, 1, 1, 1, 1, 1, 61, 1]:
        now += seconds_of_work
        waits.append(restarts.plan(now))
        assert restarts.due_at == now + waits[-1]
        now = restarts.due_at
        restarts.begin(now)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 1, 2]
    web = Restarts(started_at=0.0, first_delay=0.25, stable_after=5.0)
    assert [web.plan(1.0), web.plan(1.0), web.plan(5.1)] == [0.25, 0.5, 0.25]


def test_killed_web_server_is_started_again_on_the_same_port(variables, port):
    with serving(**variables, **NO_CATCHER) as (serve, children, said):
        web, worker = named(serve, "gunicorn"), named(serve, "worker")
        web.kill()
        wait_for_line(serve, "The web server ended unexpectedly (exit code -9). It is started again in 0.25 s")
        wait_for_line(serve, "The web server is started again.")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/login/", timeout=PATIENCE_SECONDS) as page:
            assert page.status == 200
        assert named(serve, "gunicorn").pid != web.pid and named(serve, "worker") == worker
        children |= children_of(serve.pid)
        serve.send_signal(signal.SIGINT)
        assert serve.wait(PATIENCE_SECONDS) == 0
        assert wait_until(lambda: all_dead(children))


def test_killed_mail_catcher_is_started_again(variables, tmp_path):
    catcher_port = free_port()
    with serving(**variables, MAIL_CATCHER_PORT=str(catcher_port)) as (serve, _, _):
        named(serve, "catch_mail").kill()
        wait_for_line(serve, "The mail catcher is started again.")
        send_email(catcher_port)
        assert len(list((tmp_path / "mail").iterdir())) == 1


def test_web_server_that_never_answered_stops_all_and_is_named(variables):
    with running("manage.py", "serve", **variables, **NO_CATCHER) as serve:
        assert wait_until(lambda: len(children_of(serve.pid)) >= 2)
        children = children_of(serve.pid)
        named(serve, "gunicorn").kill()
        wait_for_line(serve, "The web server ended before it answered (exit code -9). All processes are stopped")
        assert serve.wait(PATIENCE_SECONDS) == 1
        assert wait_until(lambda: all_dead(children))


def test_busy_port_is_reported(served_here, port):
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        ended = manage_here("serve")
    assert ended.returncode == 1
    assert ended.stdout.startswith(f"CommandError: Port {port} is in use by another program. Choose another")
    assert ended.stdout.count("\n") == 1


def test_address_of_another_machine_is_reported():
    with pytest.raises(CannotServe, match=r"Cannot listen on 192\.0\.2\.1:8000: Cannot assign requested address\."):
        open_listener("192.0.2.1", 8000)


def test_folder_of_data_that_cannot_be_used_is_reported(tmp_path):
    (tmp_path / "data").write_bytes(b"")
    with (
        pytest.raises(CannotServe, match=r"serve\.lock cannot be used: "),
        single_instance_lock(tmp_path / "data" / "serve.lock", ""),
    ):
        pytest.fail("There is no lock.")


def test_unmigrated_database_is_reported(served_here):
    with connected_to("postgres"):
        ended = manage_here("serve")
    assert ended.returncode == 1
    assert ended.stdout.endswith("migrations are not applied. Run manage.py migrate first.\n")
    assert ended.stdout.count("\n") == 1


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_invalid_port_is_a_usage_error(port):
    ended = manage_here("serve", "--port", port)
    assert ended.returncode == 2
    assert "argument --port: invalid" in ended.stdout
