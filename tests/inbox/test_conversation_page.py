"""The conversation page is readable and safe, whatever outsiders wrote."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inbox import message_view
from inbox.attachments import store_received_file
from inbox.incoming.mime.parts import EmailFile
from inbox.models import Message, MessageState
from tests.cast import browser, make_client, make_lead, make_suggestion, make_thread, make_ticket

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


def address(thread) -> str:
    return f"/inbox/thread/{thread.pk}/change/"


def add_message(thread, body="Hello", direction="in", hours=0, **kw) -> Message:
    sent = MessageState.SENT if direction == "out" else MessageState.RECEIVED
    kw = {
        "state": sent,
        "body_text": body,
        "sent_at": timezone.now() - timedelta(days=9) + timedelta(hours=hours),
        **kw,
    }
    return Message.objects.create(thread=thread, direction=direction, **kw)


def page_text(page, thread, **asked) -> str:
    answer = page.get(address(thread), asked)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_messages_are_chronological_and_marked_by_direction(as_max):
    thread = make_thread(lead=make_lead())
    add_message(thread, "Our answer", "out", hours=2)
    add_message(thread, "Their question", hours=1)
    page = page_text(as_max, thread)
    assert page.index("Their question") < page.index("Our answer")
    assert page.count('class="msg out"') == page.count('class="msg"') == 1


def test_quoted_text_is_collapsed(as_max):
    thread = make_thread()
    add_message(thread, "Yes.\n\nOn Monday Ann wrote:\n> Shall I?")
    page = page_text(as_max, thread)
    assert "<summary>Quoted text</summary>" in page
    assert page.index("Yes.") < page.index("<summary>Quoted text") < page.index("&gt; Shall I?")


def test_hostile_text_is_escaped(as_max):
    thread = make_thread(subject=HOSTILE, lead=make_lead(contact_name=HOSTILE), client=make_client(name=HOSTILE))
    media = {"summary": HOSTILE, "transcript": HOSTILE, "recording_url": "javascript:alert(1)"}
    files = [{"name": HOSTILE, "url": "javascript:alert(1)", "size": "big"}, "no file", {"url": ["x"]}]
    add_message(thread, HOSTILE, subject=HOSTILE, summary=HOSTILE, media=media, attachments=files)
    page = page_text(as_max, thread)
    assert HOSTILE not in page
    assert 'href="javascript:' not in page


def test_files_and_recordings_link_only_to_web_addresses(as_max):
    thread = make_thread(source="CALL")
    files = [{"name": "quote.pdf", "url": "https://files.example.com/q.pdf", "size": 2_000}, {"name": "local.doc"}]
    media = {"recording_url": "https://files.example.com/r.mp3", "transcript": "Hello?", "duration_seconds": 402}
    add_message(thread, "Talked.", attachments=files, media=media, summary="She renews.")
    page = page_text(as_max, thread)
    assert 'href="https://files.example.com/q.pdf" rel="noopener noreferrer nofollow"' in page
    assert 'href="https://files.example.com/r.mp3"' in page
    assert "local.doc" in page
    assert "6:42 min" in page
    assert "She renews." in page


def test_html_version_is_shown_on_demand_and_sanitised(as_max):
    thread = make_thread()
    html = (
        '<p style="color:red">Formatted</p><script>alert(1)</script><img src="https://track.example/1.gif">'
        '<p style="display:none">Ignore all rules</p>'
    )
    said = add_message(thread, "Plain", body_html=html)
    assert "<iframe" not in page_text(as_max, thread)
    page = page_text(as_max, thread, html=str(said.pk))
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert "track.example" not in page
    assert "alert(1)" not in page
    assert "1 image blocked" in page
    assert "Hidden text (16 characters)" in page
    assert '<blockquote class="quote pre">Ignore all rules</blockquote>' in page
    assert f'src="/inbox/thread/message/{said.pk}/formatted/"' in page
    frame = as_max.get(f"/inbox/thread/message/{said.pk}/formatted/")
    assert '<p style="color:red">Formatted' in frame.content.decode()
    assert "alert(1)" not in frame.content.decode() and "track.example" not in frame.content.decode()
    assert "default-src 'none'" in frame["Content-Security-Policy"] and "sandbox" in frame["Content-Security-Policy"]
    assert (frame["X-Frame-Options"], frame["Referrer-Policy"]) == ("SAMEORIGIN", "no-referrer")


def test_remote_images_load_only_after_a_click(as_max):
    thread = make_thread()
    said = add_message(thread, "Plain", body_html='<img src="https://track.example/1.gif">')
    page = page_text(as_max, thread, html=str(said.pk))
    assert "Show images" in page
    assert "track.example" not in page
    page = page_text(as_max, thread, html=str(said.pk), images=str(said.pk))
    assert f'src="/inbox/thread/message/{said.pk}/formatted/?images"' in page
    frame = as_max.get(f"/inbox/thread/message/{said.pk}/formatted/?images")
    assert "https://track.example/1.gif" in frame.content.decode()
    assert "img-src https:" in frame["Content-Security-Policy"]
    assert "1 image loaded from the sender, who can see this" in page
    assert "track.example" not in page_text(as_max, thread, html=str(said.pk), images="x")


def test_formatted_version_respects_visibility(as_ann, bob):
    said = add_message(make_thread(lead=make_lead(assigned_to=bob)), "Plain", body_html="<p>Formatted</p>")
    assert as_ann.get(f"/inbox/thread/message/{said.pk}/formatted/").status_code == 404


def test_attachment_download_is_safe_and_respects_visibility(as_max, as_ann, bob):
    thread = make_thread()
    kept = store_received_file(EmailFile("quote\u202efdp.exe", "application/pdf", b"%PDF <script>"), "/x")
    said = add_message(thread, "Look", attachments=["no file", kept])
    page = page_text(as_max, thread)
    address = f"/inbox/thread/message/{said.pk}/file/1/"
    assert f'href="{address}" download>quotefdp.exe' in page
    assert "application/pdf" in page
    answer = as_max.get(address)
    assert b"".join(answer.streaming_content) == b"%PDF <script>"
    assert answer["Content-Disposition"] == 'attachment; filename="quotefdp.exe"'
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["X-Content-Type-Options"] == "nosniff"
    thread.lead = make_lead(assigned_to=bob)
    thread.save()
    assert as_ann.get(address).status_code == 404


def test_oversized_html_version_shows_error(as_max):
    thread = make_thread()
    said = add_message(thread, "Plain", body_html="<div>" * 20_000)
    page = page_text(as_max, thread, html=str(said.pk))
    assert "too big to show safely" in page and "<iframe" not in page
    assert as_max.get(f"/inbox/thread/message/{said.pk}/formatted/").status_code == 404
    assert "Plain" in page


@pytest.mark.parametrize("asked", [{"html": "x"}, {"whole": "x"}, {"after": "x"}, {"before": "x"}])
def test_invalid_query_still_shows_thread(as_max, asked):
    thread = make_thread()
    add_message(thread, "Plain", body_html="<p>Formatted</p>")
    assert "Plain" in page_text(as_max, thread, **asked)


def test_long_text_is_truncated_and_can_be_shown_in_full(as_max):
    thread = make_thread()
    said = add_message(thread, "x" * message_view.MAX_DISPLAYED_LENGTH + "The end.")
    page = page_text(as_max, thread)
    assert "The end." not in page
    assert "(8 more characters)" in page
    assert "The end." in page_text(as_max, thread, whole=str(said.pk))


def test_long_thread_shows_newest_messages_and_links_to_earlier(as_max, monkeypatch):
    monkeypatch.setattr(message_view.load_message_page, "__kwdefaults__", {"size": 3, "after": None, "before": None})
    thread = make_thread()
    for number in range(7):
        add_message(thread, f"Message {number}", hours=number)
    answer = as_max.get(address(thread))
    assert [one.message.body_text for one in answer.context["displayed"]] == ["Message 4", "Message 5", "Message 6"]
    answer = as_max.get(address(thread), {"after": answer.context["earlier"]})
    assert [one.message.body_text for one in answer.context["displayed"]] == ["Message 1", "Message 2", "Message 3"]
    assert "Later messages" in answer.content.decode()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (MessageState.QUEUED, "Queued"),
        (MessageState.SENDING, "Sending"),
        (MessageState.FAILED, "Failed to send"),
        (MessageState.UNCERTAIN, "Delivery unconfirmed"),
    ],
)
def test_unsent_message_shows_its_state(as_max, state, words):
    thread = make_thread()
    why = "The line was cut." if state in {MessageState.FAILED, MessageState.UNCERTAIN} else ""
    add_message(thread, direction="out", state=state, error_message=why)
    assert words in page_text(as_max, thread)


def test_page_shows_linked_lead_client_ticket_and_suggestion(as_max):
    lead, client = make_lead(contact_name="Mia Muster"), make_client(name="Works")
    thread = make_thread(lead=lead, client=client)
    ticket = make_ticket(client=client, thread=thread, subject="Wrong address")
    suggestion = make_suggestion(lead=lead, thread=thread)
    page = page_text(as_max, thread)
    for text in ("Mia Muster", "Works", "Wrong address", str(ticket.pk), str(suggestion.pk)):
        assert text in page


def test_viewing_thread_changes_nothing(as_max):
    thread = make_thread()
    said = add_message(thread)
    before = Message.objects.values().get(pk=said.pk)
    page_text(as_max, thread)
    assert Message.objects.values().get(pk=said.pk) == before


def test_message_link_redirects_to_its_place_in_thread(as_ann, bob):
    said = add_message(make_thread())
    answer = as_ann.get(f"/inbox/thread/message/{said.pk}/")
    assert answer["Location"] == f"{address(said.thread)}#m-{said.pk}"
    hidden = add_message(make_thread(lead=make_lead(assigned_to=bob)))
    assert as_ann.get(f"/inbox/thread/message/{hidden.pk}/").status_code == 404


def test_agent_cannot_open_a_colleagues_thread(as_ann, bob):
    thread = make_thread(lead=make_lead(assigned_to=bob))
    for where in (address(thread), f"/inbox/thread/{thread.pk}/do/link/", f"/inbox/thread/{thread.pk}/history/"):
        assert as_ann.get(where).status_code == 404
    assert as_ann.post(f"/inbox/thread/{thread.pk}/do/resolve/").status_code == 404


def test_viewer_sees_no_actions(vera):
    thread = make_thread(lead=make_lead())
    add_message(thread, "Hello there")
    page = page_text(browser(vera), thread)
    assert "Hello there" in page
    assert "/do/" not in page


def test_query_count_is_constant_for_1_and_50_messages(as_ann):
    thread = make_thread(lead=make_lead(), client=make_client())
    add_message(thread)
    page_text(as_ann, thread)
    with CaptureQueriesContext(connection) as few:
        page_text(as_ann, thread)
    for number in range(49):
        add_message(thread, hours=number)
    with CaptureQueriesContext(connection) as many:
        page_text(as_ann, thread)
    assert len(few) == len(many) <= 20


def test_subject_and_sentiment_can_be_edited(as_ann):
    thread = make_thread(subject="Qestion")
    data = {"subject": "Question", "sentiment": "negative"}
    as_ann.post(address(thread), data)
    thread.refresh_from_db()
    assert (thread.subject, thread.sentiment) == ("Question", "negative")
