"""Use of the embedded server: a process registers as a user with its first connection."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from crm.runtime.embedded import cluster, locks
from crm.runtime.embedded.place import EmbeddedPostgresError, Place

PROJECT = Path(__file__).resolve().parents[3]


class EmbeddedServer:
    """The server at a place, as seen by one process.

    The lock on `users_lock` is held until the process ends. A forked child shares it, so the server runs until
    both have ended. Child programs do not inherit it; they take their own if they use the server.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lease: int | None = None
        self._thread_lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget_threads)

    def ensure_running(self) -> None:
        """Return when the server answers, and register this process as a user.

        Raises:
            EmbeddedPostgresError: the server is unavailable; the message says why.
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
        # If started by root, the server's account must be able to traverse the folder.
        self.place.root.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
        # Drop an old lease without closing it: its number may belong to another file by now.
        # Waits while a keeper stops the server, and then finds it stopped.
        self._lease = locks.acquire(self.place.users_lock, locks.SHARED)

    def _start(self) -> None:
        with locks.hold_lock(self.place.start_lock, locks.EXCLUSIVE):
            # Start the keeper first, so that the server is stopped even if this process dies.
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
            raise EmbeddedPostgresError(f"The keeper of the embedded database failed. See {self.place.log}.")

    def _forget_threads(self) -> None:
        # After a fork the child lacks the thread that held this lock and would wait forever.
        self._thread_lock = threading.Lock()
