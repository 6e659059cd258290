"""Email import: rate compared with parsing in the standard library, and memory."""

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

from bench.child_processes import start_python
from bench.corpus import corpus_paths, write_mbox
from bench.databases import scratch_database
from bench.table import format_verdict, render_table
from inbox.incoming.files import iter_emails
from inbox.models import Message

# The targets, and the memory growth allowed for ten times as many emails.
MIN_SHARE, MAX_MEMORY_GROWTH = 0.5, 1.25
FEW_EMAILS, MANY_EMAILS, MAX_RUNS = 10_000, 100_000, 3
COMPAT = "standard library, compat32, nothing read"
DEFAULT = "standard library, policy.default, nothing read"
READ = "standard library, headers and body read"
OURS = "import_mail"
HEADERS = ("from", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references")
# Errors of the standard library on text with a wrong encoding declaration.
UNREADABLE_ERRORS = (LookupError, UnicodeError, ValueError, AssertionError, AttributeError, TypeError, KeyError)
PEAK_MEMORY = re.compile(r"VmHWM:\s+(\d+) kB")


def plans() -> None:
    """Do nothing; this benchmark has no single query."""


def run(repeat: int) -> bool:
    """Print the tables; return whether the targets were met."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few = folder / "few.mbox"
        write_mbox(few, folder, FEW_EMAILS)
        reached = [compare_rates(corpus_paths(folder), min(repeat, MAX_RUNS)), compare_rates([few], 1)]
        few.unlink()
        return all([*reached, measure_memory(folder)])


# How fast


def parse_compat(raw: bytes) -> None:
    """Parse with the legacy policy, reading nothing."""
    email.message_from_bytes(raw)


def parse_default(raw: bytes) -> None:
    """Parse with the default policy, reading nothing."""
    email.message_from_bytes(raw, policy=email.policy.default)


def parse_and_read(raw: bytes) -> None:
    """Parse with the default policy and read headers and body."""
    message = email.message_from_bytes(raw, policy=email.policy.default)
    for name in HEADERS:
        with contextlib.suppress(*UNREADABLE_ERRORS):
            str(message[name])
    with contextlib.suppress(*UNREADABLE_ERRORS):
        body = message.get_body(("plain", "html"))
        if body is not None:
            body.get_content()


def compare_rates(files: list[Path], runs: int) -> bool:
    """Measure both in turns on the same files and compare the medians."""
    methods: dict[str, Callable[[], float]] = {
        COMPAT: lambda: time_standard_library(files, parse_compat),
        DEFAULT: lambda: time_standard_library(files, parse_default),
        READ: lambda: time_standard_library(files, parse_and_read),
        OURS: lambda: time_import(files),
    }
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(runs):
        for name, method in methods.items():
            seconds[name].append(method())
    count = sum(1 for path in files for _ in iter_emails(path))
    rate = {name: count / statistics.median(taken) for name, taken in seconds.items()}
    rows = [[name, f"{one:,.0f}", f"{rate[OURS] / one:.2f}"] for name, one in rate.items()]
    share = rate[OURS] / rate[READ]
    missed = [f"{share:.2f} < {MIN_SHARE}"] if share < MIN_SHARE else []
    sys.stdout.write(f"\n{__doc__}\n\n{render_table([f'{count:,} emails', 'a second', 'ours ÷ it'], rows)}")
    sys.stdout.write(f"{format_verdict(missed)}\n")
    return not missed


def time_standard_library(files: list[Path], method: Callable[[bytes], None]) -> float:
    """Return the seconds that `method` takes for every email of `files`."""
    started = time.perf_counter()
    for path in files:
        for _, raw in iter_emails(path):
            method(raw)
    return time.perf_counter() - started


def time_import(files: list[Path]) -> float:
    """Return the seconds to import `files` into an empty database, without the command's start."""
    with scratch_database(), tempfile.TemporaryDirectory() as empty:
        idle = run_import([Path(empty)])[0]
    with scratch_database():
        return run_import(files)[0] - idle


def run_import(files: list[Path]) -> tuple[float, float]:
    """Return the seconds of the command and the peak memory of all its processes in MB.

    Raises:
        RuntimeError: it failed.
    """
    given = [str(path) for path in files]
    started = time.perf_counter()
    command = start_python("manage.py", "import_mail", *given, "--mailbox", "office@agency.example", "--verbosity", "0")
    with watch_memory(command) as peaks:
        output = command.communicate()[0]
    seconds = time.perf_counter() - started
    if command.returncode:
        raise RuntimeError(output)
    return seconds, sum(peaks.values()) / 1000


# How much memory


def measure_memory(folder: Path) -> bool:
    """Return whether ten times as many emails take no more memory."""
    rows, peak = [], {}
    for count in (FEW_EMAILS, MANY_EMAILS):
        target = folder / f"{count}.mbox"
        write_mbox(target, folder, count)
        with scratch_database():
            seconds, peak[count] = run_import([target])
            there = Message.objects.count()
        target.unlink()
        rows.append([f"{there:,} emails", f"{there / seconds:,.0f}", f"{peak[count]:,.0f} MB"])
    growth = peak[MANY_EMAILS] / peak[FEW_EMAILS]
    missed = [f"memory grew {growth:.2f}-fold"] if growth > MAX_MEMORY_GROWTH else []
    sys.stdout.write(f"\n{render_table(['', 'a second', 'peak, all processes'], rows)}{format_verdict(missed)}\n")
    return not missed


@contextlib.contextmanager
def watch_memory(command: subprocess.Popen) -> Iterator[dict[int, int]]:
    """Return the peak memory in kB of each process of `command`, polled until it ends."""
    peaks: dict[int, int] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.2):
            for process in process_tree(command.pid):
                with contextlib.suppress(OSError, TypeError):
                    peaks[process] = int(PEAK_MEMORY.search(Path(f"/proc/{process}/status").read_text())[1])

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def process_tree(process: int) -> list[int]:
    """Return a process and its descendants."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        return [process, *(one for child in children for one in process_tree(int(child)))]
    return []
