"""The embedded PostgreSQL starts for its first user, stops after the last, and survives any kill."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest

from crm.runtime.embedded import cluster, locks
from crm.runtime.embedded.account import account_of
from crm.runtime.embedded.place import MAX_SOCKET_PATH_BYTES, SOCKET_NAME, EmbeddedPostgresError, Place
from crm.runtime.embedded.server import EmbeddedServer
from tests.crm.processes import is_dead, list_files, start_process, wait_for_line, wait_until

pytestmark = pytest.mark.storm

# In capitals, because the output may also name a temporary folder: random small letters, which can spell a word.
USER = """
import os
import sys
from pathlib import Path
from crm.runtime.embedded.place import Place
from crm.runtime.embedded.server import EmbeddedServer
server = EmbeddedServer(Place(Path(sys.argv[1])))
server.ensure_running()
print("READY", flush=True)
for line in sys.stdin:
    exec(line)
    print("DONE", flush=True)
"""


@contextlib.contextmanager
def make_temporary_folder():
    # Not pytest's folder: each new session closes it again for the server's account.
    folder = Path(tempfile.mkdtemp(prefix="crm-")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder():
    """An empty folder."""
    with make_temporary_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def place():
    """A server's folder, initialised once for this file."""
    with make_temporary_folder() as folder:
        place = Place(folder)
        yield place
        assert wait_until(lambda: is_stopped(place)), "a test left the server running"


@pytest.fixture
def start_user(place):
    """Start a process that uses the server and wait for "READY"; it can be ended or run a line of Python."""
    started = []

    def begin(folder: Path = place.root) -> subprocess.Popen:
        started.append(start_process("-c", USER, str(folder)))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
    assert wait_until(lambda: is_stopped(place)), "the server did not stop after its users"


def is_stopped(place):
    return not cluster.accepts_connections(place) and locks.is_free(place.keeper_lock)


