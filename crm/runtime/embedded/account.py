"""The system account of the server and access to its files; PostgreSQL refuses to run as root."""

import os
import pwd
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crm.runtime.embedded.place import EmbeddedPostgresError

SYSTEM_USER = "crm-postgres"


@dataclass(frozen=True)
class Account:
    """The system account of a server; `is_other` if root has to switch to it."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        return self.uid != os.geteuid()

    def subprocess_options(self) -> dict[str, Any]:
        """Return `subprocess` arguments that run a program as this account, with a clean environment."""
        # Without the PG... variables of the user, which would configure PostgreSQL's
        # programs, and in English, because error messages are parsed from the log.
        common = {"env": {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}, "cwd": "/"}
        if not self.is_other:
            return common
        return {**common, "user": self.uid, "group": self.gid, "extra_groups": []}

    def take_ownership(self, path: Path) -> None:
        """Give `path` to the account."""
        if self.is_other:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def account_of(data: Path) -> Account:
    """Return the account for the server on `data`: the current user, or for root the owner or a new account."""
    owner = os.stat(data) if data.exists() else None
    if os.geteuid() != 0:
        if owner and owner.st_uid != os.geteuid():
            raise EmbeddedPostgresError(
                f"The database in {data} belongs to {_user_name(owner.st_uid)}. Run this as that user or as root."
            )
        return Account(os.geteuid(), os.getegid())
    if owner and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    entry = _system_user()
    return Account(entry.pw_uid, entry.pw_gid)


def allow_traversal(paths: list[Path], account: Account) -> None:
    """Let other users traverse, but not list, the folders above `paths` that `account` cannot enter yet."""
    blocked_folders = sorted(
        {parent for path in paths for parent in path.parents if not _can_traverse(parent, account)}
    )
    for folder in blocked_folders:
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IXOTH)
    if blocked_folders:
        names = ", ".join(str(folder) for folder in blocked_folders)
        sys.stderr.write(f"PostgreSQL does not run as root, so others may now pass through (not look into) {names}.\n")


def make_programs_readable(folders: list[Path], account: Account) -> None:
    """Let other users read and run the files in `folders`; a strict umask may have installed them for root only."""
    for path in (path for folder in folders for path in (folder, *folder.rglob("*"))):
        mode = stat.S_IMODE(path.stat().st_mode)
        wanted_mode = mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
        if wanted_mode != mode and path.stat().st_uid != account.uid:
            path.chmod(wanted_mode)


def _can_traverse(folder: Path, account: Account) -> bool:
    folder_stat = folder.stat()
    if folder_stat.st_uid == account.uid:
        return bool(folder_stat.st_mode & stat.S_IXUSR)
    return bool(folder_stat.st_mode & (stat.S_IXGRP if folder_stat.st_gid == account.gid else stat.S_IXOTH))


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _add_system_user()
    return pwd.getpwnam(SYSTEM_USER)


def _add_system_user() -> None:
    program = shutil.which("useradd") or "/usr/sbin/useradd"
    command = [program, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
    try:
        result = subprocess.run(
            [*command, "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            capture_output=True,
            text=True,
            check=False,
        )
        reason = result.stderr.strip() if result.returncode else ""
    except OSError as error:
        reason = str(error)
    # Another process may have created it at the same moment; it only has to exist.
    if reason and SYSTEM_USER not in {entry.pw_name for entry in pwd.getpwall()}:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root and its user {SYSTEM_USER} could not be created ({reason}). "
            "Create it, run this as an ordinary user, or set DATABASE_URL."
        )
