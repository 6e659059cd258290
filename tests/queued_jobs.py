"""Running the jobs that wait in the queue, in the test's own transaction, as a worker would."""

from django.db import connection
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from inbox.incoming.processing_queue import PROCESS_THREADS_JOB
from inbox.lead_signals.reading_queue import READ_THREAD_JOB


def queued_jobs(name: str) -> list[ProcrastinateJob]:
    """The jobs `name` that are due, in the order in which a worker takes them."""
    rows = ProcrastinateJob.objects.filter(task_name=name, status="todo").order_by("-priority", "id")
    return [row for row in rows if row.scheduled_at is None or row.scheduled_at <= timezone.now()]


def queued_threads() -> list[str]:
    """The threads whose processing is queued."""
    return [key for row in queued_jobs(PROCESS_THREADS_JOB) for key in row.args["threads"]]


def run_jobs(name: str) -> int:
    """Run the jobs `name` that are due now; those that they queue themselves wait. Returns how many ran."""
    rows = queued_jobs(name)
    app.perform_import_paths()
    for row in rows:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET status = 'doing' WHERE id = %s", [row.pk])
        app.tasks[name].func(**row.args)
        with connection.cursor() as cursor:
            cursor.execute("UPDATE procrastinate_jobs SET status = 'succeeded' WHERE id = %s", [row.pk])
    return len(rows)


def process_queued_threads() -> int:
    """Process the threads that are queued; returns how many those were."""
    count = len(queued_threads())
    run_jobs(PROCESS_THREADS_JOB)
    return count


def run_model_readings() -> None:
    """Let the model read what is queued for it, and process the threads that it has read."""
    run_jobs(READ_THREAD_JOB)
    run_jobs(PROCESS_THREADS_JOB)
