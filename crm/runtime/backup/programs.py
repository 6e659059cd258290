"""PostgreSQL's programs for backups: those of the embedded server, else those in PATH."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

from crm.runtime.backup.exceptions import BackupError
from crm.runtime.embedded.cluster import programs_folder
from crm.runtime.embedded.place import EmbeddedPostgresError

# How long a dump waits for a lock, such as one of a migration.
LOCK_WAIT = "60s"


def find_program(name: str, version: int) -> Path:
    """Return the PostgreSQL program `name` of the major version `version` or newer.

    Raises:
        BackupError: there is none.
    """
    versions = {path: major_version(path) for path in candidates(name)}
    for path, major in versions.items():
        if major >= version:
            return path
    found = ", ".join(f"{path} ({major})" for path, major in versions.items()) or "none"
    raise BackupError(f"This needs {name} of PostgreSQL {version} or newer in PATH. Found: {found}.")


def candidates(name: str) -> list[Path]:
    """Return the paths of the program `name`, the embedded server's first."""
    paths = []
    with suppress(EmbeddedPostgresError):
        paths.append(programs_folder() / name)
    in_path = shutil.which(name)
    return [path for path in [*paths, Path(in_path) if in_path else None] if path and path.exists()]


def major_version(program: Path) -> int:
    """Return the major version of a PostgreSQL program, or 0 if it does not run."""
    result = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    number = re.search(r"\) (\d+)", result.stdout)
    return int(number.group(1)) if number else 0


def start_dump(program: Path, target: Path, snapshot: str) -> subprocess.Popen[bytes]:
    """Start to dump the schema `public` as it is in `snapshot` to `target`, in PostgreSQL's custom format."""
    # As for dbshell: the password is in the environment of the process, never among its arguments.
    connect_arguments, variables = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    options = [
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        "--no-password",
        "--schema=public",
        "--extension=*",
        # A reader of the backup must not get sessions that are still valid.
        "--exclude-table-data=user_sessions",
        f"--lock-wait-timeout={LOCK_WAIT}",
        f"--snapshot={snapshot}",
        f"--file={target}",
    ]
    return subprocess.Popen(
        [program, *options, *connect_arguments[1:]],
        env={**os.environ, **(variables or {})},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def wait_for_dump(dump: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a dump.

    Raises:
        BackupError: it failed.
    """
    errors = dump.communicate()[1]
    if dump.returncode:
        raise BackupError(f"The database could not be dumped: {error_line(errors)}.")


def list_contents(program: Path, dump: Path) -> list[str]:
    """Return the lines of the table of contents of a dump.

    Raises:
        BackupError: the program cannot read it.
    """
    result = subprocess.run([program, "--list", dump], capture_output=True, check=False)
    if result.returncode:
        raise BackupError(f"The dump of the database cannot be read: {error_line(result.stderr)}.")
    return result.stdout.decode().splitlines()


@contextmanager
def script_of(program: Path, dump: Path, contents: Path) -> Iterator[Iterator[bytes]]:
    """Yield the lines of the SQL script that restores what the file `contents` lists of a dump.

    Raises:
        BackupError: the program failed.
    """
    command = [program, "--no-owner", "--no-privileges", f"--use-list={contents}", "--file=-", dump]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield iter(process.stdout)
        except BaseException:
            process.kill()
            raise
        errors = process.stderr.read()
    if process.returncode:
        raise BackupError(f"The dump of the database cannot be read: {error_line(errors)}.")


def error_line(output: bytes) -> str:
    """Return the line of a program's output that states the error, without its own name."""
    lines = [line for line in output.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "error:" in line] or lines or ["it gives no reason"]
    return errors[0].partition("error: ")[2].rstrip(".") or errors[0].rstrip(".")
