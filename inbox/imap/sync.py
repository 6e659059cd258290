"""Fetch new email in batches. Each batch is stored together with the sync position, in one transaction.

An interrupted run resumes where it stopped, and no email is stored twice: emails that the mailbox already has are
recognised by Message-ID before they are fetched, even if the server has renumbered the whole folder.
"""

import email
import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from inbox.imap.connection import FetchRefused, ImapSession
from inbox.imap.fetch_responses import FetchedEmail
from inbox.imap.folder_state import FolderState, folder_state, update_folder_state
from inbox.imap.folders import get_sent_folder
from inbox.incoming.arrivals import Arrival, ParsedArrival, parse_arrival
from inbox.incoming.copies import MessageDate, date_of_message
from inbox.incoming.mime.headers import HeaderLines, first_header, read_headers, single_line
from inbox.incoming.parsing import MAX_CLOCK_ERROR, MAX_EMAIL_BYTES, parse_date, parse_identifier
from inbox.incoming.participants import our_addresses
from inbox.incoming.transitions import ReceiveCounts, receive_parsed, set_aside
from inbox.models import FolderMail, Mailbox, Message, PurgedMail, SetAside
from inbox.outgoing.send_queue import confirm_sent

# The most emails and bytes held in memory at once.
BATCH_SIZE, MAX_FETCH_BYTES = 100, 20_000_000
# Seconds after which a run ends and the next one continues.
RUN_SECONDS = 45.0
# After this many failed attempts at a batch, its emails are fetched one at a time, and then given up.
SINGLE_AFTER_TRIES, GIVE_UP_AFTER_TRIES = 2, 5
TOO_LARGE_REASON = f"the limit is {MAX_EMAIL_BYTES:,} bytes"


@dataclass
class FetchRun:
    """One run over a mailbox. `ends_at` is the deadline on the monotonic clock."""

    mailbox: Mailbox
    session: ImapSession
    ends_at: float = field(default_factory=lambda: time.monotonic() + RUN_SECONDS)
    own_addresses: frozenset[str] = field(default_factory=our_addresses)

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.ends_at


@dataclass
class FetchBatch:
    """A batch of emails of one folder: to fetch, already known, and rejected (each with a reason)."""

    last_uid: int
    message_ids: set[str] = field(default_factory=set)
    uids_to_fetch: list[int] = field(default_factory=list)
    known_uids: list[int] = field(default_factory=list)
    rejected: list[tuple[FetchedEmail, str]] = field(default_factory=list)


def fetch_folder(run: FetchRun, folder: str) -> bool:
    """Store new email of `folder`. Return True if time ran out before all of it was fetched.

    Raises:
        FolderUnavailable: the folder does not exist.
        ConnectionFailed: the connection was lost; the batches stored before that remain.
        MailboxBusy: another process is working on this mailbox.
    """
    folder_status = run.session.folder_status(folder)
    state = sync_numbering(run.mailbox, folder, folder_status.uidvalidity)
    if folder_status.uidnext and folder_status.uidnext <= state.uid + 1:
        update_folder_state(run.mailbox, folder, total=folder_status.total, left=0)
        return False
    run.session.open(folder)
    uids = run.session.search_uids(state.uid, run.mailbox.fetch_since)
    update_folder_state(run.mailbox, folder, total=folder_status.total, left=len(uids))
    if not fetch_in_batches(run, folder, uids):
        return True
    highest_uid = max([folder_state(run.mailbox, folder).uid, folder_status.uidnext - 1, *uids[-1:]])
    update_folder_state(run.mailbox, folder, uid=highest_uid, left=0)
    return False


@transaction.atomic
def sync_numbering(mailbox: Mailbox, folder: str, uidvalidity: int) -> FolderState:
    """Return the state of `folder`, reset to the beginning if the server has renumbered it (new `uidvalidity`)."""
    state = folder_state(mailbox, folder)
    if state.uidvalidity == uidvalidity:
        return state
    FolderMail.objects.filter(mailbox=mailbox, folder=folder).delete()
    return update_folder_state(mailbox, folder, uidvalidity=uidvalidity, uid=0, tried=0, tries=0, alone=0, gaps={})


def fetch_in_batches(run: FetchRun, folder: str, uids: Sequence[int]) -> bool:
    """Store the emails with these ascending UIDs. Return False if time ran out before the end."""
    done_count = 0
    while done_count < len(uids):
        if run.is_over:
            return False
        done_count += fetch_next_batch(run, folder, uids[done_count:])
    return True


