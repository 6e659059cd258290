"""`/healthz` tells a proxy whether the CRM works, and a stranger nothing more."""

import errno
import json
import shutil
import socket
import threading
from collections import namedtuple

import pytest
from django.db import connection
from django.test import Client as Browser
from procrastinate.contrib.django.models import ProcrastinateWorker

from crm import health

pytestmark = pytest.mark.django_db(transaction=True)
ALL_WELL = {"status": "ok", "database": "ok", "migrations": "ok", "worker": "ok", "disk": "ok"}


@pytest.fixture(autouse=True)
def own_check(monkeypatch):
    monkeypatch.setattr(health, "health_check", health.HealthCheck())


@pytest.fixture
def live_worker():
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers DEFAULT VALUES")


def ask(path="/healthz", **headers):
    answer = Browser().get(path, **headers)
    return answer.status_code, json.loads(answer.content)


@pytest.mark.usefixtures("live_worker")
def test_all_is_well_for_a_stranger_at_any_host_without_a_query_of_the_request(settings, django_assert_num_queries):
    settings.SECURE_SSL_REDIRECT, settings.ALLOWED_HOSTS = True, ["crm.example.com"]
    with django_assert_num_queries(0):
        assert ask(HTTP_HOST="10.0.0.7") == (200, ALL_WELL)


def test_dead_worker_is_reported_and_does_not_count_for_the_web_server(live_worker):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '2 minutes'")
    assert ProcrastinateWorker.objects.count() == 1
    assert ask() == (503, {**ALL_WELL, "status": "not ok", "worker": "not ok"})
    assert ask("/healthz/web") == (200, dict.fromkeys(("status", "database", "migrations", "disk"), "ok"))


@pytest.mark.usefixtures("live_worker")
def test_missing_migration_is_reported(monkeypatch):
    monkeypatch.setattr(health, "all_migrations", lambda: {("leads", "9999_next")})
    assert ask() == (503, {**ALL_WELL, "status": "not ok", "migrations": "not ok"})


@pytest.mark.usefixtures("live_worker")
def test_full_disk_is_reported(monkeypatch, settings):
    usage = namedtuple("usage", "total used free")(10**12, 10**12, health.MIN_FREE_BYTES - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    assert not settings.MEDIA_ROOT.exists()
    assert ask() == (503, {**ALL_WELL, "status": "not ok", "disk": "not ok"})


def test_disk_that_cannot_be_asked_is_reported(monkeypatch):
    def fail(folder):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", fail)
    state = ask()[1]
    assert (state["disk"], state["database"]) == ("not ok", "ok")


@pytest.mark.usefixtures("live_worker")
def test_statement_that_hangs_is_stopped(monkeypatch):
    monkeypatch.setattr(health, "STATEMENT_TIMEOUT", "50ms")
    monkeypatch.setattr(health, "has_worker", lambda cursor: cursor.execute("SELECT pg_sleep(60)"))
    assert ask() == (503, {**ALL_WELL, "status": "not ok", "worker": "not ok"})
    assert not health.health_check._thread.is_alive()


def test_no_proxy_stores_an_answer():
    assert Browser().get("/healthz")["Cache-Control"] == "no-store"


@pytest.fixture
def silent_server(monkeypatch):
    """A database that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": listener.getsockname()[1]}
        for name, value in place.items():
            monkeypatch.setitem(connection.settings_dict, name, value)
        yield listener


@pytest.mark.usefixtures("silent_server")
def test_database_that_hangs_gets_an_answer_and_no_second_question(monkeypatch, caplog):
    monkeypatch.setattr(health, "TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(health, "FRESH_SECONDS", 0)
    monkeypatch.setattr(health, "CONNECT_TIMEOUT_SECONDS", 2)  # the shortest that libpq allows
    before = threading.active_count()
    expected = {**dict.fromkeys(ALL_WELL, "not ok"), "disk": "ok"}
    assert [ask() for _ in range(3)] == [(503, expected)] * 3
    assert threading.active_count() <= before + 1
    check = health.health_check._thread
    assert check.is_alive()
    check.join(20)
    assert not check.is_alive()
    assert "The database cannot be reached" in caplog.text


@pytest.mark.usefixtures("live_worker")
def test_many_who_ask_are_answered_by_one_check(monkeypatch):
    checks = []
    check_all = health.check_all
    monkeypatch.setattr(health, "check_all", lambda results: (checks.append(1), check_all(results)))
    assert [ask() for _ in range(5)] == [(200, ALL_WELL)] * 5
    assert len(checks) == 1


def test_health_is_only_read():
    assert Browser().post("/healthz").status_code == 405
    assert Browser().get("/healthz/other").status_code in {302, 404}
