"""Taking mail in: how many a second, beside the standard library that only parses them, and how much memory."""

import contextlib
import email
import email.policy
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.children import start
from bench.corpus import paths, write_many
from bench.databases import scratch
from bench.table import rendered, verdict
from inbox.incoming.files import mails_in
from inbox.models import Message

# The bars of the issue; and how much more memory ten times as many mails may take.
LEAST_SHARE, MOST_GROWTH = 0.5, 1.25
FEW, MANY, MOST_RUNS = 10_000, 100_000, 3
COMPAT = "standard library, compat32, nothing read"
DEFAULT = "standard library, policy.default, nothing read"
READ = "standard library, headers and body read"
OURS = "import_mail"
HEADERS = ("from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references")
# What the standard library raises over text that lies about its own encoding.
UNREADABLE = (LookupError, UnicodeError, ValueError, AssertionError, AttributeError, TypeError, KeyError)
PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def plans() -> None:
    """Nothing of this is a question to the database alone."""


def run(repeat: int) -> bool:
    """Print the tables; whether the bars were reached."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = folder / "few.mbox"
        write_many(few, folder, FEW)
        reached = [rates(paths(folder), min(repeat, MOST_RUNS)), rates([few], 1)]
        few.unlink()
        return all([*reached, memory(folder)])


# How fast


def bare(raw: bytes) -> None:
    """Parsed as older programs do, nothing read."""
    email.message_from_bytes(raw)


def parsed(raw: bytes) -> None:
    """Parsed as is recommended today, nothing read."""
    email.message_from_bytes(raw, policy=email.policy.default)


def words(raw: bytes) -> None:
    """Parsed as is recommended today, and read as anybody must who wants the words."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    for name in HEADERS:
        with contextlib.suppress(*UNREADABLE):
            str(message[name])
    with contextlib.suppress(*UNREADABLE):
        body = message.get_body(("plain", "html"))
        if body is not None:
            body.get_content()


def rates(files: list[Path], runs: int) -> bool:
    """Ours and theirs by turns, on the same files; the median of each counts."""
    ways: dict[str, Callable[[], float]] = {
        COMPAT: lambda: theirs(files, bare),
        DEFAULT: lambda: theirs(files, parsed),
        READ: lambda: theirs(files, words),
        OURS: lambda: ours(files),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            seconds[name].append(way())
    count = sum(1 for path in files for _ in mails_in(path))
    rate = {name: count / statistics.median(taken) for name, taken in seconds.items()}
    rows = [[name, f"{one:,.0f}", f"{rate[OURS] / one:.2f}"] for name, one in rate.items()]
    share = rate[OURS] / rate[READ]
    missed = [f"{share:.2f} < {LEAST_SHARE}"] if share < LEAST_SHARE else []
    sys.stdout.write(f"\n{__doc__}\n\n{rendered([f'{count:,} mails', 'a second', 'ours ÷ it'], rows)}")
    sys.stdout.write(f"{verdict(missed)}\n")
    return not missed


def theirs(files: list[Path], way: Callable[[bytes], None]) -> float:
    """Seconds in which the standard library goes `way` with every mail of `files`."""
    began = time.perf_counter()
    for path in files:
        for _, raw in mails_in(path):
            way(raw)
    return time.perf_counter() - began


def ours(files: list[Path]) -> float:
    """Seconds in which the command takes `files` into an empty database, without those in which it starts."""
    with scratch(), tempfile.TemporaryDirectory() as empty:
        idle = imported([Path(empty)])[0]
    with scratch():
        return imported(files)[0] - idle


def imported(files: list[Path]) -> tuple[float, float]:
    """Seconds that the command takes, and the most memory that it and its processes held together, in MB.

    Raises:
        RuntimeError: it failed.
    """
    given = [str(path) for path in files]
    began = time.perf_counter()
    command = start("manage.py", "import_mail", *given, "--mailbox", "office@agency.example", "--verbosity", "0")
    with watched(command) as peaks:
        said = command.communicate()[0]
    taken = time.perf_counter() - began
    if command.returncode:
        raise RuntimeError(said)
    return taken, sum(peaks.values()) / 1000


# How much memory


def memory(folder: Path) -> bool:
    """Whether ten times as many mails take no more memory."""
    rows, peak = [], {}
    for count in (FEW, MANY):
        target = folder / f"{count}.mbox"
        write_many(target, folder, count)
        with scratch():
            taken, peak[count] = imported([target])
            there = Message.objects.count()
        target.unlink()
        rows.append([f"{there:,} mails", f"{there / taken:,.0f}", f"{peak[count]:,.0f} MB"])
    growth = peak[MANY] / peak[FEW]
    missed = [f"memory grew {growth:.2f}-fold"] if growth > MOST_GROWTH else []
    sys.stdout.write(f"\n{rendered(['', 'a second', 'peak, all processes'], rows)}{verdict(missed)}\n")
    return not missed


@contextlib.contextmanager
def watched(command: subprocess.Popen) -> Iterator[dict[int, int]]:
    """The peak of each process of `command`, in kB, by its number; asked again and again until it ends."""
    peaks: dict[int, int] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            for process in family(command.pid):
                with contextlib.suppress(OSError, TypeError):
                    peaks[process] = int(PEAK.search(Path(f"/proc/{process}/status").read_text())[1])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def family(process: int) -> list[int]:
    """A process and all that it has started."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return [process, *(one for child in children for one in family(int(child)))]
    return []
