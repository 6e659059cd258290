"""The small form of `python -m bench kills`, and what it measures."""

import threading
from uuid import uuid4

import pytest

from bench.kill_load import Person, Prober, Promises
from bench.kills import Outcome, Plan, count_faults, run_apart
from inbox.models import Message
from inbox.transitions import add_to_thread
from tests.cast import make_lead, make_suggestion, make_thread
from tests.inbox.web_forms import make_web_form


@pytest.mark.storm
def test_killed_processes_lose_nothing_and_do_nothing_twice(capfd):
    """The time until the page is back is left to the bench: this machine may be busy."""
    plan = Plan(kills=6, seconds=18, suggestions=48, max_seconds_until_back=60, hurries=True)
    assert run_apart(plan), "".join(capfd.readouterr())


def test_page_is_back_with_the_first_of_several_good_answers():
    prober = Prober(Person("http://127.0.0.1:9", Promises(), threading.Event()))
    prober.log = [(0.0, 0.1, True), (1.0, 1.1, True), (1.2, 1.3, False), (2.0, 2.5, True), (2.6, 2.7, True)]
    assert prober.seconds_until_back(0.9) is None
    prober.log.append((2.8, 2.9, True))
    assert prober.seconds_until_back(0.9) == pytest.approx(1.6)


@pytest.mark.django_db
def test_missing_and_doubled_results_are_counted():
    make_lead(contact_name="Imported 0-0")
    make_lead(contact_name="Imported 0-0")
    thread, form = make_thread(), make_web_form()
    for _ in range(2):
        sent = {"direction": "in", "from_email": "twice@example.com", "sent_at": thread.created_at}
        add_to_thread(Message(thread=thread, body_text="Hello", **sent))
    form.submissions.create(idempotency_key="filed", content_digest="0" * 64, outcome="NEW_LEAD")
    promises = Promises(
        approved=[str(make_suggestion(lead=make_lead()).pk), str(uuid4())],
        form_keys=["filed", "missing"],
        imports=["missing.csv"],
        senders=["twice@example.com", "missing@example.com"],
        broken=["an error page"],
    )
    outcome = Outcome({"web worker": [0.5, None, 7.0]})
    assert {words: count for words, count in count_faults(promises, outcome, 5.0).items() if count} == {
        "times the page was not back after 5 s": 2,
        "error pages": 1,
        "decisions lost": 1,
        "forms lost": 1,
        "emails lost": 1,
        "emails stored twice": 1,
        "imports lost": 1,
        "rows imported twice": 1,
    }
