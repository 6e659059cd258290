"""Writing down what was said outside the program."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crm.activity import SYSTEM
from crm.models import ActivityLog
from crm.refusals import BadInput, NotAllowed
from crm.transitions import soft_delete
from inbox.models import Thread, ThreadStatus
from inbox.transitions import log_conversation
from tests.cast import browser, make_client, make_lead

pytestmark = pytest.mark.django_db
ADD = "/inbox/thread/add/"


def log(about, by, **kw) -> Thread:
    kw = {"source": "CALL", "direction": "out", "subject": "Renewal", "body": "She will think about it.", **kw}
    return log_conversation(about, **kw, by=by)


def form(**kw) -> dict[str, str]:
    at = timezone.localtime().strftime("%Y-%m-%dT%H:%M")
    return {"source": "CALL", "direction": "out", "subject": "Renewal", "body": "A word", "at": at, **kw}


def test_a_call_is_kept_with_its_date_on_the_leads_timeline(ann):
    lead, at = make_lead(), timezone.now() - timedelta(days=2)
    thread = log(lead, ann, at=at)
    lead.refresh_from_db()
    assert (thread.message_count, thread.last_message_at, thread.awaiting_reply) == (1, at, True)
    assert (lead.last_contact_at, lead.awaiting_reply) == (at, True)
    assert ActivityLog.objects.on_timeline_of(lead).get(target_id=thread.pk).summary == "Call: Renewal"
    assert thread.messages.get().is_read


def test_one_with_a_client_stands_on_the_clients_timeline(ann):
    client = make_client()
    thread = log(client, ann, direction="in")
    assert thread.client == client
    assert ActivityLog.objects.on_timeline_of(client)[0].target_id == thread.pk


def test_what_is_settled_is_put_among_the_resolved(ann):
    assert log(make_lead(), ann, direction="in", resolved=True).status == ThreadStatus.RESOLVED
    assert not Thread.objects.we_owe().exists()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"body": "  "}, "Say what was said"),
        ({"at": timezone.now() + timedelta(days=1)}, "is a task, not a conversation"),
        ({"source": "PIGEON"}, "PIGEON"),
        ({"direction": "sideways"}, "sideways"),
        ({"subject": "x" * 501}, "500"),
    ],
)
def test_bad_input_gets_a_sentence_and_leaves_nothing(ann, wrong, sentence):
    with pytest.raises(BadInput, match=sentence):
        log(make_lead(), ann, **wrong)
    assert not Thread.everything.exists()


def test_nobody_logs_for_a_lead_that_is_not_theirs_or_deleted(ann, bob, vera):
    with pytest.raises(BadInput, match="not yours to see"):
        log(make_lead(assigned_to=bob), ann)
    gone = make_lead()
    soft_delete(gone, by=SYSTEM)
    with pytest.raises(BadInput, match="deleted"):
        log(gone, ann)
    with pytest.raises(NotAllowed):
        log(make_lead(), vera)


def test_the_form_knows_the_lead_it_was_opened_from(as_ann):
    lead = make_lead(contact_name="Mia Muster")
    page = as_ann.get(ADD, {"lead": lead.pk}).content.decode()
    assert "Mia Muster" in page


def test_the_form_writes_it_down_and_leads_to_the_conversation(as_ann):
    lead = make_lead()
    answer = as_ann.post(ADD, form(lead=str(lead.pk), resolved="on"))
    thread = Thread.objects.get()
    assert answer["Location"] == f"/inbox/thread/{thread.pk}/change/"
    assert (thread.lead, thread.status, thread.message_count) == (lead, ThreadStatus.RESOLVED, 1)


def test_the_form_asks_for_a_lead_or_a_client(as_ann):
    lead, client = make_lead(), make_client()
    for whose in ({}, {"lead": str(lead.pk), "client": str(client.pk)}):
        page = as_ann.post(ADD, form(**whose)).content.decode()
        assert "Choose with whom it was" in page
    assert not Thread.objects.exists()


def test_the_form_takes_no_lead_of_another(as_ann, bob):
    answer = as_ann.post(ADD, form(lead=str(make_lead(assigned_to=bob).pk)))
    assert "Select a valid choice" in answer.content.decode()
    assert not Thread.objects.exists()


def test_the_form_refuses_the_future_with_a_sentence(as_ann):
    later = (timezone.localtime() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    page = as_ann.post(ADD, form(lead=str(make_lead().pk), at=later), follow=True).content.decode()
    assert "is a task, not a conversation" in page
    assert not Thread.objects.exists()


def test_a_viewer_gets_no_form(vera):
    assert browser(vera).get(ADD).status_code == 403
