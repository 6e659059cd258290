"""Mails that other processes understand: the same ones in the same order, and none is lost with a process."""

import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest

from inbox.incoming import parallel_parsing
from inbox.incoming.arrivals import Arrival, read
from inbox.incoming.parallel_parsing import BROKEN, Readers, batched, read_ahead
from tests.inbox.dying import dying
from tests.inbox.mails import raw


def arrivals(count: int):
    return [Arrival(f"box#{number}", raw(str(number)) if number % 7 else b"rubbish") for number in range(count)]


@pytest.mark.parametrize("count", [0, 3, 23])
def test_they_are_the_same_in_the_same_order(monkeypatch, count):
    monkeypatch.setattr(parallel_parsing, "MOST", 5)
    given = arrivals(count)
    assert [one for batch in read_ahead(given) for one in batch] == [read(one) for one in given]


def test_only_a_few_are_on_their_way(monkeypatch):
    monkeypatch.setattr(parallel_parsing, "MOST", 5)
    asked = []

    def endless():
        for number in range(10_000):
            asked.append(number)
            yield Arrival(str(number), raw(str(number)))

    ahead = read_ahead(endless())
    assert [len(batch) for batch in islice(ahead, 3)] == [5, 5, 5]
    assert len(asked) < 5 * (4 + parallel_parsing.AHEAD * parallel_parsing.MOST_PROCESSES)
    ahead.close()


def test_a_batch_is_neither_long_nor_large(monkeypatch):
    monkeypatch.setattr(parallel_parsing, "MOST", 3)
    monkeypatch.setattr(parallel_parsing, "LARGEST", 10)
    sizes = [1, 1, 1, 1, 20, 4, 4, 4, 1]
    given = [Arrival("x", b"x" * size) for size in sizes]
    assert [[len(one.raw) for one in batch] for batch in batched(given)] == [[1, 1, 1], [1, 20], [4, 4, 4], [1]]


def test_a_mail_over_which_a_process_dies_is_found_and_costs_no_other(monkeypatch):
    monkeypatch.setattr(parallel_parsing, "understand_all", dying)
    given = [Arrival(str(number), b"die" if number == 4 else raw(str(number))) for number in range(9)]
    with Readers(2) as readers:
        others = [readers.begin(given[5:]), readers.begin(given[:3])]
        found = readers.done(given, readers.begin(given))
        assert [one.reason for one in found] == [BROKEN if number == 4 else "" for number in range(9)]
        assert [one.reason for one in readers.done(given[5:], others[0])] == [""] * 4
        assert [one.reason for one in readers.done(given[:3], others[1])] == [""] * 3


def test_the_processes_do_not_outlive_the_one_that_asked():
    code = (
        "import os, sys, time\n"
        "from inbox.incoming.parallel_parsing import Readers\n"
        "from inbox.incoming.arrivals import Arrival\n"
        "readers = Readers(1)\n"
        "readers.begin([Arrival('x', b'X: y')]).result()\n"
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
