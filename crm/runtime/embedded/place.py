"""Where an embedded server keeps its files."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

SOCKET_NAME = ".s.PGSQL.5432"
# What fits into sockaddr_un, without the closing zero: 103 bytes on macOS, 107 on Linux.
MAX_SOCKET_PATH_BYTES = 103


class EmbeddedPostgresError(Exception):
    """The embedded server cannot be had; the message is one sentence for a person."""


@dataclass(frozen=True)
class Place:
    """The files of one server, all under `root`, an absolute path without symbolic links."""

    root: Path

    @property
    def data(self) -> Path:
        """The data directory: it is either complete or not there."""
        return self.root / "postgres"

    @property
    def log(self) -> Path:
        """What the server and the keeper have to say."""
        return self.root / "postgres.log"

    @property
    def sockets(self) -> Path:
        """The folder of the socket; only the server's account (and root) may enter it."""
        socket_folder = self.root / "run"
        # To a client a comma stands between two hosts.
        if len(os.fsencode(socket_folder / SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES and "," not in str(socket_folder):
            return socket_folder
        # Not under XDG_RUNTIME_DIR or TMPDIR: processes that share a server may have different ones.
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return Path("/tmp") / f"crm-{digest}"

    @property
    def users_lock(self) -> Path:
        """Shared by every process that uses the server; the keeper waits for it alone."""
        return self.root / "users.lock"

    @property
    def start_lock(self) -> Path:
        """Held while one process starts the server."""
        return self.root / "start.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held by the keeper as long as it lives."""
        return self.root / "keeper.lock"
