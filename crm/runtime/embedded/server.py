"""Using the embedded server: a process becomes one of its users with the first connection it wants."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from crm.runtime.embedded import cluster, locks
from crm.runtime.embedded.place import EmbeddedPostgresError, Place

PROJECT = Path(__file__).resolve().parents[3]


class EmbeddedServer:
    """The server at a place, as one process sees it.

    The lock on `users_lock` is held until the process ends. A forked child shares it, so the server outlives
    neither of them; a program that we start does not inherit it, and takes its own if it is one of ours.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lease: int | None = None
        self._thread_lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget_threads)

    def ensure_running(self) -> None:
        """Return when the server answers, and count this process among its users from now on.

        Raises:
            EmbeddedPostgresError: it cannot be had; the message says why.
        """
        with self._thread_lock:
            try:
                self._hold_lease()
                if locks.is_free(self.place.keeper_lock) or not cluster.accepts_connections(self.place):
                    self._start()
            except OSError as error:
                where = error.filename or self.place.root
                raise EmbeddedPostgresError(
                    f"The embedded database cannot be used: {error.strerror} ({where})."
                ) from error

    def _hold_lease(self) -> None:
        if self._lease is not None and locks.is_same_file(self.place.users_lock, self._lease):
            return
        # As root the server's own account has to pass through; nobody else ever needs to.
        self.place.root.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        # An old lease is dropped, not closed: if something closed it, its number may be another file's now.
        # Waits here while a keeper stops the server, and then finds it stopped.
        self._lease = locks.acquire(self.place.users_lock, locks.SHARED)

    def _start(self) -> None:
        with locks.hold_lock(self.place.start_lock, locks.EXCLUSIVE):
            # The keeper first: whatever happens to us from here on, somebody stops the server.
            if locks.is_free(self.place.keeper_lock):
                self._start_keeper()
            cluster.start_server(self.place)

    def _start_keeper(self) -> None:
        command = [sys.executable, "-m", "crm.runtime.embedded.keeper", str(self.place.root)]
        log = os.open(self.place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            result = subprocess.run(
                command,
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                check=False,
            )
        finally:
            os.close(log)
        if result.returncode:
            raise EmbeddedPostgresError(f"The keeper of the embedded database failed: see {self.place.log}.")

    def _forget_threads(self) -> None:
        # A thread that held this when we forked does not exist in the child, which would wait for ever.
        self._thread_lock = threading.Lock()
