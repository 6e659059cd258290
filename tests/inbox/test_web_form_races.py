"""Two at once, two processes, and a crash between storing and answering: each message is filed once."""

import threading

import pytest
from django.db import connection, connections

from inbox.models import Message, WebForm, WebFormSubmission
from inbox.web_forms import filing, transitions, views
from leads.models import Lead
from tests.cast import make_lead
from tests.crm.processes import current_database_url, manage
from tests.inbox.web_forms import PERSON, make_web_form, post_json
from tests.killing import Killed, kill_at

pytestmark = pytest.mark.django_db(transaction=True)
# Nothing but a lock keeps two leads with one phone number apart: the database has no rule against them.
CALLER = {**PERSON, "email": ""}


def at_once(*senders) -> list[int]:
    """Run all `senders` at the same time, each with a connection of its own; return their statuses."""
    start, statuses = threading.Barrier(len(senders)), []

    def run(send) -> None:
        try:
            start.wait()
            statuses.append(send().status_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[send]) for send in senders]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return sorted(statuses)


def test_same_key_at_once_gives_one_lead():
    web_form = make_web_form()
    assert at_once(*[lambda: post_json(web_form, CALLER, key="abc")] * 4) == [200, 200, 200, 201]
    assert (Lead.objects.count(), Message.objects.count()) == (1, 1)


def test_same_sender_at_once_gives_one_lead_with_both_messages():
    web_form, other = make_web_form(), make_web_form()
    first = lambda: post_json(web_form, {**CALLER, "message": "First"})  # noqa: E731
    second = lambda: post_json(other, {**CALLER, "message": "Second", "phone": "+1 (419) 555-0142"})  # noqa: E731
    assert at_once(first, second) == [201, 201]
    assert (Lead.objects.count(), Message.objects.count()) == (1, 2)


def test_lead_that_a_colleague_creates_meanwhile_takes_the_message(monkeypatch):
    web_form, found = make_web_form(), []

    def find_then_create(*args):
        """Find nothing at first; then a colleague creates the lead."""
        found.append(real(*args))
        if len(found) == 1:
            worker = threading.Thread(target=create)
            worker.start()
            worker.join()
        return found[-1]

    def create() -> None:
        make_lead(contact_email="nora@example.com")
        connection.close()

    real = filing.find_sender
    monkeypatch.setattr(filing, "find_sender", find_then_create)
    monkeypatch.setattr(filing, "is_address_taken", lambda address: False)
    assert post_json(web_form).status_code == 201
    assert Lead.objects.get() == Message.objects.get().thread.lead


def test_limit_is_shared_by_processes():
    web_form = make_web_form(hourly_limit_per_sender=3)
    assert post_json(web_form).status_code == 201
    code = f"""
from django.test import Client
for number in range(3):
    fields = dict(name="Nora", email=f"n{{number}}@example.com")
    answer = Client(SERVER_NAME="localhost").post("/in/{web_form.token}", fields, content_type="application/json")
    print("status", answer.status_code)
"""
    output = manage("shell", "--command", code, DATABASE_URL=current_database_url()).stdout
    assert [line for line in output.splitlines() if line.startswith("status")] == [
        "status 201",
        "status 201",
        "status 429",
    ]
    assert post_json(web_form, {**PERSON, "email": "last@example.com"}).status_code == 429


@pytest.mark.parametrize(
    ("module", "name", "after"),
    [(filing, "create_lead", True), (filing, "add_to_thread", True), (transitions, "store_submission", True)]
    + [(views, "answer_accepted", False)],
)
def test_crash_anywhere_then_the_same_key_again_gives_one_lead(monkeypatch, module, name, after):
    web_form = make_web_form()
    for _ in kill_at(monkeypatch, module, name, after=after):
        with pytest.raises(Killed):
            post_json(web_form, key="abc")
    stored = WebFormSubmission.objects.count()
    assert Lead.objects.count() == Message.objects.count() == stored
    assert post_json(web_form, key="abc").status_code == (200 if stored else 201)
    assert (Lead.objects.count(), Message.objects.count(), WebFormSubmission.objects.count()) == (1, 1, 1)


def test_form_that_is_purged_meanwhile_is_not_found():
    web_form = make_web_form()
    WebForm.everything.filter(pk=web_form.pk).delete()
    with pytest.raises(transitions.FormNotFound):
        transitions.store_submission(web_form, views.SenderForm(PERSON, web_form=web_form), "")
