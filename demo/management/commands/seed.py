"""Fill the database with generated leads and their related records."""

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from crm.models import User
from demo.seeding import ai_log, conversations, suggestions, tickets
from demo.seeding.draws import Chunk, create_sql_functions
from demo.seeding.leads import clients, history, leads, policies, stakeholders, tasks, timeline
from demo.seeding.staff import create_staff

# In this order, because each step may refer to the rows of earlier steps.
SEED_STEPS: dict[str, Callable[[CursorWrapper, Chunk], int]] = {
    "clients": clients.insert_clients,
    "leads": leads.insert_leads,
    "policies": policies.insert_policies,
    "projects": clients.insert_projects,
    "moves": history.insert_stage_moves,
    "contacts": stakeholders.insert_contacts,
    "tasks": tasks.insert_tasks,
    "interactions": ai_log.insert_interactions,
    "conversations": conversations.insert_conversations,
    "tickets": tickets.insert_tickets,
    "suggestions": suggestions.insert_suggestions,
}
SHARE_OPTIONS = {
    "clients": (0.8, "won leads that became a client"),
    "tickets": (0.3, "clients with a ticket"),
    "contacts": (0.15, "leads with contacts"),
    "tasks": (0.2, "leads with a task"),
    "threads": (0.2, "leads with a conversation"),
    "interactions": (0.1, "leads with an AI interaction"),
    "suggestions": (0.1, "leads with a suggestion"),
}
SEED_LOCK_KEY = 7_305_142_266
# The number of chunks that the database processes at the same time; a small machine has two cores.
PARALLEL_CHUNKS = 2


class Command(BaseCommand):
    """Seed leads in chunks. Each chunk is one transaction with all related rows, so a killed run leaves no halves."""

    help = "Add generated leads with clients, policies, conversations, tasks and suggestions. Run it again to add more."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--leads", type=int, required=True, help="Number of leads to add.")
        parser.add_argument("--seed", type=int, default=1, help="Seed of the random draws (1).")
        parser.add_argument("--chunk", type=int, default=50_000, help="Number of leads in one transaction (50000).")
        for name, (share, description) in SHARE_OPTIONS.items():
            parser.add_argument(f"--{name}", type=float, default=share, help=f"Share of {description} ({share}).")

    def handle(self, *, leads: int, seed: int, chunk: int, **options: Any) -> None:
        if leads < 1 or chunk < 1:
            raise CommandError("--leads and --chunk must be 1 or more.")
        shares = {name: options[name] for name in SHARE_OPTIONS}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise CommandError(f"--{name} must be a number from 0 to 1, not {share}.")
        with seed_lock():
            run = SeedRun(seed, timezone.now(), shares, create_staff())
            self._insert(run, run.chunks(leads, chunk), leads)
            self._vacuum()

    def _insert(self, run: "SeedRun", chunks: list[Chunk], total: int) -> None:
        lead_count, started, counts = 0, time.monotonic(), Counter()
        for inserted in run.insert(chunks):
            counts.update(inserted)
            lead_count, seconds = lead_count + inserted["leads"], time.monotonic() - started
            seconds_left = seconds / lead_count * (total - lead_count)
            self.stdout.write(f"{lead_count:,} of {total:,} leads in {seconds:,.0f} s, {seconds_left:,.0f} s to go")
        self.stdout.write("Added " + ", ".join(f"{count:,} {name}" for name, count in counts.items()) + ".")

    def _vacuum(self) -> None:
        # VACUUM cannot run inside a transaction; a caller with an open one has to run it later.
        if connection.in_atomic_block:
            return
        started = time.monotonic()
        with connection.cursor() as cursor:
            cursor.execute("VACUUM (ANALYZE)")
        self.stdout.write(f"Vacuumed and analyzed in {time.monotonic() - started:,.0f} s.")


@dataclass(frozen=True)
class SeedRun:
    """The parameters that all chunks of a run share."""

    seed: int
    now: datetime
    shares: dict[str, float]
    owners: list[User]

    def chunks(self, total: int, size: int) -> list[Chunk]:
        """Return chunks of at most `size` leads for `total` leads, numbered from the next free number."""
        with connection.cursor() as cursor:
            start = timeline.next_lead_number(cursor)
        stop = start + total
        return [
            Chunk(start, total, first, min(first + size, stop) - 1, self.now, self.shares)
            for first in range(start, stop, size)
        ]

    def insert(self, chunks: list[Chunk]) -> Iterator[dict[str, int]]:
        """Insert `chunks` in parallel. Yield the row counts of each chunk when it is done."""
        # Inside a transaction, other connections cannot see its rows, so only this connection is used.
        if connection.in_atomic_block:
            yield from (self._insert_chunk(chunk) for chunk in chunks)
            return
        pool = ThreadPoolExecutor(PARALLEL_CHUNKS)
        try:
            for future in as_completed([pool.submit(self._insert_chunk_in_thread, chunk) for chunk in chunks]):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _insert_chunk_in_thread(self, chunk: Chunk) -> dict[str, int]:
        """Insert `chunk` in a thread with its own connection."""
        try:
            return self._insert_chunk(chunk)
        finally:
            connection.close()

    @transaction.atomic
    def _insert_chunk(self, chunk: Chunk) -> dict[str, int]:
        """Insert the leads of `chunk` and all related rows. Return the number of rows by step."""
        with connection.cursor() as cursor:
            create_sql_functions(cursor, self.seed)
            timeline.create_seeded_table(cursor, chunk, self.owners)
            return {name: step(cursor, chunk) for name, step in SEED_STEPS.items()}


@contextmanager
def seed_lock() -> Iterator[None]:
    """Hold a lock, so that two simultaneous runs do not give their leads the same numbers.

    Raises:
        CommandError: another run holds the lock.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [SEED_LOCK_KEY])
        if not cursor.fetchone()[0]:
            raise CommandError("Another seed command is running on this database. Wait until it has finished.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [SEED_LOCK_KEY])
