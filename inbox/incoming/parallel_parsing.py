"""Parse many emails in worker processes while the caller stores the batches before. Pure: no database.

The number of batches in flight is limited, so memory use does not depend on the size of the mailbox. If a worker dies
while parsing an email, only that email is rejected.
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

# Emails and bytes per batch, number of processes, and batches queued per process.
MAX_BATCH_EMAILS, MAX_BATCH_BYTES, MAX_PROCESSES, BATCHES_AHEAD = 250, 8_000_000, 4, 2
CRASH_REASON = "The parser crashed on this email."


def parse_in_parallel(arrivals: Iterable[Arrival]) -> Iterator[list[ParsedArrival]]:
    """Yield parsed batches of `arrivals`, in order. A single batch is parsed in this process."""
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
                if first:  # parsed here while the worker processes start
                    yield [parse_arrival(one) for one in first]
                    first = None
                yield parsers.collect_batch(*waiting.popleft())
        yield from ([[parse_arrival(one) for one in first]] if first else [])
        while waiting:
            yield parsers.collect_batch(*waiting.popleft())


def split_into_batches(arrivals: Iterable[Arrival]) -> Iterator[list[Arrival]]:
    """Yield `arrivals` in lists of limited length and size."""
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
    """A pool of worker processes that parse emails. A dead worker is replaced."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self.pool = self.start_pool()

    def __enter__(self) -> "ParserPool":
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def start_pool(self) -> ProcessPoolExecutor:
        # Not forks of this process: it holds database connections and locks.
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
        """Return the parsed `batch`. If a worker died on it, isolate the email that caused the crash."""
        results = self.result_or_none(future)
        return self.isolate_crash(batch) if results is None else pair_results(batch, results)

    def isolate_crash(self, batch: list[Arrival]) -> list[ParsedArrival]:
        """Parse `batch` again, halving it after each crash until the email that causes it is found."""
        results = self.result_or_none(self.submit_batch(batch))
        if results is not None:
            return pair_results(batch, results)
        if len(batch) == 1:
            return [ParsedArrival(batch[0], None, CRASH_REASON)]
        half = len(batch) // 2
        return self.isolate_crash(batch[:half]) + self.isolate_crash(batch[half:])

    def result_or_none(self, future: Future) -> list[ParsedEmail | str] | None:
        """Return the result of `future`, or None if its worker died."""
        try:
            return future.result()
        except BrokenProcessPool:
            return None


def pair_results(batch: Sequence[Arrival], results: Sequence[ParsedEmail | str]) -> list[ParsedArrival]:
    return [
        ParsedArrival(one, None, mail) if isinstance(mail, str) else ParsedArrival(one, mail)
        for one, mail in zip(batch, results, strict=True)
    ]


# In the worker process


def parse_all(payloads: Sequence[tuple[bytes, str]]) -> list[ParsedEmail | str]:
    """Apply `parse_or_explain` to each pair of raw bytes and origin."""
    return [parse_or_explain(raw, origin) for raw, origin in payloads]


def initialize_worker() -> None:
    """Ignore Ctrl-C, which the parent process handles, and exit when the parent exits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=exit_with_parent, daemon=True).start()


def exit_with_parent() -> None:
    wait([parent_process().sentinel])
    os._exit(1)
