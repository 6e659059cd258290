"""A value that cannot be used stops the start with one sentence that names its variable."""

import pytest

from tests.crm.processes import files_below, manage, running

PRODUCTION = {
    "DEBUG": "false",
    "SECRET_KEY": "a-long-random-text-of-our-own-that-nobody-else-has-ever-seen-1234567890",
    "ALLOWED_HOSTS": "crm.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://crm.example.com",
    "DATABASE_URL": "postgresql://crm:secret@db.example.com/crm",
}
BAD = [
    ("DEBUG", "maybe", "DEBUG is 'maybe': write true or false."),
    ("PORT", "http", "PORT is 'http': write a number from 1 to 65535."),
    ("PORT", "70000", "PORT is '70000': write a number from 1 to 65535."),
    (
        "TIME_ZONE",
        "Mars/Base",
        "TIME_ZONE is 'Mars/Base', which is no time zone: write one such as Europe/Berlin.",
    ),
    ("LOG_LEVEL", "loud", "LOG_LEVEL is 'LOUD': write DEBUG, INFO, WARNING, ERROR or CRITICAL."),
    ("DATABASE_URL", "mysql://u:secret@h/n", "DATABASE_URL does not name a PostgreSQL database"),
    ("DATABASE_URL", "postgresql://u:secret@h:port/n", "DATABASE_URL cannot be understood"),
    ("DATABASE_URL", "postgresql://u:secret@h/n?nonsense=1", "DATABASE_URL cannot be understood"),
    ("DATABASE_URL", "postgresql://u:secret@h", "DATABASE_URL names no database"),
]


@pytest.mark.parametrize(("name", "value", "sentence"), BAD)
def test_a_bad_value_stops_the_start_with_a_sentence(name, value, sentence):
    ended = manage("check", **{name: value})
    assert ended.returncode != 0
    assert ended.stdout.startswith(sentence)
    assert ended.stdout.count("\n") == 1, "one sentence, and no traceback"
    assert "secret" not in ended.stdout


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS"])
def test_production_needs_its_own(name):
    ended = manage("check", **{**PRODUCTION, name: ""})
    assert ended.returncode != 0
    assert ended.stdout.startswith(f"{name} is not set: with DEBUG off it must ")
    assert ended.stdout.count("\n") == 1


def test_production_is_secure():
    ended = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    assert ended.stdout == "System check identified no issues (0 silenced).\n"
    assert ended.returncode == 0


def test_a_secret_may_begin_with_a_dollar_sign():
    ended = manage("check", **{**PRODUCTION, "SECRET_KEY": f"$HOME{PRODUCTION['SECRET_KEY']}"})
    assert ended.returncode == 0, ended.stdout


def test_a_database_that_is_down_is_told_in_a_sentence():
    ended = manage("migrate", "--check", DATABASE_URL="postgresql://u:secret@127.0.0.1:9/n")
    assert ended.returncode == 1
    assert ended.stdout.startswith("The database cannot be reached: ")
    assert ended.stdout.endswith("Is DATABASE_URL right?\n")
    assert ended.stdout.count("\n") == 1
    assert "secret" not in ended.stdout


def test_an_application_server_gets_the_sentence_and_does_not_try_for_ever():
    with running(
        "-m", "gunicorn", "crm.wsgi", "--bind=127.0.0.1:0", "--no-control-socket", DEBUG="maybe"
    ) as server:
        said, _ = server.communicate(timeout=20)
    assert server.returncode == 3
    assert said.count("DEBUG is 'maybe': write true or false.") == 1
    assert "Traceback" not in said


def test_a_check_starts_no_database(tmp_path):
    assert manage("check", DATA_DIR=str(tmp_path / "data")).returncode == 0
    assert files_below(tmp_path / "data") == []
