"""Loads the facts about one lead that a person may see, in a few bounded queries."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from django.db.models import Case, IntegerField, Q, Value, When
from django.db.models.functions import Left

from agents.assistant import lead_facts
from agents.assistant.facts import MAX_FACT_QUOTE_LENGTH, Fact, FactSource, LeadFacts, format_date
from agents.assistant.questions import QuestionIntent, Topic
from crm.models import Client, User
from crm.records.local_time import agency_style
from crm.records.timeline import load_timeline
from crm.text.cleaning import shorten
from crm.text.email_bodies.quotes import own_text
from inbox.models import LAST_ACTIVITY, Direction, Message, Nature, Thread, ThreadQuerySet, ThreadStatus
from inbox.search import MAX_THREADS_SEARCHED_WHOLE, build_excerpts, find_messages_in_threads
from inbox.thread_state import DELIVERED_STATES
from leads.models import Lead, Task
from suggestions.choices import LabelCache
from suggestions.models import APPROVED_STATUSES, Suggestion, SuggestionStatus
from suggestions.screens.presenters import current_content, describe_suggestion
from suggestions.transitions.state import DECIDABLE_STATUSES
from support.models import SupportTicket, TicketStatus

(
    MAX_THREADS_READ,
    MAX_MESSAGE_FACTS,
    MAX_SEARCH_FACTS,
    MAX_TASK_FACTS,
    MAX_TICKET_FACTS,
    MAX_SUGGESTION_FACTS,
    MAX_TIMELINE_FACTS,
) = 20, 6, 6, 12, 8, 10, 25
MAX_FACT_BODY_LENGTH = 4_000
DECIDED_OR_FAILED = (*APPROVED_STATUSES, SuggestionStatus.REJECTED, SuggestionStatus.FAILED)
NO_FACT_NOTES = {
    Topic.CONTACT_DETAILS: "No contact details on record.",
    Topic.SCORE: "Not scored yet.",
    Topic.PROBABILITY: "No probability yet: too few leads have closed, or this lead has not been scored.",
    Topic.VALUE: "No value and no expected close date on record.",
    Topic.MESSAGES: "No messages that you may see.",
    Topic.SEARCH: "No match in the conversations that you may see.",
    Topic.SUGGESTIONS: "No suggestions to review.",
    Topic.TASKS: "No open tasks.",
    Topic.TICKETS: "No tickets.",
    Topic.DECISIONS: "No decisions on suggestions yet.",
    Topic.DATA: "No line, line data or custom fields on record.",
    Topic.STAKEHOLDERS: "No stakeholders on record.",
    Topic.TIMELINE: "No timeline entries.",
    Topic.NOTES: "No notes or tags.",
    Topic.OUTCOME: "Not closed.",
}
TOPICS_BY_PERMISSION = {
    "inbox.view_thread": ("conversations", (Topic.MESSAGES, Topic.SEARCH)),
    "leads.view_task": ("tasks", (Topic.TASKS,)),
    "support.view_supportticket": ("tickets", (Topic.TICKETS,)),
    "suggestions.view_suggestion": ("suggestions", (Topic.SUGGESTIONS, Topic.DECISIONS)),
}


def load_lead_facts(lead: Lead, intent: QuestionIntent, user: User, now: datetime) -> LeadFacts:
    """Return the facts about `lead` (with stage, line, owner and client joined) and its client that `user` may see."""
    client = lead.converted_to_client
    if client is not None and not (user.has_perm("crm.view_client") and is_client_visible(client, user)):
        client = None
    parts = [
        lead_facts.identity_facts(lead),
        lead_facts.stage_facts(lead),
        lead_facts.score_facts(lead),
        lead_facts.probability_facts(lead),
        lead_facts.value_facts(lead),
        lead_facts.contact_facts(lead, now),
        lead_facts.stakeholder_facts(lead, user),
        lead_facts.owner_facts(lead),
        lead_facts.field_facts(lead, user),
        lead_facts.closing_facts(lead, client),
        timeline_facts(lead, user, intent),
    ]
    record_filter = Q(lead=lead) | Q(client=client) if client else Q(lead=lead)
    missing_notes = dict(NO_FACT_NOTES)
    for permission, (what, topics) in TOPICS_BY_PERMISSION.items():
        if not user.has_perm(permission):
            missing_notes |= dict.fromkeys(topics, f"You do not have permission to see {what}.")
    loaders = {
        "inbox.view_thread": lambda: conversation_facts(record_filter, intent, user),
        "leads.view_task": lambda: task_facts(record_filter, user),
        "support.view_supportticket": lambda: ticket_facts(record_filter, user, now),
        "suggestions.view_suggestion": lambda: suggestion_facts(record_filter, user),
    }
    parts += [load() for permission, load in loaders.items() if user.has_perm(permission)]
    return LeadFacts(tuple(chain.from_iterable(parts)), missing_notes)


def is_client_visible(client: Client, user: User) -> bool:
    return Client.objects.visible_to(user).filter(pk=client.pk).exists()


def conversation_facts(record_filter: Q, intent: QuestionIntent, user: User) -> Iterator[Fact]:
    """Yield the unanswered conversations, the latest messages, and the matches of a search."""
    visible_threads = Thread.objects.filter(record_filter).visible_to(user)
    threads = list(
        visible_threads.select_related("assigned_to").order_by(LAST_ACTIVITY.desc(), "-id")[:MAX_THREADS_READ]
    )
    for thread in threads:
        source = FactSource("thread", str(thread.pk), thread.get_source_display())
        if thread.status == ThreadStatus.OPEN and thread.last_direction == Direction.IN:
            text = f"We owe a reply in “{shorten(str(thread), 100)}”, since {format_date(thread.last_message_at)}."
            yield Fact(Topic.LAST_CONTACT, text, source)
        if thread.assigned_to:
            yield Fact(Topic.OWNER, f"“{shorten(str(thread), 100)}” is assigned to {thread.assigned_to}.", source)
    yield from latest_message_facts(threads)
    if intent.search:
        yield from search_facts(intent.search, visible_threads)


def latest_message_facts(threads: list[Thread]) -> Iterator[Fact]:
    """Yield the newest messages written by people, each without quotes and signature."""
    rows = Message.objects.filter(thread__in=threads, state__in=DELIVERED_STATES, nature=Nature.PERSON).select_related(
        "thread"
    )
    rows = rows.annotate(body=Left("body_text", MAX_FACT_BODY_LENGTH)).defer("body_text", "body_html", "attachments")
    for message in rows.order_by("-sent_at", "-id")[:MAX_MESSAGE_FACTS]:
        words = message.summary or own_text(message.body) or message.snippet
        yield message_fact(Topic.MESSAGES, message, words)


def message_fact(topic: Topic, message: Message, words: str) -> Fact:
    """Return a message as a fact: its sender, its date and its words."""
    ours = message.direction == Direction.OUT
    who = "We" if ours else message.from_name or message.from_email or "They"
    subject = f" in “{shorten(str(message.thread), 80)}”"
    how = "wrote" if message.from_email else "said"
    text = f"{shorten(who, 80)} {how} on {format_date(message.sent_at)}{subject}:"
    source = FactSource(
        "message", str(message.pk), f"{message.thread.get_source_display()} of {format_date(message.sent_at)}"
    )
    return Fact(topic, text, source, shorten(" ".join(words.split()), MAX_FACT_QUOTE_LENGTH), message.sent_at)


def search_facts(words: str, visible_threads: ThreadQuerySet) -> Iterator[Fact]:
    """Yield excerpts of the messages with all of `words`, or else with any of them."""
    threads = list(
        visible_threads.order_by(LAST_ACTIVITY.desc(), "-id").values_list("pk", flat=True)[:MAX_THREADS_SEARCHED_WHOLE]
    )
    best = find_messages_in_threads(threads, words, MAX_SEARCH_FACTS)
    if not best and " " in words:
        words = " or ".join(words.split())
        best = find_messages_in_threads(threads, words, MAX_SEARCH_FACTS)
    shown = build_excerpts(words, best) if best else {}
    rows = Message.objects.filter(pk__in=best).select_related("thread").defer("body_text", "body_html", "attachments")
    for message in sorted(rows, key=lambda one: best.index(one.pk)):
        excerpt = "".join(text for text, _ in shown.get(message.pk, [])) or message.snippet
        yield message_fact(Topic.SEARCH, message, excerpt)


def task_facts(record_filter: Q, user: User) -> Iterator[Fact]:
    rows = Task.objects.filter(record_filter).visible_to(user).unfinished().select_related("assignee")
    for task in rows.order_by("due_on", "id")[:MAX_TASK_FACTS]:
        due = f", due {agency_style().day(task.due_on)}" if task.due_on else ", no due date"
        late = ", overdue" if task.is_late else ""
        assignee_text = f", assigned to {task.assignee}" if task.assignee else ", unassigned"
        text = f"{task.title}: {task.get_status_display().lower()}{due}{late}{assignee_text}."
        source = FactSource("task", str(task.pk), "Task")
        yield Fact(Topic.TASKS, text, source, shorten(task.description, MAX_FACT_QUOTE_LENGTH))


def ticket_facts(record_filter: Q, user: User, now: datetime) -> Iterator[Fact]:
    """Yield the tickets, unresolved ones first."""
    done = Case(When(status=TicketStatus.RESOLVED, then=Value(1)), default=Value(0), output_field=IntegerField())
    rows = SupportTicket.objects.filter(record_filter).visible_to(user).select_related("assigned_to").defer("notes")
    for ticket in rows.order_by(done, "-id")[:MAX_TICKET_FACTS]:
        late = ", late" if ticket.is_late(now) else ""
        assignee_text = f", assigned to {ticket.assigned_to}" if ticket.assigned_to else ""
        state = f"{ticket.get_status_display().lower()}{late}, opened {format_date(ticket.created_at)}{assignee_text}"
        words = ticket.resolution_summary or ticket.issue_description
        source = FactSource("ticket", str(ticket.pk), f"Ticket #{ticket.number}")
        text = f"{ticket}: {state}."
        yield Fact(
            Topic.TICKETS, text, source, shorten(" ".join(words.split()), MAX_FACT_QUOTE_LENGTH), ticket.created_at
        )


def suggestion_facts(record_filter: Q, user: User) -> Iterator[Fact]:
    """Yield the suggestions to review and the decided ones, newest first."""
    rows = Suggestion.objects.filter(record_filter).visible_to(user).select_related("thread", "ticket", "reviewed_by")
    rows = (
        rows.select_related("lead__assigned_to", "client__assigned_to").defer("evidence").order_by("-created_at", "-id")
    )
    names = LabelCache()
    waiting = rows.filter(status__in=DECIDABLE_STATUSES)[:MAX_SUGGESTION_FACTS]
    decided = rows.filter(status__in=DECIDED_OR_FAILED)[:MAX_SUGGESTION_FACTS]
    for row in waiting:
        yield suggestion_fact(Topic.SUGGESTIONS, row, names, f"proposed on {format_date(row.created_at)}")
    for row in decided:
        by = f" by {row.reviewed_by}" if row.reviewed_by else " automatically" if row.reviewed_at else ""
        when = f" on {format_date(row.reviewed_at)}" if row.reviewed_at else ""
        yield suggestion_fact(Topic.DECISIONS, row, names, f"{row.status_label.lower()}{by}{when}")


def suggestion_fact(topic: Topic, row: Suggestion, names: LabelCache, state: str) -> Fact:
    sentence, _ = describe_suggestion(row, current_content(row), names)
    text = f"{row.type_label}, {state}: {shorten(sentence, 200)}"
    words = row.review_note if topic == Topic.DECISIONS else row.reasoning
    return Fact(topic, text, FactSource("suggestion", str(row.pk), "Suggestion"), shorten(words, MAX_FACT_QUOTE_LENGTH))


def timeline_facts(lead: Lead, user: User, intent: QuestionIntent) -> Iterator[Fact]:
    """Yield what `user` may see of the timeline, from the day that the question names; newest first."""
    for line in load_timeline(user, lead, size=MAX_TIMELINE_FACTS).lines:
        if intent.since is not None and line.occurred_at < intent.since:
            return
        who, summary = shorten(line.actor_name, 60), shorten(" ".join(line.summary.split()), 200)
        text = f"{format_date(line.occurred_at)}, {who}: {summary}"
        yield Fact(Topic.TIMELINE, text, FactSource("lead", str(lead.pk), "Timeline", "timeline"), at=line.occurred_at)
