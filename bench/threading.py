"""Our conversations beside Dovecot's THREAD=REFERENCES (RFC 5256): `python -m bench.threading [FOLDER or FILE …]`.

Every mail is delivered to Dovecot on loopback and taken in here. Where the two put mails together differently, each
such place is counted under its reason. 0 if there is a reason for each.
"""

import argparse
import imaplib
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench.corpus import FOLDER
from bench.databases import scratch
from bench.table import rendered
from inbox.incoming.arrivals import Arrival
from inbox.incoming.files import mails_in
from inbox.incoming.parsing import Mail, NoMail, bare, parse, without_envelope
from inbox.incoming.threading import keys_of
from inbox.incoming.transitions import receive_many
from inbox.models import Mailbox, Message, Provider
from tests import dovecot

USER, WORD = "trial@agency.example", "trial"
NUMBER, NUMBERED = b"X-Trial-Number: %d\r\n", re.compile(rb"X-Trial-Number: (\d+)", re.IGNORECASE)
TOKEN = re.compile(rb"[()]|\d+")
SHOWN = 12
ELSEWHERE = "Dovecot joins, by subject alone, mails of other people"
SAME_PEOPLE = "Dovecot joins, by subject alone, mails of the same people of which one answers something else"
OTHER_PARENT = "ours joins what one mail names together; Dovecot has given one of them another parent already"
BESIDE = "ours joins by an In-Reply-To beside References, which Dovecot does not look at"
BY_SUBJECT = "ours joins mails of one subject between the same people, whose subject Dovecot cuts otherwise"
UNEXPLAINED = "UNEXPLAINED"
Partition = list[frozenset[int]]


def numbered(paths: Iterable[Path]) -> tuple[list[bytes], dict[int, Mail], Counter[str]]:
    """Every mail with its number in its header, what we understand of it, and what was left out."""
    raws, mails, left, seen = [], {}, Counter[str](), set()
    for path in paths:
        for _, raw in mails_in(path):
            try:
                mail = parse(raw)
            except NoMail:
                left["no mail"] += 1
                continue
            if mail.message_id in seen:
                left["a second time"] += 1
                continue
            seen.add(mail.message_id)
            mails[len(raws)] = mail
            raws.append(NUMBER % len(raws) + without_envelope(raw))
    return raws, mails, left


def theirs(raws: Sequence[bytes]) -> Partition:
    """How Dovecot threads `raws`, by their places."""
    with dovecot.start({USER: WORD}) as server:
        for raw in raws:
            server.deliver(USER, raw)
        with imaplib.IMAP4(server.host, server.port) as client:
            client.login(USER, WORD)
            client.select("INBOX", readonly=True)
            _, (answer,) = client.uid("THREAD", "REFERENCES", "UTF-8", "ALL")
            _, lines = client.uid("FETCH", "1:*", "(UID BODY.PEEK[HEADER.FIELDS (X-TRIAL-NUMBER)])")
    number_of = {}
    for line in lines:
        if isinstance(line, tuple):
            uid = int(re.search(rb"UID (\d+)", line[0])[1])
            number_of[uid] = int(NUMBERED.search(line[1])[1])
    return [frozenset(number_of[uid] for uid in group) for group in groups(answer)]


def groups(answer: bytes) -> list[list[int]]:
    """The numbers of each outermost pair of brackets in an answer to THREAD."""
    found, depth = [], 0
    for token in TOKEN.findall(answer):
        if token == b"(":
            if depth == 0:
                found.append([])
            depth += 1
        elif token == b")":
            depth -= 1
        else:
            found[-1].append(int(token))
    return found


def ours(raws: Sequence[bytes], mails: dict[int, Mail]) -> Partition:
    """How we put `raws` together."""
    box = Mailbox.objects.create(address=USER, provider=Provider.IMPORT)
    for start in range(0, len(raws), 250):
        arrivals = [Arrival(str(start + place), raw) for place, raw in enumerate(raws[start : start + 250])]
        receive_many(box, arrivals)
    thread_of = dict(Message.objects.values_list("message_id", "thread_id"))
    together: dict[object, set[int]] = defaultdict(set)
    for number, raw in enumerate(raws):
        together[thread_of[parse(raw).message_id]].add(number)
    return [frozenset(group) for group in together.values()]


