"""Compare conversations with Dovecot's THREAD=REFERENCES (RFC 5256): `python -m bench.threading [FOLDER or FILE …]`.

Every email is delivered to Dovecot on loopback and imported here. Each difference in threading is counted under its
reason. Exits with 0 if every difference has a reason.
"""

import argparse
import imaplib
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench.corpus import CORPUS_FOLDER
from bench.databases import scratch_database
from bench.table import render_table
from inbox.incoming.arrivals import Arrival
from inbox.incoming.files import iter_emails
from inbox.incoming.mime.source import strip_envelope
from inbox.incoming.parsing import NotAnEmail, ParsedEmail, normalize_subject, parse_email
from inbox.incoming.threading import threading_keys
from inbox.incoming.transitions import receive_many
from inbox.models import Mailbox, Message, Provider
from tests import dovecot

USER, USER_PASSWORD = "trial@agency.example", "trial"
NUMBER_HEADER, NUMBER_PATTERN = b"X-Trial-Number: %d\r\n", re.compile(rb"X-Trial-Number: (\d+)", re.IGNORECASE)
TOKEN = re.compile(rb"[()]|\d+")
MAX_SHOWN = 12
OTHER_PEOPLE = "Dovecot joins, by subject alone, emails of different people"
SAME_PEOPLE = "Dovecot joins, by subject alone, emails of the same people, one of which replies to another thread"
OTHER_PARENT = "CRM joins emails that one email references together; Dovecot gave one of them another parent"
BY_IN_REPLY_TO = "CRM joins by an In-Reply-To beside References, which Dovecot ignores"
BY_SUBJECT = "CRM joins emails of one subject between the same people; Dovecot shortens the subject differently"
UNEXPLAINED = "UNEXPLAINED"
Partition = list[frozenset[int]]


def number_emails(paths: Iterable[Path]) -> tuple[list[bytes], dict[int, ParsedEmail], Counter[str]]:
    """Return every email numbered in its header, the parsed emails, and the skipped ones."""
    raws, emails, left_out, seen_ids = [], {}, Counter[str](), set()
    for path in paths:
        for _, raw in iter_emails(path):
            try:
                email = parse_email(raw)
            except NotAnEmail:
                left_out["no mail"] += 1
                continue
            if email.message_id in seen_ids:
                left_out["a second time"] += 1
                continue
            seen_ids.add(email.message_id)
            emails[len(raws)] = email
            raws.append(NUMBER_HEADER % len(raws) + strip_envelope(raw))
    return raws, emails, left_out


def dovecot_threads(raws: Sequence[bytes]) -> Partition:
    """Return Dovecot's threads of `raws`, as indexes."""
    with dovecot.start_dovecot({USER: USER_PASSWORD}) as server:
        for raw in raws:
            server.deliver(USER, raw)
        with imaplib.IMAP4(server.host, server.port) as client:
            client.login(USER, USER_PASSWORD)
            client.select("INBOX", readonly=True)
            _, (answer,) = client.uid("THREAD", "REFERENCES", "UTF-8", "ALL")
            _, lines = client.uid("FETCH", "1:*", "(UID BODY.PEEK[HEADER.FIELDS (X-TRIAL-NUMBER)])")
    number_of = {}
    for line in lines:
        if isinstance(line, tuple):
            uid = int(re.search(rb"UID (\d+)", line[0])[1])
            number_of[uid] = int(NUMBER_PATTERN.search(line[1])[1])
    return [frozenset(number_of[uid] for uid in group) for group in parse_groups(answer)]


def parse_groups(answer: bytes) -> list[list[int]]:
    """Return the numbers in each outermost pair of brackets of a THREAD response."""
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


def our_threads(raws: Sequence[bytes], emails: dict[int, ParsedEmail]) -> Partition:
    """Return the CRM's threads of `raws`, as indexes."""
    mailbox = Mailbox.objects.create(address=USER, provider=Provider.IMPORT)
    for start in range(0, len(raws), 250):
        arrivals = [Arrival(str(start + place), raw) for place, raw in enumerate(raws[start : start + 250])]
        receive_many(mailbox, arrivals)
    thread_of = dict(Message.objects.values_list("message_id", "thread_id"))
    thread_members: dict[object, set[int]] = defaultdict(set)
    for number, raw in enumerate(raws):
        thread_members[thread_of[parse_email(raw).message_id]].add(number)
    return [frozenset(group) for group in thread_members.values()]


# Differences and their reasons


