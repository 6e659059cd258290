"""`manage.py backup` and `restore`: all of the database and the files, or nothing."""

import contextlib
import io
import json
import os
import shutil
import signal
import tarfile
from hashlib import sha256
from pathlib import Path
from unittest import mock

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from crm.models import ActivityLog
from crm.runtime.backup import database, stored_files
from crm.runtime.backup.archive import MANIFEST, MANIFEST_DIGEST, HashingReader
from crm.runtime.backup.database import count_rows
from crm.runtime.backup.exceptions import BackupDamaged, BackupError
from crm.runtime.backup.programs import candidates, find_program, major_version
from inbox.models import EmailDelivery, Message, MessageState
from inbox.outgoing.outbox import compose
from inbox.outgoing.send_queue import enqueue_send, send_queued_email
from leads.models import Lead
from tests.cast import make_lead, make_thread
from tests.crm.processes import current_database_url, running, wait_until
from tests.template_database import connected_to

pytestmark = pytest.mark.django_db(transaction=True)
FILES = {"attachments/a.pdf": b"A", "sources/mé il.mbox": b"From x\n" * 10_000, "empty": b""}


def run(*arguments) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def refusal(*arguments) -> str:
    with pytest.raises(CommandError) as refused:
        run(*arguments)
    return str(refused.value)


