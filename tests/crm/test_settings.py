"""An invalid value stops the start with one sentence that names its variable."""

import os
import runpy
import shlex
from unittest import mock

import pytest
from django.conf import settings

from crm.runtime.environment import BadVariable, Environment
from tests.crm.processes import PATIENCE_SECONDS, list_files, manage, manage_here, process_environment, running

PRODUCTION = {
    "DEBUG": "false",
    "SECRET_KEY": "a-long-random-text-of-our-own-that-nobody-else-has-ever-seen-1234567890",
    "ALLOWED_HOSTS": "crm.example.com",
    "CSRF_TRUSTED_ORIGINS": "https://crm.example.com",
    "DATABASE_URL": "postgresql://crm:secret@db.example.com/crm",
    "CREDENTIALS_KEYS": f"{'k' * 43}=",
}
BAD = [
    ("HSTS_PRELOAD", "maybe", "HSTS_PRELOAD is 'maybe'. Write true or false."),
    ("DEBUG", "maybe", "DEBUG is 'maybe'. Write true or false."),
    ("PORT", "http", "PORT is 'http'. Write a number from 1 to 65535."),
    ("PORT", "70000", "PORT is '70000'. Write a number from 1 to 65535."),
    (
        "TIME_ZONE",
        "Mars/Base",
        "TIME_ZONE is 'Mars/Base', which is not a time zone. Write one such as Europe/Berlin.",
    ),
    ("DATE_FORMAT", "DD/MM", "DATE_FORMAT is 'DD/MM'. Write one of: D MMM YYYY (29 Nov 2026), MMM D, YYYY (Nov 29"),
    ("TIME_FORMAT", "13h", "TIME_FORMAT is '13h'. Write one of: 24h (14:05), 12h (2:05 PM)."),
    ("LOG_LEVEL", "loud", "LOG_LEVEL is 'LOUD'. Write DEBUG, INFO, WARNING, ERROR or CRITICAL."),
    ("FORGE_URL", "forge.example.com", "FORGE_URL is not a base URL. Write one such as https://api.example.com"),
    ("FORGE_URL", "ftp://forge.example.com", "FORGE_URL is not a base URL"),
    ("FORGE_URL", "https://u:secret@forge.example.com", "FORGE_URL is not a base URL"),
    ("FORGE_URL", "https://forge.example.com?token=secret", "FORGE_URL is not a base URL"),
    ("FORGE_URL", "https://forge.example.com:port", "FORGE_URL is not a base URL"),
    ("PUBLIC_URL", "crm.example.com", "PUBLIC_URL is not a base URL"),
    (
        "FORGE_TOKEN",
        "two secret words",
        "FORGE_TOKEN contains whitespace or characters that are not allowed in a token.",
    ),
    ("DATABASE_URL", "mysql://u:secret@h/n", "DATABASE_URL does not name a PostgreSQL database"),
    ("DATABASE_URL", "postgresql://u:secret@h:port/n", "DATABASE_URL is malformed"),
    ("DATABASE_URL", "postgresql://u:secret@h/n?nonsense=1", "DATABASE_URL is malformed"),
    ("DATABASE_URL", "postgresql://u:secret@h", "DATABASE_URL does not name a database"),
    ("EMAIL_URL", "imap://u:secret@h", "EMAIL_URL is malformed: write smtp+tls://"),
    ("EMAIL_URL", "consolemail://u:secret@h", "EMAIL_URL does not name a mail server: write smtp+tls://"),
    ("EMAIL_URL", "smtp://u:secret@h:port", "EMAIL_URL is malformed"),
    ("EMAIL_URL", "smtp://u:secret@", "EMAIL_URL does not name a mail server"),
    ("EMAIL_URL", "smtp://u:secret@mail host:25", "EMAIL_URL does not name a mail server"),
    ("EMAIL_URL", "smtp+tls://u:secret@h:587", "MAIL_FROM is not set. Set it"),
    ("MAIL_FROM", "office@example.com", "MAIL_FROM is 'office@example.com'. Write a name and an address"),
    ("MAIL_FROM", "A <a@b.example>, B <c@d.example>", "MAIL_FROM is 'A <a@b.example>, B <c@d.example>'"),
    ("MAIL_FROM", "Agency <nobody>", "MAIL_FROM is 'Agency <nobody>'"),
    ("CREDENTIALS_KEYS", "secret", "CREDENTIALS_KEYS contains an invalid key"),
    ("CREDENTIALS_KEYS", f"{'k' * 43}=,{'k' * 42}==", "CREDENTIALS_KEYS contains an invalid key"),
    ("AI_MODEL", "some-model", "AI_MODEL and AI_URL belong together. Set both"),
    ("AI_URL", "models.example.com/v1", "AI_URL is not a base URL"),
    ("AI_KEY", "two secret words", "AI_KEY contains whitespace or characters that are not allowed in a token."),
    ("CLIENT_ADDRESS_HEADER", "X Real IP", "CLIENT_ADDRESS_HEADER is 'X Real IP'. Write the name of a header"),
    ("SPAM_MARKS", "X-Spam-Flag", "SPAM_MARKS has “x-spam-flag”. Write a header and a value"),
    ("AI_TIMEOUT", "0", "AI_TIMEOUT is '0'. Write a number of seconds from 1 to 3600."),
    ("AI_TEMPERATURE", "2.1", "AI_TEMPERATURE is '2.1'. Write a number from 0 to 2."),
    ("AI_TEMPERATURE", "warm", "AI_TEMPERATURE is 'warm'. Write a number from 0 to 2."),
    ("AI_DAILY_CALLS", "-1", "AI_DAILY_CALLS is '-1'. Write a whole number from 0 to 1000000."),
    ("AI_DAILY_DOLLARS", "1e3", "AI_DAILY_DOLLARS is '1e3'. Write a number from 0 to 1000000."),
    ("EMAIL_TIMEOUT", "soon", "EMAIL_TIMEOUT is 'soon'. Write a number of seconds from 1 to 3600."),
]


