"""As root the server runs as another account: what that one needs is opened for it, and nothing more."""

import os
import stat

from crm.runtime.embedded.account import Account, open_the_programs, open_the_way

NOBODY_HERE = Account(uid=54_321, gid=54_321)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_closed_folder_above_is_opened_for_passing_not_for_looking_and_said(tmp_path, capsys):
    closed, data = tmp_path / "closed", tmp_path / "closed" / "data"
    data.mkdir(parents=True, mode=0o700)
    closed.chmod(0o700)
    tmp_path.chmod(0o755)
    open_the_way([data], NOBODY_HERE)
    assert mode_of(closed) == 0o701
    assert mode_of(tmp_path) == 0o755
    assert mode_of(data) == 0o700
    assert "PostgreSQL does not run as root, so others may now pass through (not look into) " in capsys.readouterr().err
    open_the_way([data], NOBODY_HERE)
    assert capsys.readouterr().err == "", "said once"


def test_a_folder_that_the_account_owns_stays_as_it_is(tmp_path, capsys):
    folder = tmp_path / "its own"
    folder.mkdir(mode=0o700)
    open_the_way([folder / "data"], Account(os.geteuid(), os.getegid()))
    assert mode_of(folder) == 0o700


def test_programs_that_were_installed_for_root_alone_may_be_run(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir(mode=0o700)
    program, text = folder / "postgres", folder / "text"
    for path, mode in ((program, 0o700), (text, 0o600)):
        path.touch()
        path.chmod(mode)
    open_the_programs([folder], NOBODY_HERE)
    assert [mode_of(path) for path in (folder, program, text)] == [0o705, 0o705, 0o604]


def test_the_programs_run_without_our_environment(monkeypatch):
    monkeypatch.setenv("PGDATA", "/somewhere/else")
    monkeypatch.setenv("PGPORT", "1")
    assert not [name for name in NOBODY_HERE.as_process()["env"] if name.startswith("PG")]
