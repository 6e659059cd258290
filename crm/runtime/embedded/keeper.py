"""The process that stops the embedded server after its last user: `python -m crm.runtime.embedded.keeper FOLDER`."""

import os
import signal
import sys
from pathlib import Path

from crm.runtime.embedded import cluster, locks
from crm.runtime.embedded.place import Place


def main(root: str) -> None:
    """Take the keeper lock, go to the background, wait until the server is unused, and stop it."""
    place = Place(Path(root))
    keeper_descriptor = locks.acquire(place.keeper_lock, locks.EXCLUSIVE)
    # The caller returns only now and knows that the lock is held; the child keeps holding it.
    if os.fork():
        return
    # Ignore signals meant for the users; the keeper ends after them. (A shutdown signals every process.)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    users = os.open(place.users_lock, os.O_RDONLY)
    locks.acquire_exclusive(users)
    # If the folder was removed and perhaps recreated, it holds a different server.
    if locks.is_same_file(place.users_lock, users):
        cluster.stop_server(place)
    # In this order: the next holder of the users' lock must find the keeper lock free to start a new keeper.
    os.close(keeper_descriptor)
    os.close(users)


if __name__ == "__main__":
    main(sys.argv[1])
