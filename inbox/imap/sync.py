"""Fetching what is new: batch by batch, each with how far it got in one transaction.

So a run that is cut off at any point is gone on with where it stood, and nothing is taken in twice: what the mailbox
has already is known by its Message-ID before it is fetched, even where the server has numbered all mails anew.
"""

import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from imap_tools import MailMessage

from inbox.imap.connection import NotHandedOut, Session
from inbox.imap.fetch_responses import Answer
from inbox.imap.folder_state import FolderState, change, state_of
from inbox.imap.folders import sent_folder
from inbox.incoming.arrivals import Arrival, Read, read
from inbox.incoming.parsing import LARGEST, Head, head_of, header, identifier, line
from inbox.incoming.participants import our_addresses
from inbox.incoming.transitions import Counted, receive_read, set_aside
from inbox.models import FolderMail, Mailbox, Message, PurgedMail, SetAside
from inbox.outgoing.send_queue import proven

# Mails and bytes that are in memory at once.
BATCH, BATCH_BYTES = 100, 20_000_000
# Seconds after which a run ends, and another goes on.
BUDGET = 45.0
# A batch that was begun so often without coming to its end is gone through one by one; what still breaks off is let be.
ALONE_AFTER, GIVEN_UP_AFTER = 2, 5
TOO_LARGE = f"and at most {LARGEST:,} are taken in"


@dataclass
class Run:
    """One go at a mailbox; `until` is when it ends, by the monotonic clock."""

    mailbox: Mailbox
    session: Session
    until: float = field(default_factory=lambda: time.monotonic() + BUDGET)
    ours: frozenset[str] = field(default_factory=our_addresses)

    @property
    def over(self) -> bool:
        return time.monotonic() > self.until


@dataclass
class Batch:
    """Some mails of a folder, told apart: to be fetched, there already, and not to be fetched with the reason why."""

    last: int
    names: set[str] = field(default_factory=set)
    wanted: list[int] = field(default_factory=list)
    known: list[int] = field(default_factory=list)
    refused: list[tuple[Answer, str]] = field(default_factory=list)


def read_folder(run: Run, folder: str) -> bool:
    """Take in what is new in `folder`; whether there is more when the time is up.

    Raises:
        NoFolder: it is not there.
        NoConnection: the connection broke off; what was taken in before stays.
        Overtaken: somebody else is at this mailbox.
    """
    standing = run.session.standing(folder)
    state = numbered(run.mailbox, folder, standing.uidvalidity)
    if standing.uidnext and standing.uidnext <= state.uid + 1:
        change(run.mailbox, folder, total=standing.total, left=0)
        return False
    run.session.open(folder)
    uids = run.session.numbers(state.uid, run.mailbox.fetch_since)
    change(run.mailbox, folder, total=standing.total, left=len(uids))
    if not go_through(run, folder, uids):
        return True
    reached = max([state_of(run.mailbox, folder).uid, standing.uidnext - 1, *uids[-1:]])
    change(run.mailbox, folder, uid=reached, left=0)
    return False


@transaction.atomic
def numbered(mailbox: Mailbox, folder: str, uidvalidity: int) -> FolderState:
    """How far `folder` has been read under this numbering; from the beginning where the server has another now."""
    state = state_of(mailbox, folder)
    if state.uidvalidity == uidvalidity:
        return state
    FolderMail.objects.filter(mailbox=mailbox, folder=folder).delete()
    return change(mailbox, folder, uidvalidity=uidvalidity, uid=0, tried=0, tries=0, alone=0, gaps={})


def go_through(run: Run, folder: str, uids: Sequence[int]) -> bool:
    """Take in the mails with these numbers, ascending; whether it came to the end within the time."""
    done = 0
    while done < len(uids):
        if run.over:
            return False
        done += step(run, folder, uids[done:])
    return True


def step(run: Run, folder: str, uids: Sequence[int]) -> int:
    """Take in the first batch of `uids`; how many of them are done with then."""
    state = state_of(run.mailbox, folder)
    tries = state.tries + 1 if state.tried == uids[0] else 1
    alone = uids[:BATCH][-1] if tries > ALONE_AFTER and uids[0] > state.alone else state.alone
    change(run.mailbox, folder, tried=uids[0], tries=tries, alone=alone)
    count = 1 if uids[0] <= alone else BATCH
    batch = told_apart(run, folder, uids[:count], give_up=tries > GIVEN_UP_AFTER)
    fetched, kept_back = handed_out(run.session, batch.wanted)
    batch.refused += [(Answer(uid), "The server does not hand it out.") for uid in kept_back]
    understood = [read(Arrival(origin_of(state, folder, one.uid), one.data, one.seen)) for one in fetched]
    if folder == sent_folder(run.mailbox):
        proven(run.mailbox, batch.names)
    with transaction.atomic():
        write_down(run, folder, batch, understood, [one.uid for one in fetched])
    return sum(uid <= batch.last for uid in uids[:count])


