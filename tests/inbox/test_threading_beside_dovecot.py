"""Conversations beside Dovecot's THREAD=REFERENCES, on made mails: every difference has one of the argued reasons."""

import random

import pytest

from bench import threading
from tests import dovecot
from tests.inbox.mails import raw

pytestmark = [pytest.mark.django_db, dovecot.needed]


def written(folder, mails):
    for number, one in enumerate(mails):
        (folder / f"{number:03}.eml").write_bytes(one)
    return threading.numbered([folder])


def test_answers_are_put_together_alike_whatever_is_missing(tmp_path):
    drawn = random.Random(7)
    mails = []
    for number in range(120):
        chain = sorted(drawn.sample(range(number // 4 * 4, number + 1), k=min(number % 4, 2)))
        by = f"person{number % 11}@example.com"
        mails.append(raw(number, by=by, subject=f"Matter {number // 4}", refs=chain, day=number % 25))
    del mails[::9]
    raws, kept, _ = written(tmp_path, mails)
    found = threading.differences(threading.ours(raws, kept), threading.theirs(raws), kept)
    assert {reason for reason, _ in found} <= {threading.ELSEWHERE, threading.SAME_PEOPLE, threading.OTHER_PARENT}


def test_strangers_with_one_subject_have_nothing_to_do_with_each_other(tmp_path):
    raws, kept, _ = written(tmp_path, [raw(name, by=f"{name}@example.com", subject="Question") for name in "abc"])
    mine, other = threading.ours(raws, kept), threading.theirs(raws)
    assert (len(mine), len(other)) == (3, 1)
    assert [reason for reason, _ in threading.differences(mine, other, kept)] == [threading.ELSEWHERE]


def test_a_difference_without_a_reason_is_called_so():
    kept = {number: threading.parse(raw(number, subject=str(number))) for number in range(2)}
    one, two = [frozenset([0, 1])], [frozenset([0]), frozenset([1])]
    assert threading.differences(one, two, kept) == [(threading.UNEXPLAINED, one[0])]
    assert threading.differences(two, one, kept) == [(threading.UNEXPLAINED, one[0])]


def test_an_answer_to_thread_is_read_by_its_outermost_brackets():
    assert threading.groups(b"(1)(2 3 (4)(5 6))((7)(8))") == [[1], [2, 3, 4, 5, 6], [7, 8]]