def fetch_next_batch(run: FetchRun, folder: str, uids: Sequence[int]) -> int:
    """Store the first batch of `uids`. Return how many of them have been processed."""
    state = folder_state(run.mailbox, folder)
    tries = state.tries + 1 if state.tried == uids[0] else 1
    alone = uids[:BATCH_SIZE][-1] if tries > SINGLE_AFTER_TRIES and uids[0] > state.alone else state.alone
    update_folder_state(run.mailbox, folder, tried=uids[0], tries=tries, alone=alone)
    count = 1 if uids[0] <= alone else BATCH_SIZE
    batch = classify_batch(run, folder, uids[:count], give_up=tries > GIVE_UP_AFTER_TRIES)
    fetched, withheld = fetch_available(run.session, batch.uids_to_fetch)
    batch.rejected += [(FetchedEmail(uid), "The server refuses to return this email.") for uid in withheld]
    parsed = [parse_arrival(Arrival(format_origin(state, folder, one.uid), one.data, one.is_seen)) for one in fetched]
    if folder == get_sent_folder(run.mailbox):
        confirm_sent(run.mailbox, batch.message_ids)
    with transaction.atomic():
        store_batch(run, folder, batch, parsed, [one.uid for one in fetched])
    return sum(uid <= batch.last_uid for uid in uids[:count])


def classify_batch(run: FetchRun, folder: str, uids: Sequence[int], *, give_up: bool) -> FetchBatch:
    """Sort the emails with these UIDs into a `FetchBatch`, up to the memory limit."""
    heads = run.session.fetch_headers(uids)
    lines = {head.uid: parse_header_lines(head) for head in heads}
    message_ids = {uid: parse_identifier(head, "message-id") for uid, head in lines.items()}
    purged = purged_dates(run.mailbox, message_ids.values())
    stored = stored_dates(run.mailbox, message_ids.values())
    batch, size = FetchBatch(last_uid=uids[-1], message_ids={name for name in message_ids.values() if name}), 0
    for head in heads:
        name = message_ids[head.uid]
        if was_purged(lines[head.uid], purged.get(name, ())) or is_known(lines[head.uid], stored.get(name, ())):
            batch.known_uids.append(head.uid)
        elif head.size > MAX_EMAIL_BYTES:
            reason = f"The email has {head.size:,} bytes; {TOO_LARGE_REASON}. {describe_skipped(head)}"
            batch.rejected.append((head, reason))
        elif give_up:
            reason = f"Every attempt to fetch or store this email was interrupted. {describe_skipped(head)}"
            batch.rejected.append((head, reason))
        elif batch.uids_to_fetch and size + head.size > MAX_FETCH_BYTES:
            batch.last_uid = head.uid - 1
            break
        else:
            batch.uids_to_fetch.append(head.uid)
            size += head.size
    return batch


def stored_dates(mailbox: Mailbox, message_ids: Iterable[str]) -> dict[str, list[MessageDate]]:
    """Return the dates of the messages that `mailbox` has, by Message-ID."""
    rows = Message.everything.filter(mailbox=mailbox, message_id__in=[name for name in message_ids if name])
    found: dict[str, list[MessageDate]] = {}
    for row in rows.only("message_id", "sent_at", "created_at", "media"):
        found.setdefault(row.message_id, []).append(date_of_message(row))
    return found


def is_known(head: HeaderLines, dates: Iterable[MessageDate]) -> bool:
    """Return whether one of the messages with the same Message-ID has the date in `head`.

    Some programs use one Message-ID for different emails. One without a date is fetched: its text tells whether it is
    known.
    """
    sent_at = date_in_header(head)
    return sent_at is not None and any(one.matches(sent_at) for one in dates)


def was_purged(head: HeaderLines, dates: Iterable[MessageDate]) -> bool:
    """Return whether one of the purged emails with the same Message-ID may be the one with `head`."""
    return any(one.matches(date_in_header(head)) for one in dates)


def date_in_header(head: HeaderLines) -> datetime | None:
    """Return the date that an email gives; None without one, or if it is in the future."""
    found = parse_date(next(iter(head.get("date", ())), ""))
    return None if found is None or found > timezone.now() + MAX_CLOCK_ERROR else found