def read_settings(**variables):
    """Return the settings that `crm/settings.py` derives from these variables, without a child process."""
    with mock.patch.dict(os.environ, process_environment(**variables), clear=True):
        return runpy.run_path(str(settings.BASE_DIR / "crm" / "settings.py"))


@pytest.mark.parametrize(("name", "value", "sentence"), BAD)
def test_invalid_value_is_refused_with_variable_name(name, value, sentence):
    with pytest.raises(BadVariable) as refusal:
        read_settings(**{name: value})
    assert str(refusal.value).startswith(sentence)
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_command_prints_error_without_traceback():
    ended = manage("check", DEBUG="maybe")
    assert ended.returncode == 1
    assert ended.stdout == "DEBUG is 'maybe'. Write true or false.\n"


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS"])
def test_production_requires_variable(name):
    with pytest.raises(BadVariable, match=rf"^{name} is not set. With DEBUG off it must "):
        read_settings(**{**PRODUCTION, name: ""})


def test_public_url_must_be_an_allowed_host():
    assert read_settings(**PRODUCTION, PUBLIC_URL="https://crm.example.com/")["PUBLIC_URL"] == "https://crm.example.com"
    with pytest.raises(BadVariable, match=r"^PUBLIC_URL names a host that is missing from ALLOWED_HOSTS"):
        read_settings(**PRODUCTION, PUBLIC_URL="https://other.example.com")


def test_secret_may_start_with_dollar_sign():
    assert read_settings(**{**PRODUCTION, "SECRET_KEY": "$HOME is mine"})["SECRET_KEY"] == "$HOME is mine"


def test_database_url_is_parsed():
    url = "postgresql://crm:p%40ss$word@%2Fvar%2Frun%2Fpostgresql:5433/crm?sslmode=require"
    database = read_settings(DATABASE_URL=url)["DATABASES"]["default"]
    assert database["HOST"] == "/var/run/postgresql"
    assert (database["USER"], database["PASSWORD"], database["PORT"]) == ("crm", "p@ss$word", 5433)
    assert (database["NAME"], database["OPTIONS"]) == ("crm", {"sslmode": "require"})


OURS = {"MAIL_FROM": "Agency <office@example.com>"}


@pytest.mark.parametrize(
    ("url", "port", "ssl", "tls"),
    [
        ("smtp://crm:p%40ss@mail.example.com", 25, False, False),
        ("smtps://crm:p%40ss@mail.example.com", 465, True, False),
        ("smtp+tls://crm:p%40ss@mail.example.com", 587, False, True),
        ("smtp+tls://crm:p%40ss@mail.example.com:2525", 2525, False, True),
    ],
)
def test_email_url_is_parsed(url, port, ssl, tls):
    found = read_settings(EMAIL_URL=url, **OURS)
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("mail.example.com", port)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("crm", "p@ss")
    assert (found["EMAIL_USE_SSL"], found["EMAIL_USE_TLS"], found["MAIL_IS_CAUGHT"]) == (ssl, tls, False)


