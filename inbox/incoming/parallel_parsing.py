"""Many mails understood by processes of their own while the one that asks takes in those before. Pure: no database.

Only so many batches are on their way, so that a mailbox of any size takes the same memory. A process that dies over a
mail costs that mail alone.
"""

import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

from inbox.incoming.arrivals import Arrival, ParsedArrival, parse_arrival, parse_or_explain
from inbox.incoming.parsing import ParsedEmail

# Mails and bytes of one batch, processes, and the batches that each of them is ahead.
MAX_BATCH_EMAILS, MAX_BATCH_BYTES, MAX_PROCESSES, BATCHES_AHEAD = 250, 8_000_000, 4, 2
CRASH_REASON = "The program broke down over it."


def parse_in_parallel(arrivals: Iterable[Arrival]) -> Iterator[list[ParsedArrival]]:
    """What was understood of `arrivals`, in their order, by the batch; few are read here, many by other processes."""
    batches = split_into_batches(arrivals)
    first, second = next(batches, None), next(batches, None)
    processes = min(os.cpu_count() or 1, MAX_PROCESSES)
    if second is None or processes == 1:
        yield from ([parse_arrival(one) for one in batch] for batch in chain([first, second], batches) if batch)
        return
    with ParserPool(processes) as parsers:
        waiting: deque[tuple[list[Arrival], Future]] = deque()
        for batch in chain([second], batches):
            waiting.append((batch, parsers.submit_batch(batch)))
            if len(waiting) >= processes * BATCHES_AHEAD:
                if first:  # read here meanwhile: the processes need a moment to start
                    yield [parse_arrival(one) for one in first]
                    first = None
                yield parsers.collect_batch(*waiting.popleft())
        yield from ([[parse_arrival(one) for one in first]] if first else [])
        while waiting:
            yield parsers.collect_batch(*waiting.popleft())


def split_into_batches(arrivals: Iterable[Arrival]) -> Iterator[list[Arrival]]:
    """`arrivals` in lists, none of them long or large."""
    batch, size = [], 0
    for one in arrivals:
        batch.append(one)
        size += len(one.raw)
        if len(batch) >= MAX_BATCH_EMAILS or size >= MAX_BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class ParserPool:
    """Processes that understand mails; one that dies is replaced."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self.pool = self.start_pool()

    def __enter__(self) -> "ParserPool":
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def start_pool(self) -> ProcessPoolExecutor:
        # Not copies of this process: it holds connections to the database, and locks.
        context = get_context("forkserver")
        context.set_forkserver_preload(["__main__", __name__])
        return ProcessPoolExecutor(self.processes, mp_context=context, initializer=initialize_worker)

    def submit_batch(self, batch: Sequence[Arrival]) -> Future:
        payloads = [(one.raw, one.origin) for one in batch]
        try:
            return self.pool.submit(parse_all, payloads)
        except BrokenProcessPool:
            self.pool.shutdown(wait=False)
            self.pool = self.start_pool()
            return self.pool.submit(parse_all, payloads)

    def collect_batch(self, batch: list[Arrival], future: Future) -> list[ParsedArrival]:
        """What was understood of `batch`; where a process died over it, each mail by its own merit."""
        results = self.result_or_none(future)
        return self.isolate_crash(batch) if results is None else pair_results(batch, results)

    def isolate_crash(self, batch: list[Arrival]) -> list[ParsedArrival]:
        """As `collect_batch`, one try after the other, by halves: the mail over which a process dies is found."""
        results = self.result_or_none(self.submit_batch(batch))
        if results is not None:
            return pair_results(batch, results)
        if len(batch) == 1:
            return [ParsedArrival(batch[0], None, CRASH_REASON)]
        half = len(batch) // 2
        return self.isolate_crash(batch[:half]) + self.isolate_crash(batch[half:])

    def result_or_none(self, future: Future) -> list[ParsedEmail | str] | None:
        """What came of it; None where a process died meanwhile."""
        try:
            return future.result()
        except BrokenProcessPool:
            return None


def pair_results(batch: Sequence[Arrival], results: Sequence[ParsedEmail | str]) -> list[ParsedArrival]:
    return [
        ParsedArrival(one, None, mail) if isinstance(mail, str) else ParsedArrival(one, mail)
        for one, mail in zip(batch, results, strict=True)
    ]


# In a process of its own


def parse_all(payloads: Sequence[tuple[bytes, str]]) -> list[ParsedEmail | str]:
    """Of each mail with its origin what `parse_or_explain` makes of it."""
    return [parse_or_explain(raw, origin) for raw, origin in payloads]


def initialize_worker() -> None:
    """Leave it to the one that asks when to stop, and never outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=exit_with_parent, daemon=True).start()


def exit_with_parent() -> None:
    wait([parent_process().sentinel])
    os._exit(1)
