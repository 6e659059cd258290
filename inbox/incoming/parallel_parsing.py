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

from inbox.incoming.arrivals import Arrival, Read, read, understand
from inbox.incoming.parsing import Mail

# Mails and bytes of one batch, processes, and the batches that each of them is ahead.
MOST, LARGEST, MOST_PROCESSES, AHEAD = 250, 8_000_000, 4, 2
BROKEN = "The program broke down over it."


def read_ahead(arrivals: Iterable[Arrival]) -> Iterator[list[Read]]:
    """What was understood of `arrivals`, in their order, by the batch; few are read here, many by other processes."""
    batches = batched(arrivals)
    first, second = next(batches, None), next(batches, None)
    processes = min(os.cpu_count() or 1, MOST_PROCESSES)
    if second is None or processes == 1:
        yield from ([read(one) for one in batch] for batch in chain([first, second], batches) if batch)
        return
    with Readers(processes) as readers:
        waiting: deque[tuple[list[Arrival], Future]] = deque()
        for batch in chain([second], batches):
            waiting.append((batch, readers.begin(batch)))
            if len(waiting) >= processes * AHEAD:
                if first:  # read here meanwhile: the processes need a moment to start
                    yield [read(one) for one in first]
                    first = None
                yield readers.done(*waiting.popleft())
        yield from ([[read(one) for one in first]] if first else [])
        while waiting:
            yield readers.done(*waiting.popleft())


def batched(arrivals: Iterable[Arrival]) -> Iterator[list[Arrival]]:
    """`arrivals` in lists, none of them long or large."""
    batch, size = [], 0
    for one in arrivals:
        batch.append(one)
        size += len(one.raw)
        if len(batch) >= MOST or size >= LARGEST:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Readers:
    """Processes that understand mails; one that dies is replaced."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        self.pool = self.started()

    def __enter__(self) -> "Readers":
        return self

    def __exit__(self, *error: object) -> None:
        self.pool.shutdown(cancel_futures=True)

    def started(self) -> ProcessPoolExecutor:
        # Not copies of this process: it holds connections to the database, and locks.
        context = get_context("forkserver")
        context.set_forkserver_preload(["__main__", __name__])
        return ProcessPoolExecutor(self.processes, mp_context=context, initializer=prepare)

    def begin(self, batch: Sequence[Arrival]) -> Future:
        given = [(one.raw, one.origin) for one in batch]
        try:
            return self.pool.submit(understand_all, given)
        except BrokenProcessPool:
            self.pool.shutdown(wait=False)
            self.pool = self.started()
            return self.pool.submit(understand_all, given)

    def done(self, batch: list[Arrival], future: Future) -> list[Read]:
        """What was understood of `batch`; where a process died over it, each mail by its own merit."""
        found = self.understood(future)
        return self.looked_for(batch) if found is None else answered(batch, found)

    def looked_for(self, batch: list[Arrival]) -> list[Read]:
        """As `done`, one try after the other, by halves: the mail over which a process dies is found."""
        found = self.understood(self.begin(batch))
        if found is not None:
            return answered(batch, found)
        if len(batch) == 1:
            return [Read(batch[0], None, BROKEN)]
        half = len(batch) // 2
        return self.looked_for(batch[:half]) + self.looked_for(batch[half:])

    def understood(self, future: Future) -> list[Mail | str] | None:
        """What came of it; None where a process died meanwhile."""
        try:
            return future.result()
        except BrokenProcessPool:
            return None


def answered(batch: Sequence[Arrival], found: Sequence[Mail | str]) -> list[Read]:
    return [
        Read(one, None, mail) if isinstance(mail, str) else Read(one, mail)
        for one, mail in zip(batch, found, strict=True)
    ]


# In a process of its own


def understand_all(given: Sequence[tuple[bytes, str]]) -> list[Mail | str]:
    """Of each mail with its origin what `understand` makes of it."""
    return [understand(raw, origin) for raw, origin in given]


def prepare() -> None:
    """Leave it to the one that asks when to stop, and never outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=leave_with_parent, daemon=True).start()


def leave_with_parent() -> None:
    wait([parent_process().sentinel])
    os._exit(1)
