"""Under root the server runs as another account, which gets access to what it needs and nothing more."""

import os
import stat

from crm.runtime.embedded.account import Account, allow_traversal, make_programs_readable

NOBODY_HERE = Account(uid=54_321, gid=54_321)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_closed_parent_folder_is_opened_for_traversal_only(tmp_path, capsys):
    closed, data = tmp_path / "closed", tmp_path / "closed" / "data"
    data.mkdir(parents=True, mode=0o700)
    closed.chmod(0o700)
    tmp_path.chmod(0o755)
    allow_traversal([data], NOBODY_HERE)
    assert mode_of(closed) == 0o701
    assert mode_of(tmp_path) == 0o755
    assert mode_of(data) == 0o700
    assert "PostgreSQL does not run as root, so others may now pass through (not look into) " in capsys.readouterr().err
    allow_traversal([data], NOBODY_HERE)
    assert capsys.readouterr().err == "", "said once"


def test_folder_owned_by_the_account_is_unchanged(tmp_path, capsys):
    folder = tmp_path / "its own"
    folder.mkdir(mode=0o700)
    allow_traversal([folder / "data"], Account(os.geteuid(), os.getegid()))
    assert mode_of(folder) == 0o700


def test_root_only_programs_become_executable(tmp_path):
    folder = tmp_path / "bin"
    folder.mkdir(mode=0o700)
    program, text = folder / "postgres", folder / "text"
    for path, mode in ((program, 0o700), (text, 0o600)):
        path.touch()
        path.chmod(mode)
    make_programs_readable([folder], NOBODY_HERE)
    assert [mode_of(path) for path in (folder, program, text)] == [0o705, 0o705, 0o604]


def test_programs_run_without_our_environment(monkeypatch):
    monkeypatch.setenv("PGDATA", "/somewhere/else")
    monkeypatch.setenv("PGPORT", "1")
    assert not [name for name in NOBODY_HERE.subprocess_options()["env"] if name.startswith("PG")]
