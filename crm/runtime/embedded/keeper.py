"""The process that stops the embedded server after its last user: `python -m crm.runtime.embedded.keeper FOLDER`."""

import os
import signal
import sys
from pathlib import Path

from crm.runtime.embedded import cluster, locks
from crm.runtime.embedded.place import Place


def main(root: str) -> None:
    """Take the keeper's lock, go to the background, wait until nobody uses the server, stop it."""
    place = Place(Path(root))
    keeper_descriptor = locks.acquire(place.keeper_lock, locks.EXCLUSIVE)
    # The one that called us returns only now and knows that the lock is held; the child goes on holding it.
    if os.fork():
        return
    # What ends the users is not for us: we end when they have. (A machine going down tells everybody.)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    users = os.open(place.users_lock, os.O_RDONLY)
    locks.acquire_exclusive(users)
    # If the folder was removed, and perhaps made anew, the server in it is not the one we keep.
    if locks.is_same_file(place.users_lock, users):
        cluster.stop_server(place)
    # In this order: who gets the users' lock after us must find the keeper's free, and post the next one.
    os.close(keeper_descriptor)
    os.close(users)


if __name__ == "__main__":
    main(sys.argv[1])
