"""Workers die in the middle of their work, all at once and again: the small form of `python -m bench storm`."""

import time
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import connection
from django.test import override_settings
from procrastinate.exceptions import AlreadyEnqueued

from bench import storm
from bench.child_processes import start_python
from crm.tasks import rescue_stalled_jobs
from suggestions.models import SuggestionType

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.storm]

EACH = 2
# Rounds, and seconds after which one ends though nothing was done in it.
MOST_ROUNDS, ROUND = 40, 10.0
# Of what is left, how much is done before the workers are killed: the last round is left in peace.
SHARE = 2


def crew_of(log: Path, variables: dict[str, str]):
    return [start_python("manage.py", "worker", log=log, LOG_LEVEL="ERROR", **variables) for _ in range(2)]


def bury_the_dead():
    """Requeue the jobs of the killed workers now; the real job waits a minute."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'")
    with suppress(AlreadyEnqueued):
        rescue_stalled_jobs.defer(timestamp=1)


def test_killed_workers_execute_each_suggestion_once(tmp_path, capsys):
    count = EACH * len(SuggestionType)
    weather = storm.StormOptions(suggestions=count)
    with storm.outside_servers(tmp_path) as variables:
        forge = {name: variables[name] for name in ("FORGE_URL", "FORGE_TOKEN")}
        variables["DATA_DIR"] = str(tmp_path)
        with override_settings(MEDIA_ROOT=tmp_path / "files", **forge):
            storm.approve_suggestions(count)
            for _ in range(MOST_ROUNDS):
                weather.processes = crew_of(tmp_path / "log", variables)
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
