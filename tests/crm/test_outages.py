"""Without a database, or with one that only reads, there is a page with a sentence, and everyone stays logged in."""

import contextlib
import errno
import logging

import pytest
from django.contrib.auth.tokens import default_token_generator
from django.contrib.sessions.backends.base import UpdateError
from django.db import OperationalError, connection
from django.utils.http import urlsafe_base64_encode
from procrastinate.exceptions import ConnectorException

from crm import outages
from crm.accounts.sessions import SessionStore
from tests.cast import browser, make_lead, make_suggestion, page_text
from tests.crm.processes import free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def own_log(monkeypatch):
    monkeypatch.setattr(outages, "outage_log", outages.OutageLog())


@pytest.fixture(params=[True, False], ids=["debug", "production"])
def debug(request, settings):
    settings.DEBUG = request.param


@contextlib.contextmanager
def database_away():
    """Connect to a port inside the block at which nobody listens."""
    place = {name: connection.settings_dict[name] for name in ("HOST", "PORT")}
    connection.close()
    connection.settings_dict.update(HOST="127.0.0.1", PORT=str(free_port()))
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(place)


@contextlib.contextmanager
def read_only_database():
    connection.ensure_connection()
    connection.connection.execute("SET default_transaction_read_only = on")
    try:
        yield
    finally:
        connection.connection.execute("RESET default_transaction_read_only")


def approve_url(ann) -> str:
    return f"/suggestions/suggestion/{make_suggestion(lead=make_lead(assigned_to=ann)).pk}/do/approve/"


def session_of(client) -> str:
    return client.cookies["sessionid"].value


@pytest.mark.usefixtures("debug")
def test_database_away_is_a_page_and_one_line_and_nobody_is_logged_out(as_ann, caplog):
    session = session_of(as_ann)
    with database_away(), caplog.at_level(logging.WARNING):
        answers = [as_ann.get("/"), as_ann.get("/leads/lead/"), as_ann.post("/inbox/thread/")]
        head = as_ann.head("/leads/lead/")
        answers.append(browser(None).post("/login/", {"username": "ann", "password": "x"}))
        answers.append(browser(None).get(f"/in/{'x' * 22}/"))
    for answer in answers:
        assert answer.status_code == 503 and answer["Retry-After"]
        assert "The database cannot be reached" in page_text(answer)
        assert not answer.cookies
    assert head.status_code == 503
    [line] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "Connection refused" in line.getMessage()
    assert session_of(as_ann) == session
    assert as_ann.get("/leads/lead/").status_code == 200


@pytest.mark.usefixtures("debug")
def test_read_only_database_shows_pages_and_refuses_changes(as_ann, ann, caplog):
    address = approve_url(ann)
    with read_only_database():
        assert as_ann.get("/leads/lead/").status_code == 200
        refused = as_ann.post(address, {})
    assert refused.status_code == 503
    assert "The database accepts no changes at the moment, so your change was not saved." in page_text(refused)
    assert "The database is read-only" in caplog.text
    assert as_ann.get("/leads/lead/").status_code == 200


def test_read_only_database_shows_pages_without_noting_that_the_session_is_used(as_ann):
    session = as_ann.session
    session["seen_at"] -= 901
    session.save()
    seen_at = session["seen_at"]
    with read_only_database():
        answer = as_ann.get("/leads/lead/")
    assert (answer.status_code, answer["Vary"]) == (200, "Cookie, Accept-Encoding")
    assert as_ann.session["seen_at"] == seen_at
    as_ann.get("/leads/lead/")
    assert as_ann.session["seen_at"] > seen_at


@pytest.mark.parametrize("has_session", [True, False])
def test_change_of_a_session_is_refused_by_a_read_only_database(as_ann, ann, has_session):
    page = as_ann if has_session else browser(None)
    key, token = urlsafe_base64_encode(str(ann.pk).encode()), default_token_generator.make_token(ann)
    with read_only_database():
        refused = page.get(f"/choose-password/{key}/{token}/")
    assert refused.status_code == 503
    assert "Only reading is possible" in page_text(refused)


def test_session_that_was_deleted_meanwhile_is_no_outage(as_ann):
    stale = SessionStore(session_of(as_ann))
    stale["x"] = 1
    as_ann.session.delete()
    with pytest.raises(UpdateError):
        stale.save()


@pytest.mark.parametrize("code", ["53100", "53300", "57P01", "57P03", "08006", "58030", "28000"])
def test_failing_server_is_a_page(as_ann, ann, monkeypatch, code):
    def fail(*args, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'no more room' USING ERRCODE = '{code}'; END $$")

    monkeypatch.setattr("suggestions.admin.suggestion_context", fail)
    answer = as_ann.get(approve_url(ann))
    assert answer.status_code == 503
    assert ("The disk is full" in page_text(answer)) == (code == "53100")


@pytest.mark.parametrize(("number", "status"), [(errno.ENOSPC, 503), (errno.EDQUOT, 503), (errno.EROFS, 503)])
def test_full_disk_is_a_page(as_ann, ann, monkeypatch, number, status):
    def fail(*args, **kwargs):
        raise OSError(number, "No space left on device", "/files/x")

    monkeypatch.setattr("suggestions.admin.suggestion_context", fail)
    answer = as_ann.get(approve_url(ann))
    assert answer.status_code == status
    assert "The disk is full or cannot be written to" in page_text(answer)


def test_other_errors_are_no_outage(as_ann, ann, monkeypatch):
    def fail(*args, **kwargs):
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing")

    monkeypatch.setattr("suggestions.admin.suggestion_context", fail)
    as_ann.raise_request_exception = False
    assert as_ann.get(approve_url(ann)).status_code == 500
    monkeypatch.setattr("crm.middleware.set_reader", fail)
    assert as_ann.get("/your-settings/").status_code == 500
    assert outages.find_outage(FileNotFoundError(errno.ENOENT, "No such file")) is None
    assert outages.find_outage(type("OperationalError", (Exception,), {})("of another library")) is None


def test_cause_is_repeated_only_while_it_stays(caplog, monkeypatch):
    outage = outages.disk_full("no room")
    for _ in range(3):
        outages.outage_log.report(outage)
    assert len(caplog.records) == 1
    monkeypatch.setattr(outages, "REPEAT_AFTER", 0)
    outages.outage_log.report(outage)
    assert len(caplog.records) == 2


def test_database_that_is_away_when_a_job_is_queued_is_an_outage():
    lost = OperationalError("server closed the connection unexpectedly")
    try:
        raise ConnectorException from lost
    except ConnectorException as error:
        assert outages.outage_response(error).status_code == 503
    assert outages.outage_response(ConnectorException()) is None
