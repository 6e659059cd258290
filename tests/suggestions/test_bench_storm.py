"""Workers die in the middle of their work, all at once and again: the small form of `python -m bench storm`."""

import time
from contextlib import suppress
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from procrastinate.exceptions import AlreadyEnqueued

from bench import storm
from crm.tasks import rescue_stalled_jobs
from suggestions.models import SuggestionType
from tests.forking import Child

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.storm]

EACH = 2
# Rounds, and seconds after which one ends though nothing was done in it.
MOST_ROUNDS, ROUND = 40, 10.0
# Of what is left, how much is done before the workers are killed: the last round is left in peace.
SHARE = 2


def mail_settings(variables: dict[str, str]) -> dict[str, Any]:
    """Return the settings for the outside servers, which a worker of its own takes from its environment."""
    port = int(variables["EMAIL_URL"].rpartition(":")[2])
    forge = {name: variables[name] for name in ("FORGE_URL", "FORGE_TOKEN")}
    return {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": port, "DEFAULT_FROM_EMAIL": variables["MAIL_FROM"], **forge}


def bury_the_dead():
    """Requeue the jobs of the killed workers now; the real job waits a minute."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    with suppress(AlreadyEnqueued):
        rescue_stalled_jobs.defer(timestamp=1)


def test_killed_workers_execute_each_suggestion_once(tmp_path, capsys):
    count = EACH * len(SuggestionType)
    weather = storm.StormOptions(suggestions=count)
    with storm.outside_servers(tmp_path) as variables, override_settings(**mail_settings(variables)):
        storm.approve_suggestions(count)
        for _ in range(MOST_ROUNDS):
            weather.processes = [Child(call_command, "worker") for _ in range(2)]
            left = storm.count_unfinished()
            enough, deadline = left - 1 - left // SHARE, time.monotonic() + ROUND
            while storm.count_unfinished() > enough and time.monotonic() < deadline:
                time.sleep(0.02)
            for worker in weather.processes:
                storm.kill(worker)
                weather.killed += 1
            if not storm.count_unfinished():
                break
            bury_the_dead()
        assert storm.report(weather, tmp_path, 0.0), capsys.readouterr().out
    assert weather.killed >= 4


def test_duplicate_or_lost_email_is_detected_by_the_report(tmp_path, capsys):
    with (
        storm.outside_servers(tmp_path) as variables,
        override_settings(FORGE_URL=variables["FORGE_URL"], FORGE_TOKEN="x"),
    ):
        storm.approve_suggestions(len(SuggestionType))
        message = storm.SuggestionExecution.objects.filter(message__isnull=False).first().message
        for _ in range(2):
            with (tmp_path / "emails").open("a") as book:
                book.write(f"{message.message_id}\n")
        assert not storm.report(storm.StormOptions(), tmp_path, 0.0)
    said = capsys.readouterr().out
    assert "1 emails sent twice" in said
    assert f"{len(SuggestionType)} lost" in said
