"""Threading compared with Dovecot's THREAD=REFERENCES on generated emails: every difference is intended."""

import random

import pytest

from bench import threading
from tests import dovecot
from tests.inbox.raw_emails import raw_email

pytestmark = [pytest.mark.django_db, dovecot.requires_dovecot]


def write_emails(folder, mails):
    for number, one in enumerate(mails):
        (folder / f"{number:03}.eml").write_bytes(one)
    return threading.number_emails([folder])


def test_threads_match_dovecot_or_differ_for_known_reason(tmp_path):
    drawn = random.Random(7)
    mails = []
    for number in range(120):
        chain = sorted(drawn.sample(range(number // 4 * 4, number + 1), k=min(number % 4, 2)))
        by = f"person{number % 11}@example.com"
        mails.append(raw_email(number, by=by, subject=f"Matter {number // 4}", refs=chain, day=number % 25))
    del mails[::9]
    raws, kept, _ = write_emails(tmp_path, mails)
    found = threading.find_differences(threading.our_threads(raws, kept), threading.dovecot_threads(raws), kept)
    assert {reason for reason, _ in found} <= {threading.OTHER_PEOPLE, threading.SAME_PEOPLE, threading.OTHER_PARENT}


def test_same_subject_of_strangers_is_not_merged(tmp_path):
    raws, kept, _ = write_emails(
        tmp_path, [raw_email(name, by=f"{name}@example.com", subject="Question") for name in "abc"]
    )
    mine, other = threading.our_threads(raws, kept), threading.dovecot_threads(raws)
    assert (len(mine), len(other)) == (3, 1)
    assert [reason for reason, _ in threading.find_differences(mine, other, kept)] == [threading.OTHER_PEOPLE]


def test_unexplained_difference_is_reported():
    kept = {number: threading.parse_email(raw_email(number, subject=str(number))) for number in range(2)}
    one, two = [frozenset([0, 1])], [frozenset([0]), frozenset([1])]
    assert threading.find_differences(one, two, kept) == [(threading.UNEXPLAINED, one[0])]
    assert threading.find_differences(two, one, kept) == [(threading.UNEXPLAINED, one[0])]


def test_thread_response_is_parsed_by_outer_brackets():
    assert threading.parse_groups(b"(1)(2 3 (4)(5 6))((7)(8))") == [[1], [2, 3, 4, 5, 6], [7, 8]]