def write_files(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def read_files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"
    write_files(settings.MEDIA_ROOT, FILES)
    return settings.MEDIA_ROOT


@pytest.fixture(scope="module")
def backups(tmp_path_factory):
    """A folder for the backup that the tests of this file share."""
    return tmp_path_factory.mktemp("backups")


@pytest.fixture
def archive(media, tmp_path, backups):
    """A backup of one lead and some files."""
    if not (backups / "backup.tar").exists():
        make_lead(contact_name="Zoë\tTab\\N", custom_fields={"note": "two\nlines"})
        run("backup", backups / "backup.tar")
    return Path(shutil.copy(backups / "backup.tar", tmp_path))


@contextlib.contextmanager
def other_database():
    """Connect inside the block to an empty database, as its owner, who may do nothing else on the server."""
    name = f"{connection.settings_dict['NAME']}_restored"
    owner = {"USER": name, "PASSWORD": "s3cret-of-test"}
    with psycopg.connect(current_database_url("postgres"), autocommit=True) as server:
        server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        server.execute(f"DROP ROLE IF EXISTS {name}")
        server.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{owner['PASSWORD']}'")
        server.execute(f"CREATE DATABASE {name} OWNER {name}")
        try:
            with mock.patch.dict(connection.settings_dict, owner), connected_to(name):
                yield name
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")
            server.execute(f"DROP ROLE {name}")


def contents(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def write_archive(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def with_manifest(path, **changes):
    """Rewrite the manifest of an archive, with a fitting digest."""
    members = contents(path)
    text = json.dumps({**json.loads(members[MANIFEST]), **changes}).encode()
    write_archive(path, {**members, MANIFEST: text, MANIFEST_DIGEST: sha256(text).hexdigest().encode()})


def test_restore_brings_back_database_and_files_as_they_were(media, tmp_path):
    make_lead(contact_name="Zoë\tTab\\N", custom_fields={"note": "two\nlines"})
    path = tmp_path / "backup.tar"
    run("backup", path)
    rows, leads, entries = count_rows(), list(Lead.objects.values()), list(ActivityLog.objects.order_by("pk").values())
    with other_database() as name:
        assert "3 stored files. Everyone signs in again." in run("restore", path)
        assert count_rows() == rows
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('client_min_messages'), current_setting('row_security')")
            assert cursor.fetchone() == ("notice", "on")
        assert list(Lead.objects.values()) == leads
        assert list(ActivityLog.objects.order_by("pk").values()) == entries
        assert read_files(media) == FILES
        # Triggers, constraints and sequences are there, too: the restored CRM takes in a new lead.
        make_lead()
        shutil.rmtree(media)
        write_files(media, {"later": b"x"})
        assert refusal("restore", path) == (
            f"The database {name} is not empty. Use --replace to delete what it holds. Nothing was changed."
        )
        run("restore", path, "--replace", "--no-input")
        assert count_rows() == rows
        assert read_files(media) == FILES
        call_command("migrate", "--check", verbosity=0)


def test_backup_names_what_it_holds_and_what_it_lacks(media, tmp_path):
    said = run("backup", tmp_path)
    [path] = tmp_path.glob("crm-*.tar")
    assert f"Backed up to {path} and read back: " in said
    assert "CREDENTIALS_KEYS" in said and "SECRET_KEY" in said
    assert path.stat().st_mode & 0o777 == 0o600
    manifest = json.loads(contents(path)[MANIFEST])
    assert manifest["file_count"] == 3 and manifest["rows"]["public.leads"] == 0
    assert refusal("backup", path) == f"{path} exists. Choose another name. There is no backup."


def test_backup_holds_no_session(as_ann, media, tmp_path):
    archive = tmp_path / "backup.tar"
    run("backup", archive)
    with other_database():
        run("restore", archive)
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM user_sessions")
            assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("part", [b"database.dump", b"PGDMP", b"From x", b"manifest.json", b'"file_count"'])
def test_damaged_backup_is_refused(archive, media, part):
    data = bytearray(archive.read_bytes())
    data[data.index(part)] ^= 1
    archive.write_bytes(data)
    with other_database():
        assert "damaged" in refusal("restore", archive)
        assert not database.has_tables()
    assert read_files(media) == FILES


@pytest.mark.parametrize("part", [0, 0.5, 0.95])
def test_backup_that_is_cut_off_is_refused(archive, part):
    os.truncate(archive, int(archive.stat().st_size * part))
    assert "damaged" in refusal("restore", archive)


@pytest.mark.parametrize("name", ["../escaped", "/tmp/escaped", "files/../../escaped", "files/é\0"])
def test_backup_with_a_file_elsewhere_is_refused(archive, name):
    write_archive(archive, {name: b"x", **contents(archive)})
    assert "which no backup holds" in refusal("restore", archive)


def test_backup_of_newer_version_is_refused(archive):
    with_manifest(archive, migrations=["leads.9999_from_the_future"])
    said = refusal("restore", archive)
    assert "leads.9999_from_the_future, which this version lacks. Update the program first." in said


def test_backup_of_another_format_is_refused(archive):
    with_manifest(archive, format=2)
    assert "was written by a newer version of the CRM. Update the program first." in refusal("restore", archive)


def test_manifest_that_is_too_long_is_refused(archive, monkeypatch):
    monkeypatch.setattr("crm.runtime.backup.archive.MAX_MANIFEST_BYTES", 100)
    assert "is no backup of the CRM" in refusal("restore", archive)


def test_backup_with_a_link_is_refused(archive):
    with tarfile.open(archive, "a") as tar:
        link = tarfile.TarInfo("files/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert "holds “files/link”, which no backup holds" in refusal("restore", archive)


def test_backup_that_cannot_be_read_is_refused(tmp_path):
    path = tmp_path / "missing.tar"
    assert refusal("restore", path) == f"{path} cannot be read: No such file or directory. Nothing was changed."


def test_backup_that_is_not_what_was_written_is_none(media, tmp_path, monkeypatch):
    read = HashingReader.read
    monkeypatch.setattr(HashingReader, "read", lambda self, size: read(self, size).replace(b"x", b"y"))
    folder = tmp_path / "backups"
    folder.mkdir()
    assert "is damaged: its contents are not those that were backed up" in refusal("backup", folder / "b.tar")
    assert list(folder.iterdir()) == []


def test_backup_into_a_missing_folder_is_refused(tmp_path):
    path = tmp_path / "missing" / "b.tar"
    assert refusal("backup", path) == f"{path} cannot be written: No such file or directory. There is no backup."


def test_empty_database_is_not_backed_up(tmp_path):
    with other_database():
        assert refusal("backup", tmp_path / "b.tar") == "The database is empty. There is no backup."


def test_dump_without_the_rows_that_were_counted_is_no_backup(media, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "count_rows", lambda: {"public.leads": 1})
    said = refusal("backup", tmp_path / "b.tar")
    assert said == "The dump has 0 rows of public.leads instead of 1. There is no backup."


def test_backup_leaves_out_links_and_what_an_interrupted_restore_left(media, tmp_path):
    write_files(media, {".restore-x/before/old": b"x"})
    (media / "link").symlink_to("/etc/passwd")
    run("backup", tmp_path / "b.tar")
    assert {name for name in contents(tmp_path / "b.tar") if name.startswith("files/")} == {f"files/{n}" for n in FILES}


def test_file_that_is_deleted_during_the_backup_is_left_out(media, tmp_path, monkeypatch):
    below = stored_files.files_below
    monkeypatch.setattr(stored_files, "files_below", lambda folder: [folder / "deleted", *below(folder)])
    assert "3 stored files" in run("backup", tmp_path / "b.tar")


def test_file_that_cannot_be_read_stops_the_backup(media, tmp_path, monkeypatch):
    monkeypatch.setattr(stored_files, "files_below", lambda folder: [folder / "attachments"])
    said = refusal("backup", tmp_path / "b.tar")
    assert said == f"{media / 'attachments'} cannot be read: Is a directory. There is no backup."


def test_backup_that_needs_a_newer_program_is_refused_first(archive):
    with_manifest(archive, dump_version=99)
    assert refusal("restore", archive).startswith("This needs pg_restore of PostgreSQL 99 or newer in PATH.")


def test_folder_of_files_that_cannot_be_used_is_reported(archive, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "no_folder"
    settings.MEDIA_ROOT.write_bytes(b"")
    with other_database():
        said = refusal("restore", archive)
        assert said == f"The files cannot be restored: File exists ({settings.MEDIA_ROOT}). Nothing was changed."


def test_script_that_ends_among_the_rows_of_a_table_is_damaged():
    rows = database.rows_of_table(iter([b"1\n"]))
    assert next(rows) == b"1\n"
    with pytest.raises(BackupDamaged, match="ends early"):
        next(rows)


def test_settings_that_an_older_server_lacks_are_left_out(monkeypatch):
    statements = []
    monkeypatch.setattr(database, "run_sql", statements.append)
    for version in (16, 17):
        monkeypatch.setattr(database, "server_version", lambda version=version: version)
        database.run_script(iter([b"SET transaction_timeout = 0;\n", b"SELECT 1;\n"]))
    assert statements == [b"SELECT 1;\n", b"SET transaction_timeout = 0;\nSELECT 1;\n"]


def test_dump_and_counts_see_the_same_rows_without_limits_of_time(media, tmp_path, monkeypatch):
    start, count, limits = database.start_dump, database.count_rows, []

    def insert_and_start(*arguments):
        with psycopg.connect(current_database_url()) as session:
            session.execute("INSERT INTO login_limits (scope, digest) VALUES ('address', 'x')")
        return start(*arguments)

    def count_and_note():
        for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
            limits.append(connection.connection.execute(f"SHOW {name}").fetchone()[0])
        return count()

    monkeypatch.setattr(database, "start_dump", insert_and_start)
    monkeypatch.setattr(database, "count_rows", count_and_note)
    connection.ensure_connection()
    connection.connection.execute("SET statement_timeout = '50s'; SET idle_in_transaction_session_timeout = '50s'")
    run("backup", tmp_path / "b.tar")
    connection.close()
    assert limits == ["0", "0"]
    assert json.loads(contents(tmp_path / "b.tar")[MANIFEST])["rows"]["public.login_limits"] == 0


def test_dump_ends_with_a_backup_that_fails(media, tmp_path, monkeypatch):
    start, dumps = database.start_dump, []
    monkeypatch.setattr(database, "start_dump", lambda *arguments: dumps.append(start(*arguments)) or dumps[0])
    monkeypatch.setattr(database, "count_rows", mock.Mock(side_effect=BackupError("No.")))
    assert refusal("backup", tmp_path / "b.tar") == "No. There is no backup."
    assert dumps[0].returncode == -signal.SIGKILL


def test_dump_that_is_no_dump_restores_nothing(archive, media):
    members = contents(archive)
    dump = b"PGDMP, but nothing else"
    digest = sha256()
    for name, content in {**members, "database.dump": dump}.items():
        if name not in (MANIFEST, MANIFEST_DIGEST):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
    write_archive(archive, {**members, "database.dump": dump})
    with_manifest(archive, digest=digest.hexdigest())
    with other_database():
        assert refusal("restore", archive).startswith("The dump of the database cannot be read: ")
        assert not database.has_tables()
    assert read_files(media) == FILES


def test_dump_that_lacks_rows_restores_nothing(archive, media):
    manifest = json.loads(contents(archive)[MANIFEST])
    with_manifest(archive, rows={**manifest["rows"], "public.leads": 2})
    shutil.rmtree(media)
    write_files(media, {"present": b"x"})
    with other_database():
        said = refusal("restore", archive)
        assert said == "The dump has 1 rows of public.leads instead of 2. Nothing was changed."
        assert not database.has_tables()
    assert read_files(media) == {"present": b"x"}


def test_restore_interrupted_in_the_last_step_changes_nothing(archive, media, monkeypatch):
    exchange = stored_files.FileExchange.exchange

    def interrupted(self):
        exchange(self)
        raise KeyboardInterrupt

    with other_database():
        run("restore", archive)
        make_lead()
        write_files(media, {"later": b"x"})
        monkeypatch.setattr(stored_files.FileExchange, "exchange", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run("restore", archive, "--replace", "--no-input")
        assert Lead.objects.count() == 2
    assert read_files(media) == {**FILES, "later": b"x"}


def test_files_from_before_a_killed_restore_stay_until_another_succeeds(archive, media):
    old, unfinished = media / ".restore-x" / "before" / "old", media / ".restore-y"
    write_files(media, {".restore-x/before/old": b"x", ".restore-y/files/half": b"x"})
    (unfinished / "before").mkdir()
    damaged = Path(shutil.copy(archive, archive.with_name("lacks_rows.tar")))
    with_manifest(damaged, rows={"public.leads": 2})
    with other_database():
        assert "instead of 2" in refusal("restore", damaged)
        assert old.read_bytes() == b"x" and not unfinished.exists()
        run("restore", archive)
    assert read_files(media) == FILES


def test_restore_refuses_a_database_in_use(archive):
    with other_database() as name, psycopg.connect(current_database_url(name)):
        said = refusal("restore", archive)
        assert said.startswith("The database is in use (1 other session). Stop the web server and all workers first.")


def test_replacing_asks_first_and_checks_again(archive, monkeypatch):
    with other_database() as name, contextlib.ExitStack() as later:
        run("restore", archive)
        make_lead()

        def answer(text, connects=False):
            def reply(question):
                assert connection.connection is None
                if connects:
                    later.enter_context(psycopg.connect(current_database_url(name)))
                return text

            monkeypatch.setattr("builtins.input", reply)

        answer("")
        assert refusal("restore", archive, "--replace") == "Nothing was changed."
        answer("y", connects=True)
        assert "The database is in use (1 other session)." in refusal("restore", archive, "--replace")
        later.close()
        assert Lead.objects.count() == 2
        answer("y")
        run("restore", archive, "--replace")
        assert Lead.objects.count() == 1


def test_waiting_email_is_not_sent_again_after_a_restore(media, tmp_path, ann, smtp_sink):
    lead = make_lead(assigned_to=ann)
    thread = make_thread(lead=lead)
    email = compose(
        thread, sender=ann, to=["lee@example.com"], subject="Hi", text="Hello", message_id="<1@agency.example>", by=ann
    )
    delivery = enqueue_send(email, by=ann)
    path = tmp_path / "backup.tar"
    run("backup", path)
    with other_database():
        run("restore", path)
        EmailDelivery.objects.update(run_after=timezone.now())
        send_queued_email(delivery.pk)
        assert Message.objects.get(pk=email.pk).state == MessageState.UNCERTAIN
    assert smtp_sink.emails == []


def test_backup_ended_by_a_signal_leaves_no_file(media, tmp_path):
    folder = tmp_path / "backups"
    folder.mkdir()
    variables = {"DATABASE_URL": current_database_url(), "DATA_DIR": str(tmp_path / "data")}
    with psycopg.connect(current_database_url()) as session:
        session.execute("LOCK TABLE leads")
        with running("manage.py", "backup", str(folder / "b.tar"), **variables) as backup:
            assert wait_until(lambda: list(folder.glob(".b.tar.unfinished-*/*")))
            backup.send_signal(signal.SIGTERM)
            assert backup.wait(60) != 0
    assert list(folder.iterdir()) == []


def test_programs_are_as_new_as_the_server():
    [first, *_] = candidates("pg_dump")
    assert find_program("pg_dump", 15) == first
    with pytest.raises(BackupError, match=r"pg_dump of PostgreSQL 99 or newer in PATH\. Found: .*pg_dump"):
        find_program("pg_dump", 99)
    assert major_version(first) >= 15


def test_password_is_no_argument(monkeypatch, media, tmp_path):
    commands = []
    popen = database.start_dump.__globals__["subprocess"].Popen

    def note(command, **options):
        commands.append([str(part) for part in command])
        return popen(command, **options)

    monkeypatch.setattr("crm.runtime.backup.programs.subprocess.Popen", note)
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "s3cret-of-test")
    said = run("backup", tmp_path / "b.tar")
    assert commands and "s3cret-of-test" not in f"{commands}{said}"
