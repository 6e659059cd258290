"""File locations of an embedded server."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

SOCKET_NAME = ".s.PGSQL.5432"
# The limit of sockaddr_un without the closing zero: 103 bytes on macOS, 107 on Linux.
MAX_SOCKET_PATH_BYTES = 103


class EmbeddedPostgresError(Exception):
    """The embedded server is unavailable; the message is a sentence for the user."""


@dataclass(frozen=True)
class Place:
    """The files of one server, all under `root`, an absolute path without symbolic links."""

    root: Path

    @property
    def data(self) -> Path:
        """Return the data directory; it is either complete or missing."""
        return self.root / "postgres"

    @property
    def log(self) -> Path:
        """Return the log file of the server and the keeper."""
        return self.root / "postgres.log"

    @property
    def sockets(self) -> Path:
        """Return the folder of the socket; only the server's account and root may enter it."""
        socket_folder = self.root / "run"
        # Clients read a comma as a separator between hosts.
        if len(os.fsencode(socket_folder / SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES and "," not in str(socket_folder):
            return socket_folder
        # Not under XDG_RUNTIME_DIR or TMPDIR, which may differ between processes that share a server.
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path("/tmp") / f"crm-{digest}"

    @property
    def users_lock(self) -> Path:
        """Return the lock that users share and the keeper waits for exclusively."""
        return self.root / "users.lock"

    @property
    def start_lock(self) -> Path:
        """Return the lock held while one process starts the server."""
        return self.root / "start.lock"

    @property
    def keeper_lock(self) -> Path:
        """Return the lock held by the keeper for its lifetime."""
        return self.root / "keeper.lock"