def told_apart(run: Run, folder: str, uids: Sequence[int], *, give_up: bool) -> Batch:
    """The mails with these numbers by what is to be done with them, as many as fit into memory."""
    heads = run.session.heads(uids)
    names = {head.uid: identifier(lines_of(head), "message-id") for head in heads}
    there = Message.everything.filter(mailbox=run.mailbox, message_id__in=[name for name in names.values() if name])
    there = {*there.values_list("message_id", flat=True), *purged(run.mailbox, names.values())}
    batch, size = Batch(last=uids[-1], names={name for name in names.values() if name}), 0
    for head in heads:
        if names[head.uid] in there:
            batch.known.append(head.uid)
        elif head.size > LARGEST:
            batch.refused.append((head, f"It has {head.size:,} bytes, {TOO_LARGE}. {described(head)}"))
        elif give_up:
            why = "Each time it was fetched or taken in, something broke off."
            batch.refused.append((head, f"{why} {described(head)}"))
        elif batch.wanted and size + head.size > BATCH_BYTES:
            batch.last = head.uid - 1
            break
        else:
            batch.wanted.append(head.uid)
            size += head.size
    return batch


def purged(mailbox: Mailbox, names: Iterable[str]) -> list[str]:
    """Those of `names`, Message-IDs, that `mailbox` had and that were purged here."""
    digests = {hashlib.sha256(name.encode()).hexdigest(): name for name in names if name}
    found = PurgedMail.objects.filter(mailbox=mailbox, digest__in=list(digests)).values_list("digest", flat=True)
    return [digests[digest] for digest in found]


def lines_of(head: Answer) -> Head:
    """The header lines that were asked for."""
    return head_of(MailMessage.from_bytes(head.data))


def described(head: Answer) -> str:
    """What a mail that is not fetched is about, in a sentence."""
    lines = lines_of(head)
    subject, sender = line(header(lines, "subject"))[:200], line(header(lines, "from"))[:200]
    return f"It is “{subject or 'no subject'}” from {sender or 'nobody'}."


def handed_out(session: Session, uids: Sequence[int]) -> tuple[list[Answer], list[int]]:
    """The mails with these numbers, and the numbers of those that the server refuses to give."""
    if not uids:
        return [], []
    try:
        return session.wholes(uids), []
    except NotHandedOut:
        if len(uids) == 1:
            return [], list(uids)
    found, refused = [], []
    for uid in uids:
        one, not_one = handed_out(session, [uid])
        found, refused = found + one, refused + not_one
    return found, refused


def write_down(run: Run, folder: str, batch: Batch, understood: Sequence[Read], fetched: Sequence[int]) -> None:
    """Take in what was fetched, set aside what was not, and move on."""
    mailbox, state = run.mailbox, state_of(run.mailbox, folder)
    before = set_aside_before(mailbox, understood)
    new = [one for one in understood if one.arrival.raw not in before]
    counted = receive_read(mailbox, new, ours=run.ours)
    counted += Counted(there=len(batch.known) + len(understood) - len(new))
    for head, reason in batch.refused:
        counted += left_out(mailbox, origin_of(state, folder, head.uid), head.size, reason)
    looked_at = [*batch.known, *(head.uid for head, _ in batch.refused), *fetched]
    rows = [FolderMail(mailbox=mailbox, folder=folder, uidvalidity=state.uidvalidity, uid=uid) for uid in looked_at]
    FolderMail.objects.bulk_create(rows, ignore_conflicts=True)
    change(
        mailbox,
        folder,
        uid=max(state.uid, batch.last),
        taken=state.taken + counted.taken,
        known=state.known + counted.there,
        aside=state.aside + counted.aside,
        left=max(state.left - len(looked_at), 0),
        tried=0,
        tries=0,
    )


def set_aside_before(mailbox: Mailbox, understood: Sequence[Read]) -> set[bytes]:
    """Those mails of which these very bytes lie among what was set aside, under another number."""
    sizes = {len(one.arrival.raw) for one in understood}
    rows = SetAside.everything.filter(mailbox=mailbox, size__in=sizes).exclude(raw=b"")
    return {bytes(raw) for raw in rows.values_list("raw", flat=True)}


def left_out(mailbox: Mailbox, origin: str, size: int, reason: str) -> Counted:
    """Set aside a mail whose bytes are not here, unless it has been already, under another number perhaps."""
    if size and SetAside.everything.filter(mailbox=mailbox, size=size, reason=reason).exists():
        return Counted(there=1)
    new = set_aside(mailbox, b"", origin=origin, reason=reason, size=size)
    return Counted(aside=1) if new else Counted(there=1)


def origin_of(state: FolderState, folder: str, uid: int) -> str:
    """What a mail is called among those set aside."""
    return f"{folder} #{uid} of {state.uidvalidity}"
