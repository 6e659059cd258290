"""The order, batching and repetition of arriving emails do not affect the resulting threads and dates."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbox.incoming.arrivals import Arrival
from inbox.incoming.message_kinds import classify_message
from inbox.incoming.parsing import parse_email
from inbox.incoming.transitions import receive_many
from inbox.models import Mailbox, Message, Thread, ThreadKey
from leads.models import Lead
from tests.cast import make_lead
from tests.examples import examples
from tests.inbox.raw_emails import LEE, OURS, START, raw_email

pytestmark = pytest.mark.django_db
SLOW = settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
# One of each kind, so that two leads never share a thread: its owner would depend on which arrived first.
LEADS = {f"{name}@example.com": name for name in ("lee", "kim")}
MAX_EMAILS = 7


@st.composite
def email_sets(draw) -> list[bytes]:
    """Emails with or without replies, some to emails that never arrived; from two leads, from us, from machines."""
    mails = []
    for number in range(draw(st.integers(1, MAX_EMAILS))):
        who = draw(st.sampled_from(sorted(LEADS)))
        named = draw(st.lists(st.integers(0, MAX_EMAILS // 2), max_size=3, unique=True))
        sent = draw(st.booleans())
        mails.append(
            raw_email(
                f"{LEADS[who]}.{number}",
                by=OURS if sent else who,
                to=who if sent else OURS,
                subject=draw(st.sampled_from(["Offer", "Re: Offer", "Claim", ""])),
                refs=[f"{LEADS[who]}.{one}" for one in named],
                answers=f"{LEADS[who]}.{draw(st.integers(0, MAX_EMAILS))}" if draw(st.booleans()) else "",
                # Many emails with the same time.
                day=draw(st.integers(0, 2)),
                **draw(st.sampled_from([{}, {}, {}, {"List_Id": "<x>"}, {"Auto_Submitted": "auto-replied"}])),
            )
        )
    return mails


def delete_everything() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM message_words; DELETE FROM thread_keys; DELETE FROM messages; DELETE FROM threads")
    Lead.everything.update(last_contact_at=None, awaiting_reply=False)


def threads_and_dates() -> tuple:
    """Return everything that must not depend on the order."""
    threads = [
        (
            frozenset(one.messages.values_list("message_id", flat=True)),
            one.subject,
            frozenset(one.participant_emails),
            one.message_count,
            one.last_message_at,
            one.last_direction,
            one.awaiting_reply,
            one.lead_id,
        )
        for one in Thread.objects.all()
    ]
    leads = Lead.objects.order_by("pk").values_list("last_contact_at", "awaiting_reply")
    keys = frozenset(ThreadKey.objects.values_list("key", flat=True))
    return frozenset(threads), tuple(leads), keys


def receive_batches(box: Mailbox, batches: list[list[bytes]]) -> None:
    for batch in batches:
        receive_many(box, [Arrival(str(number), one) for number, one in enumerate(batch)])


@SLOW
@given(mails=email_sets(), random=st.randoms(use_true_random=False), cuts=st.sets(st.integers(1, 12), max_size=4))
def test_any_arrival_order_gives_same_threads_and_dates(box, mails, random, cuts):
    delete_everything()
    for address in LEADS:
        if not Lead.objects.filter(contact_email=address).exists():
            make_lead(contact_email=address)
    receive_batches(box, [mails])
    expected = threads_and_dates()
    delete_everything()
    shuffled = random.sample(mails, len(mails)) + random.choices(mails, k=3)
    edges = [0, *sorted(cuts), len(shuffled)]
    receive_batches(box, [shuffled[start:end] for start, end in zip(edges, edges[1:], strict=False)])
    assert threads_and_dates() == expected


@SLOW
@given(mails=email_sets())
def test_contact_dates_match_an_independent_count(box, mails):
    delete_everything()
    lead = Lead.objects.filter(contact_email=LEE).first() or make_lead(contact_email=LEE)
    receive_batches(box, [[one] for one in mails])
    said = []
    for mail in map(parse_email, mails):
        if LEE in mail.participants and classify_message(mail) == "PERSON":
            said.append((mail.sent_at, mail.from_email == LEE))
    lead.refresh_from_db()
    last = max(said, default=(None, True))
    assert (lead.last_contact_at, lead.awaiting_reply) == (last[0], not last[1])
    counts = Counter(Thread.objects.values_list("message_count", flat=True))
    assert sum(size * count for size, count in counts.items()) == len(mails) == Message.objects.count()
    assert all(START - timedelta(seconds=1) <= one.sent_at for one in Message.objects.all())


@SLOW
@given(mails=email_sets())
def test_receiving_everything_again_changes_no_row(box, mails):
    delete_everything()
    make_lead()
    receive_batches(box, [mails, [b"rubbish"]])
    before = all_rows()
    receive_batches(box, [mails[::-1], [b"rubbish"]])
    receive_batches(box, [[one] for one in mails])
    assert all_rows() == before


def all_rows() -> dict[str, list[str]]:
    """Return every row of every table that receiving email writes to, as text."""
    found = {}
    with connection.cursor() as cursor:
        for table in (
            "threads",
            "messages",
            "thread_keys",
            "set_aside_mails",
            "leads",
            "activity_logs",
            "message_words",
        ):
            cursor.execute(f"SELECT t::text FROM {table} AS t ORDER BY 1")
            found[table] = [row[0] for row in cursor.fetchall()]
    return found
