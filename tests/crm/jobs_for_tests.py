"""A worker that also knows these jobs: `python -m tests.crm.jobs_for_tests ARGUMENTS OF THE COMMAND`."""

import os
import signal
import sys
import time

import django
from django.core.management import call_command
from django.db import transaction
from procrastinate.contrib.django import app


@app.task(name="tests.does_nothing")
def does_nothing():
    pass


@app.task(name="tests.defers_and_fails")
def defers_and_fails():
    with transaction.atomic():
        does_nothing.defer()
        sys.stdout.write("deferred\n")
        raise ZeroDivisionError


@app.task(name="tests.queues_its_successor", retry=1)
def queues_its_successor(is_first):
    if is_first:
        app.configure_task("tests.queues_its_successor", lock="same", queueing_lock="same").defer(is_first=False)
        raise ZeroDivisionError


@app.task(name="tests.is_told_to_stop")
def is_told_to_stop():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.5)
    sys.stdout.write("finished in spite of it\n")


if __name__ == "__main__":
    django.setup()
    call_command("worker", *sys.argv[1:])
