"""Whatever the order in which mails arrive, in whatever batches and how often: the same conversations and dates."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inbox.incoming.arrivals import Arrival
from inbox.incoming.message_kinds import nature_of
from inbox.incoming.parsing import parse
from inbox.incoming.transitions import receive_many
from inbox.models import Mailbox, Message, Thread, ThreadKey
from leads.models import Lead
from tests.cast import make_lead
from tests.inbox.mails import LEE, OURS, START, raw

pytestmark = pytest.mark.django_db
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
# Of each sort one, so that leads never meet in one conversation: whose it is then would be a matter of who came first.
LEADS = {f"{name}@example.com": name for name in ("lee", "kim")}
MOST = 7
WRITTEN = ("threads", "messages", "thread_keys", "message_words", "set_aside_mails", "leads", "activity_logs")


@st.composite
def mailboxes(draw) -> list[bytes]:
    """Mails that answer each other, or ones that never came, or nobody; from two leads, from us, from machines."""
    mails = []
    for number in range(draw(st.integers(1, MOST))):
        who = draw(st.sampled_from(sorted(LEADS)))
        named = draw(st.lists(st.integers(0, MOST // 2), max_size=3, unique=True))
        sent = draw(st.booleans())
        mails.append(
            raw(
                f"{LEADS[who]}.{number}",
                by=OURS if sent else who,
                to=who if sent else OURS,
                subject=draw(st.sampled_from(["Offer", "Re: Offer", "Claim", ""])),
                refs=[f"{LEADS[who]}.{one}" for one in named],
                answers=f"{LEADS[who]}.{draw(st.integers(0, MOST))}" if draw(st.booleans()) else "",
                # Many at one moment.
                day=draw(st.integers(0, 2)),
                **draw(st.sampled_from([{}, {}, {}, {"List_Id": "<x>"}, {"Auto_Submitted": "auto-replied"}])),
            )
        )
    return mails


def emptied() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM message_words; DELETE FROM thread_keys; DELETE FROM messages; DELETE FROM threads")
    Lead.everything.update(last_contact_at=None, awaiting_reply=False)


def state() -> tuple:
    """Everything that must not depend on the order."""
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


def bring(box: Mailbox, batches: list[list[bytes]]) -> None:
    for batch in batches:
        receive_many(box, [Arrival(str(number), one) for number, one in enumerate(batch)])


@SLOW
@given(mails=mailboxes(), random=st.randoms(use_true_random=False), cuts=st.sets(st.integers(1, 12), max_size=4))
def test_any_order_in_any_batches_and_twice_over_ends_the_same(box, mails, random, cuts):
    emptied()
    for address in LEADS:
        if not Lead.objects.filter(contact_email=address).exists():
            make_lead(contact_email=address)
    bring(box, [mails])
    expected = state()
    emptied()
    shuffled = random.sample(mails, len(mails)) + random.choices(mails, k=3)
    edges = [0, *sorted(cuts), len(shuffled)]
    bring(box, [shuffled[start:end] for start, end in zip(edges, edges[1:], strict=False)])
    assert state() == expected


@SLOW
@given(mails=mailboxes())
def test_the_dates_are_those_that_plain_counting_finds(box, mails):
    emptied()
    lead = Lead.objects.filter(contact_email=LEE).first() or make_lead(contact_email=LEE)
    bring(box, [[one] for one in mails])
    said = []
    for mail in map(parse, mails):
        if LEE in mail.people and nature_of(mail) == "PERSON":
            said.append((mail.sent_at, mail.from_email == LEE))
    lead.refresh_from_db()
    last = max(said, default=(None, True))
    assert (lead.last_contact_at, lead.awaiting_reply) == (last[0], not last[1])
    counts = Counter(Thread.objects.values_list("message_count", flat=True))
    assert sum(size * count for size, count in counts.items()) == len(mails) == Message.objects.count()
    assert all(START - timedelta(seconds=1) <= one.sent_at for one in Message.objects.all())


@SLOW
@given(mails=mailboxes())
def test_bringing_everything_again_leaves_every_row_as_it_was(box, mails):
    emptied()
    make_lead()
    bring(box, [mails, [b"rubbish"]])
    before = rows()
    bring(box, [mails[::-1], [b"rubbish"]])
    bring(box, [[one] for one in mails])
    assert rows() == before


def rows() -> dict[str, list[str]]:
    """Every row of every table that taking in writes to, as text."""
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
