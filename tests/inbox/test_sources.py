"""Mails out of files, whatever kind of file it is."""

import io
import tarfile

from inbox.incoming import files
from inbox.incoming.files import mails_in

BOX = (
    b"From a@example.com Thu Aug 22 12:36:23 2002\nX: 1\n\nFrom here on\nit goes.\n\n"
    b"From the desk of Lee\n\nFrom b\nX: 2\n\nBye\n"
)
FIRST, SECOND = BOX[: BOX.index(b"From b")], BOX[BOX.index(b"From b") :]


def test_a_box_holds_its_mails_and_a_sentence_that_begins_with_from_is_none(tmp_path):
    (tmp_path / "some.mbox").write_bytes(BOX)
    assert list(mails_in(tmp_path)) == [("some.mbox#1", FIRST), ("some.mbox#2", SECOND)]


def test_an_archive_holds_mails_and_boxes_and_what_belongs_to_neither(tmp_path):
    with tarfile.open(tmp_path / "all.tar.gz", "w:gz") as archive:
        for name, data in (("cmds", b"mv a b"), ("1.eml", b"X: 1\n\n"), ("box", BOX), ("README.txt", b"Hello")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    names = [name for name, _ in mails_in(tmp_path / "all.tar.gz")]
    assert names == ["all.tar.gz/1.eml", "all.tar.gz/box#1", "all.tar.gz/box#2"]


def test_of_a_mail_that_is_too_large_only_so_much_is_read_that_it_shows(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST", 1_000)
    (tmp_path / "large.eml").write_bytes(b"X: 1\n\n" + b"x" * 5_000)
    (tmp_path / "large.mbox").write_bytes(b"From b\nX: 1\n\n" + b"x\n" * 5_000 + b"\n" + SECOND)
    sizes = {name: len(raw) for name, raw in mails_in(tmp_path)}
    assert sizes.pop("large.mbox#2") == len(SECOND)
    assert all(1_000 < size < 2_000 for size in sizes.values())
