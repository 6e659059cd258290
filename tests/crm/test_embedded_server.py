"""The embedded PostgreSQL: there for whoever uses it, gone after the last, whole whatever was killed."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest

from crm.runtime.embedded import cluster, locks
from crm.runtime.embedded.account import account_of
from crm.runtime.embedded.place import LONGEST_SOCKET_PATH, SOCKET, EmbeddedPostgresError, Place
from crm.runtime.embedded.server import EmbeddedServer
from tests.crm.processes import eventually, files_below, is_dead, line_with, running, start

pytestmark = pytest.mark.storm

USER = """
import os, sys
from pathlib import Path
from crm.runtime.embedded.place import Place
from crm.runtime.embedded.server import EmbeddedServer
server = EmbeddedServer(Place(Path(sys.argv[1])))
server.ensure_running()
print("up", os.getpid(), flush=True)
for line in sys.stdin:
    exec(line)
    print("did", flush=True)
"""


@contextlib.contextmanager
def folder_of_our_own():
    # Not pytest's: every new session of it closes its folder again for the account that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="crm-")).resolve()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder():
    """An empty folder."""
    with folder_of_our_own() as folder:
        yield folder


@pytest.fixture(scope="module")
def place():
    """A server's folder, initialised once for the file."""
    with folder_of_our_own() as folder:
        place = Place(folder)
        yield place
        assert eventually(lambda: is_stopped(place)), "a test left the server running"


@pytest.fixture
def user(place):
    """Starts a process that uses the server: wait for "up", then end it, or have it run a line of Python."""
    started = []

    def begin(folder: Path = place.root) -> subprocess.Popen:
        started.append(start("-c", USER, str(folder)))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
    assert eventually(lambda: is_stopped(place)), "the server did not stop after its users"


def is_stopped(place):
    return not cluster.answers(place) and locks.is_free(place.keeper_lock)


def run(place, statement):
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
    """SIGKILL the server and all it started, as a machine that loses power does."""
    server = psutil.Process(pid_of_server(place))
    # The server first: it would take the death of a child for a crash of that child and go on.
    all_of_it = [server, *server.children()]
    for process in all_of_it:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    assert eventually(lambda: all(is_dead(process.pid) for process in all_of_it))


def test_the_last_user_stops_it_and_no_other(place, user):
    first, second = user(), user()
    line_with(first, "up"), line_with(second, "up")
    first.communicate()
    assert not eventually(lambda: is_stopped(place), seconds=1)
    said_before = place.log.stat().st_size
    second.kill()
    assert eventually(lambda: is_stopped(place))
    assert b"database system is shut down" in place.log.read_bytes()[said_before:]
    assert not (place.data / "postmaster.pid").exists()


def test_many_at_once_start_one(place, user):
    said_before = place.log.stat().st_size if place.log.exists() else 0
    crowd = [user() for _ in range(4)]
    for process in crowd:
        line_with(process, "up")
    said = place.log.read_bytes()[said_before:]
    assert said.count(b"starting PostgreSQL") == said.count(b"ready to accept connections") == 1


def test_a_killed_server_comes_back_with_its_data(place, user):
    line_with(user(), "up")
    run(place, "CREATE TABLE IF NOT EXISTS kept (what text); TRUNCATE kept; INSERT INTO kept VALUES ('this')")
    kill_server(place)
    line_with(user(), "up")
    assert run(place, "SELECT what FROM kept") == [("this",)]


def test_it_is_stopped_in_good_order_even_amid_a_recovery(place, user):
    process = user()
    line_with(process, "up")
    # Enough to go through that the recovery is not over at once.
    run(place, "CREATE TABLE much AS SELECT generate_series(1, 500000) AS number")
    psutil.Process(pid_of_server(place)).children()[0].kill()
    process.kill()
    assert eventually(lambda: is_stopped(place), seconds=10)


def test_a_user_that_outlives_the_server_starts_it_again(place, user):
    process = user()
    line_with(process, "up")
    kill_server(place)
    process.stdin.write("server.ensure_running()\n")
    process.stdin.flush()
    line_with(process, "did")
    assert cluster.answers(place)


def test_a_killed_keeper_is_replaced_by_the_next_user(place, user):
    first = user()
    line_with(first, "up")
    os.kill(pid_of_keeper(place), signal.SIGKILL)
    first.communicate()
    assert cluster.answers(place), "nobody is left to stop it"
    line_with(user(), "up")
    assert not locks.is_free(place.keeper_lock)