def test_missing_mail_server_uses_catcher_in_development_only():
    found = read_settings()
    assert (found["MAIL_IS_CAUGHT"], found["EMAIL_HOST"], found["EMAIL_PORT"]) == (True, "127.0.0.1", 1025)
    found = read_settings(**PRODUCTION)
    assert (found["MAIL_IS_CAUGHT"], found["EMAIL_HOST"]) == (False, "")


def test_production_settings_pass_deploy_check():
    ended = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)
    # Subdomains and preload lists of HSTS are the agency's decision.
    assert ended.stdout == "System check identified no issues (2 silenced).\n"
    assert ended.returncode == 0


def readme_exports():
    """Return the variables that the production steps of the README set, with something for each “…”."""
    block = (settings.BASE_DIR / "README.md").read_text().split("## Production")[1].split("```")[1]
    words = [word for line in block.splitlines() if line.startswith("export") for word in shlex.split(line, True)[1:]]
    variables = dict(word.split("=", 1) for word in words)
    secrets = {"SECRET_KEY": PRODUCTION["SECRET_KEY"], "CREDENTIALS_KEYS": PRODUCTION["CREDENTIALS_KEYS"]}
    return {name: secrets.get(name, value.replace("…", "secret")) for name, value in variables.items()}


def test_production_steps_of_the_readme_pass_their_own_check():
    variables = readme_exports()
    assert {"SECRET_KEY", "CREDENTIALS_KEYS", "EMAIL_URL"} <= {*variables}
    ended = manage("check", "--deploy", "--fail-level", "WARNING", **variables)
    assert (ended.returncode, ended.stdout) == (0, "System check identified no issues (2 silenced).\n")


def test_subdomains_and_preload_lists_are_left_out_of_hsts_unless_set():
    found = read_settings(**PRODUCTION)
    assert (found["SECURE_HSTS_INCLUDE_SUBDOMAINS"], found["SECURE_HSTS_PRELOAD"]) == (False, False)
    found = read_settings(**PRODUCTION, HSTS_SUBDOMAINS="true", HSTS_PRELOAD="true")
    assert (found["SECURE_HSTS_INCLUDE_SUBDOMAINS"], found["SECURE_HSTS_PRELOAD"]) == (True, True)


def test_unreachable_database_is_reported_in_a_sentence():
    ended = manage("migrate", "--check", DATABASE_URL="postgresql://u:secret@127.0.0.1:9/n")
    assert ended.returncode == 1
    assert ended.stdout.startswith("The database cannot be reached: ")
    assert ended.stdout.endswith("Check DATABASE_URL.\n")
    assert ended.stdout.count("\n") == 1
    assert "secret" not in ended.stdout


def test_gunicorn_exits_with_the_error_message():
    with running("-m", "gunicorn", "crm.wsgi", "--bind=127.0.0.1:0", "--no-control-socket", DEBUG="maybe") as server:
        said, _ = server.communicate(timeout=PATIENCE_SECONDS)
    assert server.returncode == 3
    assert said.count("DEBUG is 'maybe'. Write true or false.") == 1
    assert "Traceback" not in said


def test_unreadable_env_file_is_reported(tmp_path):
    with pytest.raises(BadVariable, match=r"\.env cannot be read: "):
        Environment((tmp_path / ".env").mkdir() or tmp_path / ".env")


def test_check_starts_no_database(tmp_path):
    assert manage("check", DATA_DIR=str(tmp_path / "data")).returncode == 0
    assert list_files(tmp_path / "data") == []


@pytest.mark.django_db
def test_production_requires_credentials_keys(settings):
    [key] = read_settings()["CREDENTIALS_KEYS"]
    assert key != read_settings(SECRET_KEY="another")["CREDENTIALS_KEYS"][0]
    assert read_settings(**{**PRODUCTION, "CREDENTIALS_KEYS": ""})["CREDENTIALS_KEYS"] == []
    settings.CREDENTIALS_KEYS = []
    ended = manage_here("check", "--deploy")
    assert "CREDENTIALS_KEYS is not set, so passwords cannot be stored" in ended.stdout
    assert ended.returncode == 1
