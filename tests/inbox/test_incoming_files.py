"""Reading emails from every supported kind of file."""

import io
import tarfile

from inbox.incoming import files
from inbox.incoming.files import iter_emails

BOX = (
    b"From a@example.com Thu Aug 22 12:36:23 2002\nX: 1\n\nFrom here on\nit goes.\n\n"
    b"From the desk of Lee\n\nFrom b\nX: 2\n\nBye\n"
)
FIRST, SECOND = BOX[: BOX.index(b"From b")], BOX[BOX.index(b"From b") :]


def test_mbox_is_split_and_from_line_in_text_is_ignored(tmp_path):
    (tmp_path / "some.mbox").write_bytes(BOX)
    assert list(iter_emails(tmp_path)) == [("some.mbox#1", FIRST), ("some.mbox#2", SECOND)]


def test_archive_yields_emails_and_mboxes_only(tmp_path):
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        for name, data in (("cmds", b"mv a b"), ("1.eml", b"X: 1\n\n"), ("box", BOX), ("README.txt", b"Hello")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    names = [name for name, _ in iter_emails(tmp_path / "all.tar.gz")]
    assert names == ["all.tar.gz/1.eml", "all.tar.gz/box#1", "all.tar.gz/box#2"]


def test_oversized_email_is_read_only_partly(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_EMAIL_BYTES", 1_000)
    (tmp_path / "large.eml").write_bytes(b"X: 1\n\n" + b"x" * 5_000)
    (tmp_path / "large.mbox").write_bytes(b"From b\nX: 1\n\n" + b"x\n" * 5_000 + b"\n" + SECOND)
    sizes = {name: len(raw) for name, raw in iter_emails(tmp_path)}
    assert sizes.pop("large.mbox#2") == len(SECOND)
    assert all(1_000 < size < 2_000 for size in sizes.values())


def test_mbox_without_blank_lines_is_split(tmp_path):
    envelope = b"From - Mon Jun  3 12:50:27 2002\n"
    one, two = (
        b"Subject: One\n\nFirst.\n",
        b"Subject: Two\n\nSecond.\nFrom here on\nFrom - Mon Jun  3 2002\nall is text.\n",
    )
    path = tmp_path / "two.mbox"
    path.write_bytes(envelope + one + envelope + two)
    assert [raw for _, raw in iter_emails(path)] == [envelope + one, envelope + two]