def test_everything_killed_at_once_is_recovered_from(place, user):
    first = user()
    line_with(first, "up")
    keeper = pid_of_keeper(place)
    kill_server(place)
    os.kill(keeper, signal.SIGKILL)
    first.kill()
    line_with(user(), "up")
    assert run(place, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("left", ["", "{our_pid}\n", "no number\n"])
def test_a_pid_file_left_behind_is_not_believed(place, user, left):
    place.data.exists() or line_with(user(), "up")
    kill_server(place) if cluster.answers(place) else None
    (place.data / "postmaster.pid").write_text(left.format(our_pid=os.getpid()))
    line_with(user(), "up")


def test_a_newcomer_while_it_stops_finds_it_running(place, user):
    for _ in range(5):
        last = user()
        line_with(last, "up")
        last.stdin.close()
        newcomer = user()
        line_with(newcomer, "up")
        assert run(place, "SELECT 1") == [(1,)]
        newcomer.kill()


def test_a_forked_child_is_a_user_too(place, user):
    process = user()
    line_with(process, "up")
    process.stdin.write("os.fork() and os._exit(0)\n")
    process.stdin.flush()
    line_with(process, "did")
    process.wait()
    assert not eventually(lambda: is_stopped(place), seconds=1)


def test_nobody_else_may_pass_into_the_socket_folder(place, user):
    line_with(user(), "up")
    found = place.sockets.stat()
    assert stat.S_IMODE(found.st_mode) == 0o700
    assert found.st_uid == place.data.stat().st_uid
    assert run(place, "SHOW listen_addresses") == [("",)]
    assert run(place, "SHOW fsync") == [("on",)]


def test_a_deep_folder_gets_a_short_socket_path(folder, user):
    deep = Place(folder / "a-folder-with-a-rather-long-name" / "and-another-one-that-is-as-long" / "data")
    assert len(os.fsencode(deep.root / "run" / SOCKET)) > LONGEST_SOCKET_PATH
    assert len(os.fsencode(deep.sockets / SOCKET)) <= LONGEST_SOCKET_PATH
    process = user(deep.root)
    line_with(process, "up")
    assert stat.S_IMODE(deep.sockets.stat().st_mode) == 0o700
    process.communicate()
    assert eventually(lambda: is_stopped(deep))
    shutil.rmtree(deep.sockets)


@pytest.mark.parametrize("name", ["it's (strange) & würdig;", "with, a comma"])
def test_a_folder_may_have_a_strange_name(folder, user, name):
    strange = Place(folder / name)
    process = user(strange.root)
    line_with(process, "up")
    assert run(strange, "SELECT 1") == [(1,)]
    process.communicate()
    assert eventually(lambda: is_stopped(strange))
    shutil.rmtree(strange.sockets)


def test_a_name_that_a_shell_would_understand_is_refused(folder):
    with pytest.raises(EmbeddedPostgresError, match=r"because of its name: move the folder or set DATA_DIR\.$"):
        EmbeddedServer(Place(folder / "$(touch x)")).ensure_running()


@pytest.mark.parametrize("mode", [0o777, 0o750])
def test_a_socket_folder_that_others_may_enter_is_refused(folder, mode):
    place = Place(folder / "data")
    place.sockets.mkdir(parents=True)
    place.sockets.chmod(mode)
    account_of(place.data).give(place.sockets)
    with pytest.raises(EmbeddedPostgresError, match=r"is not a private one of ours: remove it\.$"):
        EmbeddedServer(place).ensure_running()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that is somebody else's")
def test_a_socket_folder_of_somebody_else_is_refused(folder):
    place = Place(folder / "data")
    place.sockets.mkdir(parents=True, mode=0o700)
    with pytest.raises(EmbeddedPostgresError, match=r"is not a private one of ours: remove it\.$"):
        EmbeddedServer(place).ensure_running()


def test_data_of_another_version_is_refused(folder):
    other = Place(folder / "data")
    other.data.mkdir(parents=True)
    (other.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(EmbeddedPostgresError, match=r"was made by PostgreSQL 14 and ours is 18: move the folder"):
        EmbeddedServer(other).ensure_running()


def test_a_kill_while_it_is_initialised_leaves_nothing_half_made(folder, user):
    place = Place(folder / "data")
    process = user(place.root)
    assert eventually(lambda: any(path.name.startswith("postgres.new-") for path in files_below(place.root)))
    process.kill()
    assert not place.data.exists()
    line_with(user(place.root), "up")
    assert run(place, "SELECT current_database()") == [("crm",)]
    kill_server(place)
    line_with(user(place.root), "up")
    assert not any(path.name.startswith("postgres.new-") for path in files_below(place.root))


def test_a_removed_folder_is_made_anew(folder, user):
    place = Place(folder / "data")
    process = user(place.root)
    line_with(process, "up")
    orphan = pid_of_server(place)
    shutil.rmtree(place.root)
    process.stdin.write("server.ensure_running()\n")
    process.stdin.flush()
    line_with(process, "did")
    assert run(place, "SELECT 1") == [(1,)]
    assert is_dead(orphan), "a server without its files is of no use to anybody"


def test_a_full_disk_or_a_closed_folder_is_told_in_a_sentence(folder):
    (folder / "file").touch()
    with pytest.raises(EmbeddedPostgresError, match=r"^The embedded database cannot be used: Not a directory \("):
        EmbeddedServer(Place(folder / "file" / "data")).ensure_running()


def test_a_program_started_by_a_user_is_none(place, user):
    process = user()
    line_with(process, "up")
    with running("-c", "print('on', flush=True); import sys; sys.stdin.read()"):
        process.stdin.write("import subprocess; subprocess.Popen(['sleep', '5'])\n")
        process.stdin.flush()
        line_with(process, "did")
        process.kill()
        assert eventually(lambda: is_stopped(place), seconds=4)