def run_sql(place, statement):
    host = str(place.sockets)
    with psycopg.connect(dbname="crm", user="postgres", host=host, port=5432, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else None


def pid_of_server(place):
    return int((place.data / "postmaster.pid").read_text().splitlines()[0])


def pid_of_keeper(place):
    command = ["-m", "crm.runtime.embedded.keeper", str(place.root)]
    return next(each.pid for each in psutil.process_iter(["cmdline"]) if (each.info["cmdline"] or [])[1:] == command)


def kill_server(place):
    """SIGKILL the server and all its processes, like a power loss."""
    server = psutil.Process(pid_of_server(place))
    # The server first: it would survive the crash of a child.
    all_of_it = [server, *server.children()]
    for process in all_of_it:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert wait_until(lambda: all(is_dead(process.pid) for process in all_of_it))


def test_server_stops_with_its_last_user(place, start_user):
    first, second = start_user(), start_user()
    wait_for_line(first, "READY"), wait_for_line(second, "READY")
    first.communicate()
    assert not wait_until(lambda: is_stopped(place), seconds=1)
    said_before = place.log.stat().st_size
    second.kill()
    assert wait_until(lambda: is_stopped(place))
    assert b"database system is shut down" in place.log.read_bytes()[said_before:]
    assert not (place.data / "postmaster.pid").exists()


def test_many_users_start_one_server(place, start_user):
    said_before = place.log.stat().st_size if place.log.exists() else 0
    crowd = [start_user() for _ in range(4)]
    for process in crowd:
        wait_for_line(process, "READY")
    said = place.log.read_bytes()[said_before:]
    assert said.count(b"starting PostgreSQL") == said.count(b"ready to accept connections") == 1


def test_killed_server_restarts_with_its_data(place, start_user):
    wait_for_line(start_user(), "READY")
    run_sql(place, "CREATE TABLE IF NOT EXISTS kept (what text); TRUNCATE kept; INSERT INTO kept VALUES ('this')")
    kill_server(place)
    wait_for_line(start_user(), "READY")
    assert run_sql(place, "SELECT what FROM kept") == [("this",)]
    # One call for the file system: the page is back in time although there are a thousand files.
    assert run_sql(place, "SHOW recovery_init_sync_method") == [("syncfs" if sys.platform == "linux" else "fsync",)]


def test_server_stops_cleanly_during_recovery(place, start_user):
    process = start_user()
    wait_for_line(process, "READY")
    # Enough rows for the recovery to take a moment.
    run_sql(place, "CREATE TABLE much AS SELECT generate_series(1, 500000) AS number")
    psutil.Process(pid_of_server(place)).children()[0].kill()
    process.kill()
    assert wait_until(lambda: is_stopped(place))


def test_surviving_user_restarts_the_server(place, start_user):
    process = start_user()
    wait_for_line(process, "READY")
    kill_server(place)
    process.stdin.write("server.ensure_running()\n")
    process.stdin.flush()
    wait_for_line(process, "DONE")
    assert cluster.accepts_connections(place)


def test_killed_keeper_is_replaced_by_next_user(place, start_user):
    first = start_user()
    wait_for_line(first, "READY")
    os.kill(pid_of_keeper(place), signal.SIGKILL)
    first.communicate()
    assert cluster.accepts_connections(place), "no process is left to stop it"
    wait_for_line(start_user(), "READY")
    assert not locks.is_free(place.keeper_lock)


def test_killing_everything_is_recovered(place, start_user):
    first = start_user()
    wait_for_line(first, "READY")
    keeper = pid_of_keeper(place)
    kill_server(place)
    os.kill(keeper, signal.SIGKILL)
    first.kill()
    wait_for_line(start_user(), "READY")
    assert run_sql(place, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("left", ["", "{our_pid}\n", "no number\n"])
def test_stale_pid_file_is_ignored(place, start_user, left):
    first = start_user()
    wait_for_line(first, "READY")
    first.communicate()
    assert wait_until(lambda: is_stopped(place))
    (place.data / "postmaster.pid").write_text(left.format(our_pid=os.getpid()))
    wait_for_line(start_user(), "READY")
    assert run_sql(place, "SELECT 1") == [(1,)]


def test_user_arriving_during_shutdown_gets_a_running_server(place, start_user):
    for _ in range(5):
        last = start_user()
        wait_for_line(last, "READY")
        last.stdin.close()
        newcomer = start_user()
        wait_for_line(newcomer, "READY")
        assert run_sql(place, "SELECT 1") == [(1,)]
        newcomer.kill()


def test_forked_child_counts_as_user(place, start_user):
    process = start_user()
    wait_for_line(process, "READY")
    process.stdin.write("os.fork() and os._exit(0)\n")
    process.stdin.flush()
    wait_for_line(process, "DONE")
    process.wait()
    assert not wait_until(lambda: is_stopped(place), seconds=1)


def test_socket_folder_is_private(place, start_user):
    wait_for_line(start_user(), "READY")
    found = place.sockets.stat()
    assert stat.S_IMODE(found.st_mode) == 0o700
    assert found.st_uid == place.data.stat().st_uid
    assert run_sql(place, "SHOW listen_addresses") == [("",)]
    assert run_sql(place, "SHOW fsync") == [("on",)]


@pytest.mark.parametrize("name", ["a-rather-long-name/and-another-one-that-is-as-long/" * 2, "with, a comma"])
def test_long_path_or_comma_moves_the_socket_to_a_short_path(folder, name):
    place = Place(folder / name)
    assert place.sockets != place.root / "run"
    assert len(os.fsencode(place.sockets / SOCKET_NAME)) <= MAX_SOCKET_PATH_BYTES
    assert "," not in str(place.sockets)


DEEP = "with, a comma/and-a-folder-with-a-rather-long-name/and-another-one-that-is-as-long/data"


@pytest.mark.parametrize("name", ["it's (strange) & würdig;", DEEP])
def test_folder_may_be_deep_and_have_special_characters(folder, start_user, name):
    strange = Place(folder / name)
    assert (len(os.fsencode(strange.root / "run" / SOCKET_NAME)) > MAX_SOCKET_PATH_BYTES) == (name == DEEP)
    process = start_user(strange.root)
    wait_for_line(process, "READY")
    assert stat.S_IMODE(strange.sockets.stat().st_mode) == 0o700
    assert run_sql(strange, "SELECT 1") == [(1,)]
    process.communicate()
    assert wait_until(lambda: is_stopped(strange))
    shutil.rmtree(strange.sockets)


def test_shell_expression_as_folder_name_is_refused(folder):
    with pytest.raises(EmbeddedPostgresError, match=r"because of its name. Move the folder or set DATA_DIR\.$"):
        EmbeddedServer(Place(folder / "$(touch x)")).ensure_running()


@pytest.mark.parametrize("mode", [0o777, 0o750])
def test_open_socket_folder_is_refused(folder, mode):
    place = Place(folder / "data")
    place.sockets.mkdir(parents=True)
    place.sockets.chmod(mode)
    account_of(place.data).take_ownership(place.sockets)
    with pytest.raises(EmbeddedPostgresError, match=r"is not private to the server. Remove it\.$"):
        EmbeddedServer(place).ensure_running()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can create a folder of another user")
def test_foreign_socket_folder_is_refused(folder):
    place = Place(folder / "data")
    place.sockets.mkdir(parents=True, mode=0o700)
    with pytest.raises(EmbeddedPostgresError, match=r"is not private to the server. Remove it\.$"):
        EmbeddedServer(place).ensure_running()


def test_data_of_another_version_is_refused(folder):
    other = Place(folder / "data")
    other.data.mkdir(parents=True)
    (other.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(
        EmbeddedPostgresError, match=r"was created by PostgreSQL 14, but the installed version is 18. Move the folder"
    ):
        EmbeddedServer(other).ensure_running()


def test_kill_during_initialisation_leaves_nothing_partial(folder, start_user):
    place = Place(folder / "data")
    process = start_user(place.root)
    assert wait_until(lambda: any(path.name.startswith("postgres.new-") for path in list_files(place.root)))
    process.kill()
    assert not place.data.exists()
    wait_for_line(start_user(place.root), "READY")
    assert run_sql(place, "SELECT current_database()") == [("crm",)]
    kill_server(place)
    wait_for_line(start_user(place.root), "READY")
    assert not any(path.name.startswith("postgres.new-") for path in list_files(place.root))


def test_removed_folder_is_created_again(folder, start_user):
    place = Place(folder / "data")
    process = start_user(place.root)
    wait_for_line(process, "READY")
    orphan = pid_of_server(place)
    shutil.rmtree(place.root)
    process.stdin.write("server.ensure_running()\n")
    process.stdin.flush()
    wait_for_line(process, "DONE")
    assert run_sql(place, "SELECT 1") == [(1,)]
    assert is_dead(orphan), "a server without its files is useless"


def test_unusable_folder_is_reported_in_a_sentence(folder):
    (folder / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match=r"^The embedded database cannot be used: Not a directory \("):
        EmbeddedServer(Place(folder / "file" / "data")).ensure_running()


def test_subprocess_of_a_user_is_not_a_user(place, start_user):
    process = start_user()
    wait_for_line(process, "READY")
    process.stdin.write("import subprocess; subprocess.Popen(['sleep', '600'])\n")
    process.stdin.flush()
    wait_for_line(process, "DONE")
    process.kill()
    try:
        assert wait_until(lambda: is_stopped(place))
    finally:
        os.killpg(process.pid, signal.SIGKILL)