# Where they differ, and why


def parts(group: frozenset[int], other: Partition) -> list[frozenset[int]]:
    """`group` as `other` would divide it."""
    return [group & one for one in other if group & one]


def connected(group: Iterable[int], mails: dict[int, Mail], keys: Callable[[Mail], list[str]]) -> Partition:
    """`group` as `keys` tie it together."""
    sets: dict[str, set[str]] = {}
    for number in group:
        every = [f"#{number}", *keys(mails[number])]
        joined = set().union(*(sets.get(key, {key}) for key in every))
        for key in joined:
            sets[key] = joined
    distinct = {id(one): one for one in sets.values()}.values()
    return [frozenset(int(key[1:]) for key in one if key[0] == "#") for one in distinct]


def as_the_standard_says(mail: Mail) -> list[str]:
    """What ties `mail` where only References count, and In-Reply-To only without them."""
    return [mail.message_id, *(mail.references or [mail.in_reply_to][: bool(mail.in_reply_to)])]


def by_identifiers(mail: Mail) -> list[str]:
    return [mail.message_id, *filter(None, (mail.in_reply_to, *mail.references))]


def why_they_join(pieces: list[frozenset[int]], mails: dict[int, Mail]) -> str:
    """Why Dovecot has `pieces` in one, which we have apart."""
    subjects = [{bare(mails[number].subject) for number in piece} for piece in pieces]
    people = [{person for number in piece for person in mails[number].people} for piece in pieces]
    if not any(one & other for place, one in enumerate(subjects) for other in subjects[place + 1 :]):
        return UNEXPLAINED
    same = any(one == other for place, one in enumerate(people) for other in people[place + 1 :])
    return SAME_PEOPLE if same else ELSEWHERE


def why_we_join(group: frozenset[int], pieces: list[frozenset[int]], mails: dict[int, Mail]) -> str:
    """Why we have `group` in one, which Dovecot has as `pieces`."""
    for keys, reason in ((as_the_standard_says, OTHER_PARENT), (by_identifiers, BESIDE), (keys_of, BY_SUBJECT)):
        if len(connected(group, mails, keys)) < len(pieces):
            return reason
    return UNEXPLAINED


def differences(mine: Partition, other: Partition, mails: dict[int, Mail]) -> list[tuple[str, frozenset[int]]]:
    """Each group that one side has and the other has not, with the reason."""
    found = []
    for group in other:
        pieces = parts(group, mine)
        if len(pieces) > 1:
            found.append((why_they_join(pieces, mails), group))
    for group in mine:
        pieces = parts(group, other)
        if len(pieces) > 1:
            found.append((why_we_join(group, pieces, mails), group))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.threading", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, default=sorted(FOLDER.glob("*.tar.gz")), metavar="FILE")
    parser.add_argument("--show", action="store_true", help="Name some of each sort.")
    options = parser.parse_args()
    raws, mails, left = numbered(options.paths)
    if not raws:
        parser.error("there are no mails to thread")
    other = theirs(raws)
    with scratch():
        mine = ours(raws, mails)
    found = differences(mine, other, mails)
    rows = [["mails", f"{len(raws):,}"], *([f"left out: {why}", f"{count:,}"] for why, count in left.items())]
    rows += [["conversations of Dovecot", f"{len(other):,}"], ["conversations of ours", f"{len(mine):,}"]]
    rows += [["the same on both sides", f"{len(set(mine) & set(other)):,}"]]
    rows += [[reason, f"{count:,}"] for reason, count in Counter(reason for reason, _ in found).most_common()]
    sys.stdout.write(rendered(["Conversations", ""], rows))
    for reason, group in found[:SHOWN] if options.show else []:
        told = sorted({f"{mails[number].subject[:50]} / {mails[number].from_email}" for number in group})
        sys.stdout.write(f"\n{reason}: {len(group)} mails\n  " + "\n  ".join(told[:5]) + "\n")
    return int(any(reason == UNEXPLAINED for reason, _ in found))


if __name__ == "__main__":
    sys.exit(main())
