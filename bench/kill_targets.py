"""The processes of a served CRM, found anew for each kill: they change with every restart."""

import random
from collections.abc import Callable
from pathlib import Path

import psutil

from crm.runtime.embedded.place import Place


def is_child(process: psutil.Process, word: str) -> bool:
    """Return whether `process` runs `word`, such as gunicorn."""
    return word in process.cmdline()


def web_masters(serve: psutil.Process, place: Place) -> list[psutil.Process]:
    return [child for child in serve.children() if is_child(child, "gunicorn")]


def web_workers(serve: psutil.Process, place: Place) -> list[psutil.Process]:
    return [worker for master in web_masters(serve, place) for worker in master.children()]


def queue_workers(serve: psutil.Process, place: Place) -> list[psutil.Process]:
    return [child for child in serve.children() if is_child(child, "worker")]


def postmasters(serve: psutil.Process, place: Place) -> list[psutil.Process]:
    first_line = (place.data / "postmaster.pid").read_text().splitlines()[0]
    return [psutil.Process(int(first_line))]


def database_sessions(serve: psutil.Process, place: Place) -> list[psutil.Process]:
    """Return the processes of the server that work for a connection."""
    backends = [child for one in postmasters(serve, place) for child in one.children()]
    return [child for child in backends if "[local]" in " ".join(child.cmdline())]


# Each kind, and how often it is chosen. The death of a session makes the whole database recover.
KINDS: dict[str, tuple[Callable[[psutil.Process, Place], list[psutil.Process]], int]] = {
    "web worker": (web_workers, 4),
    "web server": (web_masters, 3),
    "queue worker": (queue_workers, 4),
    "database session": (database_sessions, 2),
    "database server": (postmasters, 2),
}


def choose_target(serve: int, folder: Path, rng: random.Random) -> tuple[str, psutil.Process] | None:
    """Return a process to kill and its kind; None if the kind that was chosen has no process at the moment."""
    kind = rng.choices(list(KINDS), [weight for _, weight in KINDS.values()])[0]
    try:
        found = KINDS[kind][0](psutil.Process(serve), Place(folder))
        return (kind, rng.choice(found)) if found else None
    except (psutil.Error, OSError, IndexError, ValueError):
        return None