def purged_dates(mailbox: Mailbox, message_ids: Iterable[str]) -> dict[str, list[MessageDate]]:
    """Return the dates of the emails that `mailbox` had and that were purged here, by Message-ID."""
    digests = {hashlib.sha256(name.encode()).hexdigest(): name for name in message_ids if name}
    rows = PurgedMail.objects.filter(mailbox=mailbox, digest__in=list(digests))
    found: dict[str, list[MessageDate]] = {}
    for digest, sent_at, stored_at in rows.values_list("digest", "sent_at", "stored_at"):
        found.setdefault(digests[digest], []).append(MessageDate(sent_at, stored_at))
    return found


def parse_header_lines(head: FetchedEmail) -> HeaderLines:
    """Return the header lines that were requested."""
    return read_headers(email.message_from_bytes(head.data))


def describe_skipped(head: FetchedEmail) -> str:
    """Return a sentence with the subject and sender of an email that is not fetched."""
    lines = parse_header_lines(head)
    subject, sender = single_line(first_header(lines, "subject"))[:200], single_line(first_header(lines, "from"))[:200]
    return f"Subject: “{subject or '(no subject)'}”, from {sender or 'an unknown sender'}."


def fetch_available(session: ImapSession, uids: Sequence[int]) -> tuple[list[FetchedEmail], list[int]]:
    """Return the emails with these UIDs, and the UIDs that the server refuses to return."""
    if not uids:
        return [], []
    try:
        return session.fetch_emails(uids), []
    except FetchRefused:
        if len(uids) == 1:
            return [], list(uids)
    found, rejected = [], []
    for uid in uids:
        one, not_one = fetch_available(session, [uid])
        found, rejected = found + one, rejected + not_one
    return found, rejected


def store_batch(
    run: FetchRun, folder: str, batch: FetchBatch, parsed: Sequence[ParsedArrival], fetched: Sequence[int]
) -> None:
    """Store the fetched emails, set the rejected ones aside, and advance the sync position."""
    mailbox, state = run.mailbox, folder_state(run.mailbox, folder)
    already_set_aside = find_already_set_aside(mailbox, parsed)
    new = [one for one in parsed if one.arrival.raw not in already_set_aside]
    counts = receive_parsed(mailbox, new, own_addresses=run.own_addresses)
    counts += ReceiveCounts(duplicates=len(batch.known_uids) + len(parsed) - len(new))
    for head, reason in batch.rejected:
        counts += record_skipped(mailbox, format_origin(state, folder, head.uid), head.size, reason)
    processed_uids = [*batch.known_uids, *(head.uid for head, _ in batch.rejected), *fetched]
    rows = [
        FolderMail(mailbox=mailbox, folder=folder, uidvalidity=state.uidvalidity, uid=uid) for uid in processed_uids
    ]
    FolderMail.objects.bulk_create(rows, ignore_conflicts=True)
    update_folder_state(
        mailbox,
        folder,
        uid=max(state.uid, batch.last_uid),
        taken=state.taken + counts.taken,
        known=state.known + counts.duplicates,
        aside=state.aside + counts.aside,
        left=max(state.left - len(processed_uids), 0),
        tried=0,
        tries=0,
    )


def find_already_set_aside(mailbox: Mailbox, parsed: Sequence[ParsedArrival]) -> set[bytes]:
    """Return the raw bytes of those emails in `parsed` that were set aside before, under another UID."""
    sizes = {len(one.arrival.raw) for one in parsed}
    rows = SetAside.everything.filter(mailbox=mailbox, size__in=sizes).exclude(raw=b"")
    return {bytes(raw) for raw in rows.values_list("raw", flat=True)}


def record_skipped(mailbox: Mailbox, origin: str, size: int, reason: str) -> ReceiveCounts:
    """Set aside an email that was not fetched, unless it already was (perhaps under another UID)."""
    if size and SetAside.everything.filter(mailbox=mailbox, size=size, reason=reason).exists():
        return ReceiveCounts(duplicates=1)
    new = set_aside(mailbox, b"", origin=origin, reason=reason, size=size)
    return ReceiveCounts(aside=1) if new else ReceiveCounts(duplicates=1)


def format_origin(state: FolderState, folder: str, uid: int) -> str:
    """Return the origin that identifies an email among those set aside."""
    return f"{folder} #{uid} of {state.uidvalidity}"
