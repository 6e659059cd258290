"""Asking about a lead on its screen: answered from the record, with sources, and nothing done."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from agents.assistant import transitions
from agents.assistant.chats import MAX_TURNS
from ai_log.gateway.otel_names import CHAT_TURN
from ai_log.models import AIInteraction
from ai_log.transitions import erase_texts
from crm.models import User
from inbox.models import Direction, Message
from inbox.transitions import add_to_thread
from leads.models import Task
from tests.cast import browser, make_client, make_lead, make_suggestion, make_thread, make_ticket, make_user, page_text

pytestmark = pytest.mark.django_db
TALK = UUID("01990000-0000-7000-8000-000000000abc")
KEYS = [UUID(int=number) for number in range(1, 200)]


def address(lead, talk=TALK):
    return reverse("admin:leads_lead_ask_conversation", args=[lead.pk, talk])


def ask(user, lead, question, *, key=KEYS[0], talk=TALK, **more):
    return browser(user).post(address(lead, talk), {"question": question, "key": key, **more})


def page(user, lead, talk=TALK):
    return page_text(browser(user).get(address(lead, talk)))


def say(lead, body, *, thread=None, days=1, direction=Direction.IN, **kw):
    thread = thread or make_thread(lead=lead, subject=kw.pop("subject", "The roof"))
    sent = {"direction": direction, "body_text": body, "sent_at": timezone.now() - timedelta(days=days)}
    if direction == Direction.OUT:
        sent["state"] = "SENT"
    message = Message(thread=thread, from_email=kw.pop("sender", lead.contact_email), **sent, **kw)
    add_to_thread(message)
    return message


def test_question_is_answered_with_sources_and_logged(ann):
    lead = make_lead(line="auto", assigned_to=ann, auto_data={"vehicles": [{"vin": "1FTFW1E50NFA00001", "year": 2022}]})
    answer = ask(ann, lead, "What is the VIN?")
    row = AIInteraction.objects.get()
    assert answer["Location"] == f"{address(lead)}#t-{row.pk}"
    assert (row.type, row.source, row.agent, row.model_used) == ("Chat", "Agent UI", "Assistant", "")
    assert (row.lead, row.asked_by, row.conversation_id) == (lead, ann, str(TALK))
    assert (row.content, row.error_message, row.cost_usd) == ("What is the VIN?", "", None)
    assert row.latency_ms is not None
    assert "1FTFW1E50NFA00001" in row.ai_response
    shown = page(ann, lead)
    assert "Auto, vehicles 1: vin 1FTFW1E50NFA00001, year 2022" in shown
    assert f"{reverse('admin:leads_lead_change', args=[lead.pk])}#data-auto" in shown


def test_each_fact_links_to_its_source(ann):
    client = make_client(assigned_to=ann)
    lead = make_lead(assigned_to=ann)
    said = say(lead, "The deductible is too high for us.")
    task = Task.objects.create(title="Call about the roof", lead=lead, assignee=ann)
    ticket = make_ticket(client=client, lead=lead, subject="No card")
    suggestion = make_suggestion(lead=lead)
    asked = {
        "What did they say last?": (
            "The deductible is too high",
            reverse("admin:inbox_thread_message", args=[said.pk]),
        ),
        "What did they say about the deductible?": (
            "deductible",
            reverse("admin:inbox_thread_message", args=[said.pk]),
        ),
        "Do we owe them a reply?": ("We owe a reply", reverse("admin:inbox_thread_change", args=[said.thread_id])),
        "Which tasks are open?": ("Call about the roof", reverse("admin:leads_task_change", args=[task.pk])),
        "Any tickets?": ("No card", reverse("admin:support_supportticket_change", args=[ticket.pk])),
        "What should I do next?": (
            "Call back",
            reverse("admin:suggestions_suggestion_change", args=[suggestion.pk]),
        ),
        "Which stage is it in?": ("Created in New", f"{reverse('admin:leads_lead_change', args=[lead.pk])}#moves"),
    }
    for number, (question, (words, url)) in enumerate(asked.items()):
        ask(ann, lead, question, key=KEYS[number], talk=UUID(int=number + 1))
        shown = page(ann, lead, UUID(int=number + 1))
        assert words in shown, question
        assert f'href="{url}"' in shown, question


def test_follow_up_question_uses_previous_topic_and_both_persist(ann):
    lead = make_lead(assigned_to=ann)
    ask(ann, lead, "Which stage is it in?")
    ask(ann, lead, "Since when?", key=KEYS[1])
    rows = AIInteraction.objects.order_by("created_at")
    assert [row.metadata[CHAT_TURN]["topics"] for row in rows] == [["stage"], ["stage"]]
    shown = page(ann, lead)
    assert shown.index("Which stage is it in?") < shown.index("Since when?")


def test_unknown_question_falls_back_to_search(ann):
    lead = make_lead(assigned_to=ann)
    say(lead, "We also keep bees in the garden.")
    ask(ann, lead, "Bees?")
    shown = page(ann, lead)
    assert "I do not understand this question. I can answer questions about the name" in shown
    assert "We also keep bees" in shown
    ask(ann, lead, "Llamas?", key=KEYS[1])
    assert "No message that you may see matches its words" in page(ann, lead)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("", "Enter a question."),
        (" \n ", "Enter a question."),
        ("Who\x00?", "Null characters are not allowed"),
        ("x" * 2_001, "at most 2,000 characters"),
    ],
)
def test_invalid_question_is_refused_and_kept_in_form(ann, question, sentence):
    lead = make_lead(assigned_to=ann)
    answer = ask(ann, lead, question)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert question.strip("\x00\n ?")[:50] in answer.content.decode()
    assert not AIInteraction.objects.exists()


@pytest.mark.parametrize("key", ["", "no-key"])
def test_request_without_key_asks_nothing(ann, key):
    assert ask(ann, make_lead(assigned_to=ann), "Who is it?", key=key).status_code == 422
    assert not AIInteraction.objects.exists()


def test_duplicate_question_is_answered_once(ann):
    lead = make_lead(assigned_to=ann)
    first, second = ask(ann, lead, "Who is it?"), ask(ann, lead, "Who is it?")
    assert first["Location"] == second["Location"]
    assert AIInteraction.objects.count() == 1


def test_one_question_per_chat_is_answered_at_a_time(ann, monkeypatch):
    held, answer_question = [], transitions.answer_question

    def watched(*said):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
            held.append(cursor.fetchone()[0])
        return answer_question(*said)

    monkeypatch.setattr(transitions, "answer_question", watched)
    ask(ann, make_lead(assigned_to=ann), "Who is it?")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
        assert (held, cursor.fetchone()[0]) == ([1], 0)


def test_get_request_never_asks(ann):
    lead = make_lead(assigned_to=ann)
    assert browser(ann).get(address(lead), {"question": "Who is it?", "key": KEYS[0]}).status_code == 200
    assert not AIInteraction.objects.exists()
    assert browser(ann).post(reverse("admin:leads_lead_ask", args=[lead.pk]), {}).status_code == 405


def test_asking_needs_access_to_lead(ann, bob):
    lead = make_lead(assigned_to=ann)
    viewer, stranger = make_user("vera", "viewer"), make_user("sam")
    assert ask(bob, lead, "Who is it?").status_code == 404
    assert ask(stranger, lead, "Who is it?").status_code == 403
    assert not AIInteraction.objects.exists()
    assert ask(viewer, make_lead(), "Who is it?").status_code == 302


def test_answer_excludes_records_user_cannot_see(ann, bob):
    lead = make_lead()
    hidden = say(lead, "A secret about llamas.", thread=make_thread(lead=lead, assigned_to=bob, subject="Hush"))
    assert hidden.thread.assigned_to == bob
    Task.objects.create(title="Bob alone", lead=lead, assignee=bob)
    for number, question in enumerate(["What did they say?", "Anything about llamas?", "Which tasks are open?"]):
        ask(ann, lead, question, key=KEYS[number])
    texts = " ".join(AIInteraction.objects.values_list("ai_response", flat=True))
    assert not any(word in texts for word in ("secret", "Hush", "Bob alone"))
    assert "that you may see" in texts
    user = User.objects.get(pk=ann.pk)
    user.groups.clear()
    for codename in ("view_lead", "view_aiinteraction"):
        user.user_permissions.add(Permission.objects.get(codename=codename))
    ask(User.objects.get(pk=ann.pk), lead, "Any tickets? And tasks? What was said last?", key=KEYS[9])
    shown = page(User.objects.get(pk=ann.pk), lead)
    assert "You do not have permission to see tickets." in shown
    assert "You do not have permission to see conversations." in shown


def test_colleagues_chat_is_read_by_managers_but_cannot_be_continued(ann, bob, max):
    lead = make_lead()
    ask(ann, lead, "Who is it?")
    assert "Conversation by Ann" in page(max, lead)
    assert "Conversation by Ann" not in page(bob, lead), "the answer is what Ann may see"
    for colleague in (max, bob):
        answer = ask(colleague, lead, "And why?", key=KEYS[1])
        assert answer.status_code == 422
        assert "is a colleague" in answer.content.decode()
    other = make_lead()
    assert "about something else" in ask(ann, other, "Who is it?", key=KEYS[2]).content.decode()
    assert AIInteraction.objects.count() == 1


def test_questions_are_rate_limited(ann, monkeypatch):
    lead = make_lead(assigned_to=ann)
    monkeypatch.setattr(transitions, "MAX_QUESTIONS_PER_HOUR", 2)
    assert [ask(ann, lead, "Who?", key=KEYS[n], talk=UUID(int=n + 1)).status_code for n in range(3)] == [302, 302, 422]
    monkeypatch.setattr(transitions, "MAX_QUESTIONS_PER_HOUR", 99)
    monkeypatch.setattr(transitions, "MAX_TURNS", 1)
    assert "Start a new one" in ask(ann, lead, "And?", key=KEYS[9], talk=UUID(int=1)).content.decode()
    assert MAX_TURNS > 1


def test_asking_changes_nothing_on_the_lead(ann):
    lead = make_lead(assigned_to=ann)
    lead.refresh_from_db()
    before = lead.last_activity_at, lead.updated_at, lead.events.count()
    ask(ann, lead, "Send them a mail, move the lead to won and tell me what happened since yesterday")
    lead.refresh_from_db()
    assert (lead.last_activity_at, lead.updated_at, lead.events.count()) == before
    assert AIInteraction.objects.count() == 1


def test_untrusted_text_is_escaped_and_truncated(ann):
    lead = make_lead(assigned_to=ann, contact_name="<b>Lee</b>")
    say(lead, "<script>alert(1)</script> " + "roof " * 5_000, subject="<img src=x>", from_name="<i>Lee</i>")
    ask(ann, lead, "Who is it and what did they say last?")
    shown = page(ann, lead)
    assert "<script>alert" not in shown
    assert "<img src=x>" not in shown
    assert "<b>Lee" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert shown.count("roof ") < 200


def test_answer_can_be_rated_on_its_page(ann):
    lead = make_lead(assigned_to=ann)
    ask(ann, lead, "Who is it?")
    row = AIInteraction.objects.get()
    url = reverse("admin:ai_log_aiinteraction_do", args=[row.pk, "rate"])
    answer = browser(ann).post(url, {"feedback": "up", "next": f"{address(lead)}#t-{row.pk}"})
    assert answer["Location"] == f"{address(lead)}#t-{row.pk}"
    assert "Helpful, now" in page(ann, lead)


def test_lead_page_and_ai_log_link_to_chat(ann):
    lead = make_lead(assigned_to=ann)
    ask(ann, lead, "Whose turn is it?")
    shown = browser(ann).get(reverse("admin:leads_lead_change", args=[lead.pk])).content.decode()
    assert f'href="{reverse("admin:leads_lead_ask", args=[lead.pk])}"' in shown
    assert f'href="{address(lead)}"' in shown
    logged = reverse("admin:ai_log_aiinteraction_change", args=[AIInteraction.objects.get().pk])
    assert f'href="{address(lead)}"' in browser(ann).get(logged).content.decode()
    empty = browser(ann).get(reverse("admin:leads_lead_ask", args=[lead.pk])).content.decode()
    assert "Do we owe them a reply?" in empty
    assert "No questions yet." in empty


def test_chat_page_query_count_is_bounded(ann):
    lead = make_lead(assigned_to=ann)
    page_of_ann = browser(ann)
    counts = []
    for number in range(2):
        for turn in range(1 + number * 3):
            ask(ann, lead, "Catch me up", key=KEYS[number * 10 + turn])
            ask(ann, lead, "Who?", key=KEYS[number * 10 + turn], talk=UUID(int=number * 10 + turn + 1))
        with CaptureQueriesContext(connection) as ran:
            page_of_ann.get(address(lead))
        counts.append(len(ran))
    assert counts[0] == counts[1] <= 15


def test_loading_facts_query_count_is_bounded(ann):
    lead, counts = make_lead(assigned_to=ann), []
    for number in range(2):
        for _ in range(1 + 4 * number):
            say(lead, "The roof.")
            Task.objects.create(title="Call", lead=lead)
            make_ticket(lead=lead)
        make_suggestion(lead=lead)
        with CaptureQueriesContext(connection) as ran:
            ask(ann, lead, "Catch me up, and what did they say about the roof?", key=KEYS[number])
        counts.append(len(ran))
    assert counts[1] <= counts[0] <= 60


def test_erased_answer_is_shown_as_erased(ann):
    lead = make_lead(assigned_to=ann)
    ask(ann, lead, "Who is it?")
    assert sum(erase_texts(AIInteraction.objects.all())) == 1
    assert "Erased." in page(ann, lead)