def split_group(group: frozenset[int], other: Partition) -> list[frozenset[int]]:
    """Return `group` split like `other`."""
    return [group & one for one in other if group & one]


def connect_by_keys(
    group: Iterable[int], emails: dict[int, ParsedEmail], keys: Callable[[ParsedEmail], list[str]]
) -> Partition:
    """Return `group` as connected by `keys`."""
    sets: dict[str, set[str]] = {}
    for number in group:
        all_keys = [f"#{number}", *keys(emails[number])]
        merged = set().union(*(sets.get(key, {key}) for key in all_keys))
        for key in merged:
            sets[key] = merged
    distinct = {id(one): one for one in sets.values()}.values()
    return [frozenset(int(key[1:]) for key in one if key[0] == "#") for one in distinct]


def standard_keys(mail: ParsedEmail) -> list[str]:
    """Return the keys of an email by References, or by In-Reply-To without them."""
    return [mail.message_id, *(mail.references or [mail.in_reply_to][: bool(mail.in_reply_to)])]


def identifier_keys(mail: ParsedEmail) -> list[str]:
    return [mail.message_id, *filter(None, (mail.in_reply_to, *mail.references))]


def reason_dovecot_joins(pieces: list[frozenset[int]], emails: dict[int, ParsedEmail]) -> str:
    """Return why Dovecot joins `pieces` that the CRM separates."""
    subjects = [{normalize_subject(emails[number].subject) for number in piece} for piece in pieces]
    people = [{person for number in piece for person in emails[number].participants} for piece in pieces]
    if not any(one & other for place, one in enumerate(subjects) for other in subjects[place + 1 :]):
        return UNEXPLAINED
    same = any(one == other for place, one in enumerate(people) for other in people[place + 1 :])
    return SAME_PEOPLE if same else OTHER_PEOPLE


def reason_we_join(group: frozenset[int], pieces: list[frozenset[int]], emails: dict[int, ParsedEmail]) -> str:
    """Return why the CRM joins `group` that Dovecot splits into `pieces`."""
    for keys, reason in (
        (standard_keys, OTHER_PARENT),
        (identifier_keys, BY_IN_REPLY_TO),
        (threading_keys, BY_SUBJECT),
    ):
        if len(connect_by_keys(group, emails, keys)) < len(pieces):
            return reason
    return UNEXPLAINED


def find_differences(
    our_groups: Partition, dovecot_groups: Partition, emails: dict[int, ParsedEmail]
) -> list[tuple[str, frozenset[int]]]:
    """Return each group found on one side only, with the reason."""
    differences_found = []
    for group in dovecot_groups:
        pieces = split_group(group, our_groups)
        if len(pieces) > 1:
            differences_found.append((reason_dovecot_joins(pieces, emails), group))
    for group in our_groups:
        pieces = split_group(group, dovecot_groups)
        if len(pieces) > 1:
            differences_found.append((reason_we_join(group, pieces, emails), group))
    return differences_found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.threading", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, default=sorted(CORPUS_FOLDER.glob("*.tar.gz")), metavar="FILE")
    parser.add_argument("--show", action="store_true", help="List some examples of each kind.")
    options = parser.parse_args()
    raws, emails, left_out = number_emails(options.paths)
    if not raws:
        parser.error("there is no email to thread")
    dovecot_groups = dovecot_threads(raws)
    with scratch_database():
        our_groups = our_threads(raws, emails)
    differences_found = find_differences(our_groups, dovecot_groups, emails)
    rows = [["emails", f"{len(raws):,}"], *([f"skipped: {why}", f"{count:,}"] for why, count in left_out.items())]
    rows += [
        ["Dovecot's conversations", f"{len(dovecot_groups):,}"],
        ["CRM conversations", f"{len(our_groups):,}"],
    ]
    rows += [["equal on both sides", f"{len(set(our_groups) & set(dovecot_groups)):,}"]]
    rows += [
        [reason, f"{count:,}"] for reason, count in Counter(reason for reason, _ in differences_found).most_common()
    ]
    sys.stdout.write(render_table(["Conversations", ""], rows))
    for reason, group in differences_found[:MAX_SHOWN] if options.show else []:
        lines = sorted({f"{emails[number].subject[:50]} / {emails[number].from_email}" for number in group})
        sys.stdout.write(f"\n{reason}: {len(group)} emails\n  " + "\n  ".join(lines[:5]) + "\n")
    return int(any(reason == UNEXPLAINED for reason, _ in differences_found))


if __name__ == "__main__":
    sys.exit(main())
