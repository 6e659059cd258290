"""Parsing in worker processes keeps the order and loses no email when a process dies."""

import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest

from inbox.incoming import parallel_parsing
from inbox.incoming.arrivals import Arrival, parse_arrival
from inbox.incoming.parallel_parsing import CRASH_REASON, ParserPool, parse_in_parallel, split_into_batches
from tests.inbox.dying_process import parse_or_die
from tests.inbox.raw_emails import raw_email


def arrivals(count: int):
    return [Arrival(f"box#{number}", raw_email(str(number)) if number % 7 else b"rubbish") for number in range(count)]


@pytest.mark.parametrize("count", [0, 3, 23])
def test_parallel_parsing_keeps_emails_in_order(monkeypatch, count):
    monkeypatch.setattr(parallel_parsing, "MAX_BATCH_EMAILS", 5)
    given = arrivals(count)
    assert [one for batch in parse_in_parallel(given) for one in batch] == [parse_arrival(one) for one in given]


def test_parallel_parsing_reads_ahead_only_a_few_batches(monkeypatch):
    monkeypatch.setattr(parallel_parsing, "MAX_BATCH_EMAILS", 5)
    asked = []

    def endless():
        for number in range(10_000):
            asked.append(number)
            yield Arrival(str(number), raw_email(str(number)))

    ahead = parse_in_parallel(endless())
    assert [len(batch) for batch in islice(ahead, 3)] == [5, 5, 5]
    assert len(asked) < 5 * (4 + parallel_parsing.BATCHES_AHEAD * parallel_parsing.MAX_PROCESSES)
    ahead.close()


def test_batch_is_limited_in_count_and_size(monkeypatch):
    monkeypatch.setattr(parallel_parsing, "MAX_BATCH_EMAILS", 3)
    monkeypatch.setattr(parallel_parsing, "MAX_BATCH_BYTES", 10)
    sizes = [1, 1, 1, 1, 20, 4, 4, 4, 1]
    given = [Arrival("x", b"x" * size) for size in sizes]
    assert [[len(one.raw) for one in batch] for batch in split_into_batches(given)] == [
        [1, 1, 1],
        [1, 20],
        [4, 4, 4],
        [1],
    ]


def test_email_that_kills_a_process_is_isolated(monkeypatch):
    monkeypatch.setattr(parallel_parsing, "parse_all", parse_or_die)
    given = [Arrival(str(number), b"die" if number == 4 else raw_email(str(number))) for number in range(9)]
    with ParserPool(2) as readers:
        others = [readers.submit_batch(given[5:]), readers.submit_batch(given[:3])]
        found = readers.collect_batch(given, readers.submit_batch(given))
        assert [one.reason for one in found] == [CRASH_REASON if number == 4 else "" for number in range(9)]
        assert [one.reason for one in readers.collect_batch(given[5:], others[0])] == [""] * 4
        assert [one.reason for one in readers.collect_batch(given[:3], others[1])] == [""] * 3


def test_worker_processes_end_with_their_parent():
    code = (
        "import os, sys, time\n"
        "from inbox.incoming.parallel_parsing import ParserPool\n"
        "from inbox.incoming.arrivals import Arrival\n"
        "readers = ParserPool(1)\n"
        "readers.submit_batch([Arrival('x', b'X: y')]).result()\n"
        "print(*readers.pool._processes, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    (process,) = done.stdout.split()
    for _ in range(100):
        if not Path(f"/proc/{process}").exists():
            return
        time.sleep(0.1)
    pytest.fail("It is still there.")
