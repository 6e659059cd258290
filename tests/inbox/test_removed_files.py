"""Purging a message deletes its source and its files, unless another message has them."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from crm.exceptions import IllegalTransition
from crm.records.transitions import purge, soft_delete
from inbox.attachments import read_attachment
from inbox.drafts.attached_files import attach, detach
from inbox.drafts.transitions import delete_old_drafts, discard
from inbox.imap.sync import purged_dates, was_purged
from inbox.incoming.arrivals import Arrival
from inbox.incoming.sources import read_source
from inbox.incoming.transitions import receive_many
from inbox.models import Draft, Message, RemovedFile, Thread
from inbox.transitions import delete_removed_files
from tests.cast import make_thread
from tests.inbox.raw_emails import raw_email

pytestmark = pytest.mark.django_db


def with_file(name: str, data: bytes) -> bytes:
    return raw_email(name, subject=name, Content_Type='multipart/mixed; boundary="b"').replace(
        b"Body of", b"--b\r\n\r\nBody\r\n--b\r\nContent-Type: application/pdf\r\n\r\n" + data + b"\r\n--b--\r\n"
    )


def receive_all(box, *emails: bytes) -> list[Message]:
    receive_many(box, [Arrival(f"test#{number}", one) for number, one in enumerate(emails)])
    return list(Message.objects.order_by("source_start", "pk"))


def purge_thread_of(message, by) -> None:
    thread = Thread.objects.get(pk=message.thread_id)
    soft_delete(thread, by=by)
    purge(thread, by=by)


def files(settings) -> list[str]:
    root = settings.MEDIA_ROOT
    return sorted(str(one.relative_to(root)).split("/")[0] for one in root.rglob("*") if one.is_file())


def test_sources_of_a_batch_stand_in_one_file(box, settings):
    raws = [raw_email(name, subject=name) for name in "abc"]
    messages = receive_all(box, *raws)
    assert [read_source(one) for one in messages] == raws
    assert len({one.source_path for one in messages}) == 1 and files(settings) == ["source"]


def test_purge_deletes_source_and_file_that_no_other_message_has(box, settings, ada):
    first, second, third = receive_all(box, with_file("a", b"one"), with_file("b", b"both"), with_file("c", b"both"))
    source = (settings.MEDIA_ROOT / first.source_path).read_bytes()
    purge_thread_of(first, ada)
    assert delete_removed_files() == 2
    left = (settings.MEDIA_ROOT / second.source_path).read_bytes()
    assert (len(left), b"one" in source, b"one" in left) == (len(source), True, False)
    assert files(settings) == ["incoming", "source"]
    purge_thread_of(second, ada)
    delete_removed_files()
    assert read_attachment(third.attachments[0]) == b"both"
    assert read_source(third) == with_file("c", b"both")
    purge_thread_of(third, ada)
    delete_removed_files()
    assert (files(settings), RemovedFile.objects.count()) == ([], 0)


def test_file_in_a_draft_stays(box, settings, ada):
    (message,) = receive_all(box, with_file("a", b"one"))
    Draft.objects.create(author=ada, attachments=message.attachments)
    purge_thread_of(message, ada)
    delete_removed_files()
    assert files(settings) == ["incoming"]


def test_files_of_a_draft_go_with_it(settings, ada):
    """A discarded draft keeps its files until it is purged, and a file that was sent stays."""
    draft = Draft.objects.create(author=ada, to="lee@example.com", subject="Quote", body="Here.")
    names = ("removed.txt", "sent.txt", "discarded.txt")
    draft = attach(draft, [SimpleUploadedFile(name, name.encode()) for name in names], by=ada)
    paths = {entry["name"]: settings.MEDIA_ROOT / entry["stored"] for entry in draft.attachments}
    removed, sent, discarded = draft.attachments
    draft = detach(draft, removed["sha256"], by=ada)
    assert delete_removed_files() == 3
    assert [path.exists() for path in paths.values()] == [False, True, True]
    Message.objects.create(
        thread=make_thread(), direction="out", state="SENT", sent_at=timezone.now(), attachments=[sent]
    )
    discard(draft, by=ada)
    # A purged message had the same file.
    RemovedFile.objects.create(path=discarded["stored"])
    delete_removed_files()
    assert [path.exists() for path in paths.values()] == [False, True, True]
    assert delete_old_drafts(timezone.now() + timedelta(days=1)) == 1
    assert delete_removed_files() == 2
    assert [path.exists() for path in paths.values()] == [False, True, False]


def test_deleted_message_keeps_its_files_until_it_is_purged(box, ada):
    (message,) = receive_all(box, with_file("a", b"one"))
    soft_delete(Thread.objects.get(), by=ada)
    assert delete_removed_files() == 0
    assert read_source(message) == with_file("a", b"one")


def test_file_that_is_missing_is_no_error(box, settings, ada):
    (message,) = receive_all(box, with_file("a", b"one"))
    (settings.MEDIA_ROOT / message.source_path).unlink()
    with pytest.raises(IllegalTransition, match="The original of this email is missing from the storage."):
        read_source(message)
    purge_thread_of(message, ada)
    assert delete_removed_files() == 2


@pytest.mark.parametrize(("day", "purged"), [(0, True), (1, False)])
def test_purged_email_keeps_out_only_itself(box, ada, day, purged):
    (message,) = receive_all(box, raw_email("fixed"))
    purge_thread_of(message, ada)
    found = purged_dates(box, [message.message_id, "<other@x.example>", ""])
    date = next(line for line in raw_email("fixed", day=day).decode().split("\r\n") if line.startswith("Date: "))
    assert was_purged({"date": [date.removeprefix("Date: ")]}, found[message.message_id]) is purged
    assert was_purged({}, found[message.message_id]), "It may be the same."
