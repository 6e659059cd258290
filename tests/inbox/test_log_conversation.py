"""Logging conversations that took place outside the program."""

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from crm.exceptions import InvalidInput, NotPermitted
from crm.models import ActivityLog
from crm.records.activity import SYSTEM_ACTOR
from crm.records.transitions import soft_delete
from inbox.attachments import MAX_ATTACHMENT_BYTES
from inbox.models import Thread, ThreadStatus
from inbox.transitions import ConversationDetails, log_conversation
from tests.cast import browser, make_client, make_lead

pytestmark = pytest.mark.django_db
ADD = "/inbox/thread/add/"


def log_call(about, by, **kw) -> Thread:
    kw = {"source": "CALL", "direction": "out", "subject": "Renewal", "body": "She will think about it.", **kw}
    return log_conversation(about, **kw, by=by)


def form_data(**kw) -> dict[str, object]:
    at = timezone.localtime().strftime("%Y-%m-%dT%H:%M")
    return {"source": "CALL", "direction": "out", "subject": "Renewal", "body": "A word", "at": at, **kw}


def test_logged_call_sets_contact_date_and_lead_timeline(ann):
    lead, at = make_lead(), timezone.now() - timedelta(days=2)
    thread = log_call(lead, ann, at=at)
    lead.refresh_from_db()
    assert (thread.message_count, thread.last_message_at, thread.awaiting_reply) == (1, at, True)
    assert (lead.last_contact_at, lead.awaiting_reply) == (at, True)
    assert ActivityLog.objects.on_timeline_of(lead).get(target_id=thread.pk).summary == "Call: Renewal"
    assert thread.messages.get().is_read


def test_client_conversation_is_on_client_timeline(ann):
    client = make_client()
    thread = log_call(client, ann, direction="in")
    assert thread.client == client
    assert ActivityLog.objects.on_timeline_of(client)[0].target_id == thread.pk


