"""A conversation on its page: read like one, whatever an outsider wrote into it."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inbox import message_view
from inbox.attachments import received
from inbox.models import Message, MessageState
from tests.cast import browser, make_client, make_lead, make_suggestion, make_thread, make_ticket

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


def address(thread) -> str:
    return f"/inbox/thread/{thread.pk}/change/"


def say(thread, body="Hello", direction="in", hours=0, **kw) -> Message:
    sent = MessageState.SENT if direction == "out" else MessageState.RECEIVED
    kw = {
        "state": sent,
        "body_text": body,
        "sent_at": timezone.now() - timedelta(days=9) + timedelta(hours=hours),
        **kw,
    }
    return Message.objects.create(thread=thread, direction=direction, **kw)


def read(page, thread, **asked) -> str:
    answer = page.get(address(thread), asked)
    assert answer.status_code == 200
    return answer.content.decode()


def test_messages_stand_in_the_order_they_were_said_ours_apart_from_theirs(as_max):
    thread = make_thread(lead=make_lead())
    say(thread, "Second", "out", hours=2)
    say(thread, "First", hours=1)
    page = read(as_max, thread)
    assert page.index("First") < page.index("Second")
    assert page.count('class="msg out"') == page.count('class="msg"') == 1


def test_quotes_are_folded(as_max):
    thread = make_thread()
    say(thread, "Yes.\n\nOn Monday Ann wrote:\n> Shall I?")
    page = read(as_max, thread)
    assert "<summary>Quoted text</summary>" in page
    assert page.index("Yes.") < page.index("<summary>Quoted text") < page.index("&gt; Shall I?")


def test_hostile_text_is_shown_as_text(as_max):
    thread = make_thread(subject=HOSTILE, lead=make_lead(contact_name=HOSTILE), client=make_client(name=HOSTILE))
    media = {"summary": HOSTILE, "transcript": HOSTILE, "recording_url": "javascript:alert(1)"}
    files = [{"name": HOSTILE, "url": "javascript:alert(1)", "size": "big"}, "no file", {"url": ["x"]}]
    say(thread, HOSTILE, subject=HOSTILE, summary=HOSTILE, media=media, attachments=files)
    page = read(as_max, thread)
    assert HOSTILE not in page
    assert 'href="javascript:' not in page


def test_files_and_recordings_are_links_only_to_the_web(as_max):
    thread = make_thread(source="CALL")
    files = [{"name": "quote.pdf", "url": "https://files.example.com/q.pdf", "size": 2_000}, {"name": "local.doc"}]
    media = {"recording_url": "https://files.example.com/r.mp3", "transcript": "Hello?", "duration_seconds": 402}
    say(thread, "Talked.", attachments=files, media=media, summary="She renews.")
    page = read(as_max, thread)
    assert 'href="https://files.example.com/q.pdf" rel="noopener noreferrer nofollow"' in page
    assert 'href="https://files.example.com/r.mp3"' in page
    assert "local.doc" in page
    assert "6:42 min" in page
    assert "She renews." in page


def test_the_formatted_version_is_shown_only_on_demand_and_is_harmless(as_max):
    thread = make_thread()
    html = (
        '<p style="color:red">Formatted</p><script>alert(1)</script><img src="https://track.example/1.gif">'
        '<p style="display:none">Ignore all rules</p>'
    )
    said = say(thread, "Plain", body_html=html)
    assert "<iframe" not in read(as_max, thread)
    page = read(as_max, thread, html=str(said.pk))
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert "track.example" not in page
    assert "alert(1)" not in page
    assert "1 image held back" in page
    assert "Hidden text (16 characters): written so that you do not see it" in page
    assert '<blockquote class="quote pre">Ignore all rules</blockquote>' in page
    assert "&lt;p style=&quot;color:red&quot;&gt;Formatted" in page


def test_images_are_fetched_only_on_a_click_that_says_what_it_means(as_max):
    thread = make_thread()
    said = say(thread, "Plain", body_html='<img src="https://track.example/1.gif">')
    page = read(as_max, thread, html=str(said.pk))
    assert "Show images (the sender will know)" in page
    assert "track.example" not in page
    page = read(as_max, thread, html=str(said.pk), images=str(said.pk))
    assert "https://track.example/1.gif" in page
    assert "1 image fetched from the sender, who can see that" in page
    assert "track.example" not in read(as_max, thread, html=str(said.pk), images="x")


def test_a_file_that_came_in_can_be_saved_and_its_name_hides_nothing(as_max, as_ann, bob):
    thread = make_thread()
    kept = received("quote\u202efdp.exe", "application/pdf", b"%PDF <script>", "/x")
    said = say(thread, "Look", attachments=["no file", kept])
    page = read(as_max, thread)
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


def test_a_formatted_version_that_is_too_big_gets_a_sentence(as_max):
    thread = make_thread()
    said = say(thread, "Plain", body_html="<div>" * 20_000)
    page = read(as_max, thread, html=str(said.pk))
    assert "too big to be shown safely" in page
    assert "Plain" in page


@pytest.mark.parametrize("asked", [{"html": "x"}, {"whole": "x"}, {"after": "x"}, {"before": "x"}])
def test_what_cannot_be_asked_shows_the_conversation(as_max, asked):
    thread = make_thread()
    say(thread, "Plain", body_html="<p>Formatted</p>")
    assert "Plain" in read(as_max, thread, **asked)


def test_a_very_long_text_is_cut_and_can_be_read_whole(as_max):
    thread = make_thread()
    said = say(thread, "x" * message_view.LONGEST + "The end.")
    page = read(as_max, thread)
    assert "The end." not in page
    assert "(8 more characters)" in page
    assert "The end." in read(as_max, thread, whole=str(said.pk))


def test_a_long_conversation_shows_the_newest_and_leads_to_the_earlier(as_max, monkeypatch):
    monkeypatch.setattr(message_view.pages_of, "__kwdefaults__", {"size": 3, "after": None, "before": None})
    thread = make_thread()
    for number in range(7):
        say(thread, f"Message {number}", hours=number)
    answer = as_max.get(address(thread))
    assert [one.message.body_text for one in answer.context["said"]] == ["Message 4", "Message 5", "Message 6"]
    answer = as_max.get(address(thread), {"after": answer.context["earlier"]})
    assert [one.message.body_text for one in answer.context["said"]] == ["Message 1", "Message 2", "Message 3"]
    assert "Later messages" in answer.content.decode()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (MessageState.QUEUED, "Queued"),
        (MessageState.SENDING, "Sending"),
        (MessageState.FAILED, "Not sent"),
        (MessageState.UNCERTAIN, "Perhaps sent: sending was cut off"),
    ],
)
def test_what_was_not_sent_yet_says_so(as_max, state, words):
    thread = make_thread()
    why = "The line was cut." if state in {MessageState.FAILED, MessageState.UNCERTAIN} else ""
    say(thread, direction="out", state=state, error_message=why)
    assert words in read(as_max, thread)


def test_what_hangs_on_it_stands_beside_it(as_max):
    lead, client = make_lead(contact_name="Mia Muster"), make_client(name="Works")
    thread = make_thread(lead=lead, client=client)
    ticket = make_ticket(client=client, thread=thread, subject="Wrong address")
    suggestion = make_suggestion(lead=lead, thread=thread)
    page = read(as_max, thread)
    for text in ("Mia Muster", "Works", "Wrong address", str(ticket.pk), str(suggestion.pk)):
        assert text in page


def test_opening_it_changes_nothing(as_max):
    thread = make_thread()
    said = say(thread)
    before = Message.objects.values().get(pk=said.pk)
    read(as_max, thread)
    assert Message.objects.values().get(pk=said.pk) == before


def test_a_message_is_found_by_its_key(as_ann, bob):
    said = say(make_thread())
    answer = as_ann.get(f"/inbox/thread/message/{said.pk}/")
    assert answer["Location"] == f"{address(said.thread)}#m-{said.pk}"
    hidden = say(make_thread(lead=make_lead(assigned_to=bob)))
    assert as_ann.get(f"/inbox/thread/message/{hidden.pk}/").status_code == 404


def test_an_agent_does_not_read_anothers(as_ann, bob):
    thread = make_thread(lead=make_lead(assigned_to=bob))
    for where in (address(thread), f"/inbox/thread/{thread.pk}/do/link/", f"/inbox/thread/{thread.pk}/history/"):
        assert as_ann.get(where).status_code == 404
    assert as_ann.post(f"/inbox/thread/{thread.pk}/do/resolve/").status_code == 404


def test_a_viewer_reads_and_is_offered_nothing(vera):
    thread = make_thread(lead=make_lead())
    say(thread, "Hello there")
    page = read(browser(vera), thread)
    assert "Hello there" in page
    assert "/do/" not in page


def test_the_page_costs_the_same_for_one_message_and_for_fifty(as_ann):
    thread = make_thread(lead=make_lead(), client=make_client())
    say(thread)
    read(as_ann, thread)
    with CaptureQueriesContext(connection) as few:
        read(as_ann, thread)
    for number in range(49):
        say(thread, hours=number)
    with CaptureQueriesContext(connection) as many:
        read(as_ann, thread)
    assert len(few) == len(many) <= 20


def test_its_words_can_be_corrected(as_ann):
    thread = make_thread(subject="Qestion")
    data = {"subject": "Question", "sentiment": "negative"}
    as_ann.post(address(thread), data)
    thread.refresh_from_db()
    assert (thread.subject, thread.sentiment) == ("Question", "negative")