def test_resolved_conversation_is_stored_as_resolved(ann):
    assert log_call(make_lead(), ann, direction="in", resolved=True).status == ThreadStatus.RESOLVED
    assert not Thread.objects.needs_reply().exists()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"body": "  "}, "Enter notes, or add"),
        ({"at": timezone.now() + timedelta(days=1)}, "is in the future. Create a task"),
        ({"source": "PIGEON"}, "PIGEON"),
        ({"direction": "sideways"}, "sideways"),
        ({"subject": "x" * 501}, "500"),
    ],
)
def test_invalid_input_is_refused_and_nothing_saved(ann, wrong, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        log_call(make_lead(), ann, **wrong)
    assert not Thread.everything.exists()


def test_logging_needs_visible_lead_and_permission(ann, bob, vera):
    with pytest.raises(InvalidInput, match="do not have access to it"):
        log_call(make_lead(assigned_to=bob), ann)
    gone = make_lead()
    soft_delete(gone, by=SYSTEM_ACTOR)
    with pytest.raises(InvalidInput, match="deleted"):
        log_call(gone, ann)
    with pytest.raises(NotPermitted):
        log_call(make_lead(), vera)


def test_form_is_prefilled_with_lead(as_ann):
    lead = make_lead(contact_name="Mia Muster")
    page = as_ann.get(ADD, {"lead": lead.pk}).content.decode()
    assert "Mia Muster" in page


def test_form_logs_conversation_and_redirects_to_it(as_ann):
    lead = make_lead()
    answer = as_ann.post(ADD, form_data(lead=str(lead.pk), resolved="on"))
    thread = Thread.objects.get()
    assert answer["Location"] == f"/inbox/thread/{thread.pk}/change/"
    assert (thread.lead, thread.status, thread.message_count) == (lead, ThreadStatus.RESOLVED, 1)


def test_form_needs_exactly_one_lead_or_client(as_ann):
    lead, client = make_lead(), make_client()
    for whose in ({}, {"lead": str(lead.pk), "client": str(client.pk)}):
        page = as_ann.post(ADD, form_data(**whose)).content.decode()
        assert "Choose either a lead or a client" in page
    assert not Thread.objects.exists()


def test_form_rejects_a_colleagues_lead(as_ann, bob):
    answer = as_ann.post(ADD, form_data(lead=str(make_lead(assigned_to=bob).pk)))
    assert "Select a valid choice" in answer.content.decode()
    assert not Thread.objects.exists()


def test_form_rejects_future_date(as_ann):
    later = (timezone.localtime() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    page = as_ann.post(ADD, form_data(lead=str(make_lead().pk), at=later), follow=True).content.decode()
    assert "is in the future. Create a task" in page
    assert not Thread.objects.exists()


def test_viewer_cannot_open_form(vera):
    assert browser(vera).get(ADD).status_code == 403


# Details


def test_recording_transcript_and_files_are_shown_and_searchable(as_ann, ann):
    details = ConversationDetails(
        summary="She wants flood cover.",
        transcript="Well, the windmill stands beside the river.",
        recording_url="https://calls.example.com/17",
        duration=402,
        participants=["Zoe Zimmer", " Lee <lee@example.com>", ""],
        documents=[("policy <b>.pdf", "application/pdf", b"%PDF")],
        document_url="https://files.example.com/a/old%20policy.pdf?x=1",
    )
    thread = log_call(make_lead(), ann, details=details, body="")
    message = thread.messages.get()
    assert (message.summary, message.snippet) == ("She wants flood cover.", "She wants flood cover.")
    assert message.media["duration_seconds"] == 402
    assert thread.participant_emails == ["lee@example.com"]
    assert [file["name"] for file in message.attachments] == ["policy <b>.pdf", "old policy.pdf"]
    page = as_ann.get(f"/inbox/thread/{thread.pk}/change/").content.decode()
    for text in ("She wants flood cover.", "the windmill stands", "https://calls.example.com/17", "6:42", "Zoe Zimmer"):
        assert text in page
    assert 'href="https://files.example.com/a/old%20policy.pdf?x=1"' in page
    assert "policy &lt;b&gt;.pdf" in page
    file = as_ann.get(f"/inbox/thread/message/{message.pk}/file/0/")
    assert b"".join(file.streaming_content) == b"%PDF"
    for words in ("flood", "windmill", "policy"):
        rows = as_ann.get("/inbox/thread/", {"q": words}).context["cl"].page.rows
        assert [row.pk for row in rows] == [thread.pk], words


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"recording_url": "javascript:alert(1)"}, "must begin with http"),
        ({"recording_url": "ftp://example.com/x"}, "must begin with http"),
        ({"document_url": "file:///etc/passwd"}, "must begin with http"),
        ({"summary": "x" * 5_001}, "The summary has 5,001 characters"),
        ({"transcript": "x" * 200_001}, "The transcript has 200,001 characters"),
        ({"duration": -1}, "between 0 minutes and 24 hours"),
        ({"participants": ["x"] * 51}, "at most 50 participants"),
        ({"participants": ["x" * 300]}, "of at most 200 characters each"),
        ({"documents": [("big.bin", "", b"x" * (MAX_ATTACHMENT_BYTES + 1))]}, "is too large"),
        ({"participants": ["not@anaddress"]}, "is not an email address"),
    ],
)
def test_invalid_recording_details_are_refused_and_nothing_saved(ann, wrong, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        log_call(make_lead(), ann, details=ConversationDetails(**wrong))
    assert not Thread.everything.exists()


def test_form_saves_all_details(as_ann):
    file = SimpleUploadedFile("minutes.txt", b"All agreed.", "text/plain")
    asked = {
        "summary": "Agreed",
        "body": "",
        "minutes": "7",
        "participants": "Zoe, lee@example.com",
        "transcript": "So",
    }
    more = {"recording_url": "https://calls.example.com/1", "document": file, "document_url": ""}
    as_ann.post(ADD, form_data(lead=str(make_lead().pk), source="MEETING", **{**asked, **more}))
    message = Thread.objects.get().messages.get()
    assert message.summary == "Agreed"
    assert message.media == {
        "recording_url": "https://calls.example.com/1",
        "transcript": "So",
        "duration_seconds": 420,
        "participants": ["Zoe", "lee@example.com"],
    }
    assert message.attachments[0]["name"] == "minutes.txt"


@pytest.mark.parametrize(
    "wrong", [{"recording_url": "javascript:alert(1)"}, {"minutes": "-1"}, {"minutes": "9999"}, {"body": ""}]
)
def test_form_shows_errors_and_keeps_typed_text(as_ann, wrong):
    answer = as_ann.post(ADD, form_data(lead=str(make_lead().pk), subject="Kept subject", **wrong))
    page = answer.content.decode()
    assert "Kept subject" in page
    assert "errorlist" in page or "errornote" in page or "error" in page
    assert not Thread.objects.exists()
