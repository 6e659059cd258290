"""Asking the database what is known about one lead, as far as whoever asks may see it: a few bounded statements."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from django.db.models import Case, IntegerField, Q, Value, When
from django.db.models.functions import Left

from agents.assistant import lead_facts
from agents.assistant.facts import LONGEST_QUOTE, Fact, Known, Source, day, short
from agents.assistant.questions import Topic, Wanted
from crm.models import ActivityLog, Client, User
from crm.text.quotes import own_words
from inbox.models import LAST_SAID, Direction, Message, Nature, Thread, ThreadQuerySet, ThreadStatus
from inbox.search import FEW, excerpts, messages_in
from inbox.thread_state import SAID
from leads.models import Lead, Task
from suggestions.choices import Names
from suggestions.models import GO_AHEAD, Suggestion, SuggestionStatus
from suggestions.screens.presenters import content_now, said
from suggestions.transitions import DECIDABLE
from support.models import SupportTicket, TicketStatus

MOST_THREADS, MOST_SAID, MOST_FOUND, MOST_TASKS, MOST_TICKETS, MOST_SUGGESTIONS, MOST_EVENTS = 20, 6, 6, 12, 8, 10, 25
LONGEST_BODY = 4_000
DECIDED = (*GO_AHEAD, SuggestionStatus.REJECTED, SuggestionStatus.FAILED)
NONE = {
    Topic.REACH: "No way to reach them is known.",
    Topic.SCORE: "It has not been scored yet.",
    Topic.CHANCE: "It is not told yet: there are too few ended leads to learn from, or the lead was not scored.",
    Topic.VALUE: "Neither a value nor a day of closing is known.",
    Topic.SAID: "Nothing has been said in a conversation that you may see.",
    Topic.SEARCH: "Nothing in the conversations that you may see says so.",
    Topic.NEXT: "Nothing waits to be decided.",
    Topic.TASKS: "No task is open.",
    Topic.TICKETS: "There is no ticket.",
    Topic.DECIDED: "Nothing that was proposed has been decided yet.",
    Topic.DATA: "Nothing is known: no line, no line data, no custom field.",
    Topic.PEOPLE: "Nobody beside them is known to have a say.",
    Topic.HAPPENED: "Nothing stands on the timeline.",
    Topic.NOTES: "There are no notes and no tags.",
    Topic.ENDED: "It has not ended.",
}
NOT_SEEN = {
    "inbox.view_thread": ("conversations", (Topic.SAID, Topic.SEARCH)),
    "leads.view_task": ("tasks", (Topic.TASKS,)),
    "support.view_supportticket": ("tickets", (Topic.TICKETS,)),
    "suggestions.view_suggestion": ("suggestions", (Topic.NEXT, Topic.DECIDED)),
}


def gather(lead: Lead, wanted: Wanted, user: User, now: datetime) -> Known:
    """What is known about `lead` (stage, line, owner and client joined) and its client, as `user` may see it."""
    client = lead.converted_to_client
    if client is not None and not (user.has_perm("crm.view_client") and seen(client, user)):
        client = None
    parts = [
        lead_facts.who(lead),
        lead_facts.stages(lead),
        lead_facts.score(lead),
        lead_facts.chance(lead),
        lead_facts.worth(lead),
        lead_facts.last_contact(lead, now),
        lead_facts.people(lead, user),
        lead_facts.owner(lead),
        lead_facts.data(lead),
        lead_facts.ended(lead, client),
        happened(lead, wanted),
    ]
    about = Q(lead=lead) | Q(client=client) if client else Q(lead=lead)
    none = dict(NONE)
    for permission, (what, topics) in NOT_SEEN.items():
        if not user.has_perm(permission):
            none |= dict.fromkeys(topics, f"You may not see {what}.")
    asked = {
        "inbox.view_thread": lambda: conversations(about, wanted, user),
        "leads.view_task": lambda: tasks(about, user),
        "support.view_supportticket": lambda: tickets(about, user, now),
        "suggestions.view_suggestion": lambda: suggestions(about, user),
    }
    parts += [ask() for permission, ask in asked.items() if user.has_perm(permission)]
    return Known(tuple(chain.from_iterable(parts)), none)


def seen(client: Client, user: User) -> bool:
    return Client.objects.visible_to(user).filter(pk=client.pk).exists()


def conversations(about: Q, wanted: Wanted, user: User) -> Iterator[Fact]:
    """Whose turn it is in each conversation, what was said last, and what was looked for."""
    among = Thread.objects.filter(about).visible_to(user)
    threads = list(among.select_related("assigned_to").order_by(LAST_SAID.desc(), "-id")[:MOST_THREADS])
    for thread in threads:
        source = Source("thread", str(thread.pk), thread.get_source_display())
        if thread.status == ThreadStatus.OPEN and thread.last_direction == Direction.IN:
            text = f"We owe an answer in “{short(str(thread), 100)}”, since {day(thread.last_message_at)}."
            yield Fact(Topic.CONTACT, text, source)
        if thread.assigned_to:
            yield Fact(Topic.OWNER, f"“{short(str(thread), 100)}” is answered by {thread.assigned_to}.", source)
    yield from last_said(threads)
    if wanted.search:
        yield from found(wanted.search, among)


def last_said(threads: list[Thread]) -> Iterator[Fact]:
    """The newest that was said, by persons first and foremost; of each its own words."""
    rows = Message.objects.filter(thread__in=threads, state__in=SAID, nature=Nature.PERSON).select_related("thread")
    rows = rows.annotate(body=Left("body_text", LONGEST_BODY)).defer("body_text", "body_html", "attachments")
    for message in rows.order_by("-sent_at", "-id")[:MOST_SAID]:
        words = message.summary or own_words(message.body) or message.snippet
        yield quoted(Topic.SAID, message, words)


def quoted(topic: Topic, message: Message, words: str) -> Fact:
    """A message as a fact: who said it and when, with its words."""
    ours = message.direction == Direction.OUT
    who = "We" if ours else message.from_name or message.from_email or "They"
    subject = f" in “{short(str(message.thread), 80)}”"
    how = "wrote" if message.from_email else "said"
    text = f"{short(who, 80)} {how} on {day(message.sent_at)}{subject}:"
    source = Source("message", str(message.pk), f"{message.thread.get_source_display()} of {day(message.sent_at)}")
    return Fact(topic, text, source, short(" ".join(words.split()), LONGEST_QUOTE), message.sent_at)


def found(words: str, among: ThreadQuerySet) -> Iterator[Fact]:
    """Where in the conversations stand all of `words`, or else any; quoted around them."""
    threads = list(among.order_by(LAST_SAID.desc(), "-id").values_list("pk", flat=True)[:FEW])
    best = messages_in(threads, words, MOST_FOUND)
    if not best and " " in words:
        words = " or ".join(words.split())
        best = messages_in(threads, words, MOST_FOUND)
    shown = excerpts(words, best) if best else {}
    rows = Message.objects.filter(pk__in=best).select_related("thread").defer("body_text", "body_html", "attachments")
    for message in sorted(rows, key=lambda one: best.index(one.pk)):
        said_there = "".join(text for text, _ in shown.get(message.pk, [])) or message.snippet
        yield quoted(Topic.SEARCH, message, said_there)


def tasks(about: Q, user: User) -> Iterator[Fact]:
    rows = Task.objects.filter(about).visible_to(user).unfinished().select_related("assignee")
    for task in rows.order_by("due_on", "id")[:MOST_TASKS]:
        due = f", due {task.due_on.day} {task.due_on:%b %Y}" if task.due_on else ", without a date"
        late = ", overdue" if task.is_late else ""
        whose = f", {task.assignee}'s" if task.assignee else ", nobody's"
        text = f"{task.title}: {task.get_status_display().lower()}{due}{late}{whose}."
        source = Source("task", str(task.pk), "Task")
        yield Fact(Topic.TASKS, text, source, short(task.description, LONGEST_QUOTE))


def tickets(about: Q, user: User, now: datetime) -> Iterator[Fact]:
    """The tickets, those that are not resolved first."""
    done = Case(When(status=TicketStatus.RESOLVED, then=Value(1)), default=Value(0), output_field=IntegerField())
    rows = SupportTicket.objects.filter(about).visible_to(user).select_related("assigned_to").defer("notes")
    for ticket in rows.order_by(done, "-id")[:MOST_TICKETS]:
        late = ", late" if ticket.is_late(now) else ""
        whose = f", {ticket.assigned_to}'s" if ticket.assigned_to else ""
        state = f"{ticket.get_status_display().lower()}{late}, opened {day(ticket.created_at)}{whose}"
        words = ticket.resolution_summary or ticket.issue_description
        source = Source("ticket", str(ticket.pk), f"Ticket #{ticket.number}")
        text = f"{ticket}: {state}."
        yield Fact(Topic.TICKETS, text, source, short(" ".join(words.split()), LONGEST_QUOTE), ticket.created_at)


def suggestions(about: Q, user: User) -> Iterator[Fact]:
    """What waits to be decided, and what became of what was proposed; the newest first."""
    rows = Suggestion.objects.filter(about).visible_to(user).select_related("thread", "ticket", "reviewed_by")
    rows = (
        rows.select_related("lead__assigned_to", "client__assigned_to").defer("evidence").order_by("-created_at", "-id")
    )
    names = Names()
    waiting = rows.filter(status__in=DECIDABLE)[:MOST_SUGGESTIONS]
    decided = rows.filter(status__in=DECIDED)[:MOST_SUGGESTIONS]
    for row in waiting:
        yield suggested(Topic.NEXT, row, names, f"proposed on {day(row.created_at)}")
    for row in decided:
        by = f" by {row.reviewed_by}" if row.reviewed_by else " by policy" if row.reviewed_at else ""
        when = f" on {day(row.reviewed_at)}" if row.reviewed_at else ""
        yield suggested(Topic.DECIDED, row, names, f"{row.status_label.lower()}{by}{when}")


def suggested(topic: Topic, row: Suggestion, names: Names, state: str) -> Fact:
    sentence, _ = said(row, content_now(row), names)
    text = f"{row.type_label}, {state}: {short(sentence, 200)}"
    words = row.review_note if topic == Topic.DECIDED else row.reasoning
    return Fact(topic, text, Source("suggestion", str(row.pk), "Suggestion"), short(words, LONGEST_QUOTE))


def happened(lead: Lead, wanted: Wanted) -> Iterator[Fact]:
    """What stands on the timeline, since the day that is asked for; the newest first."""
    rows = ActivityLog.objects.on_timeline_of(lead).select_related("actor")
    if wanted.since is not None:
        rows = rows.filter(occurred_at__gte=wanted.since)
    for line in rows[:MOST_EVENTS]:
        who = str(line.actor or line.metadata.get("name") or line.get_actor_type_display())
        text = f"{day(line.occurred_at)}, {short(who, 60)}: {short(' '.join(line.summary.split()), 200)}"
        yield Fact(Topic.HAPPENED, text, Source("lead", str(lead.pk), "Timeline", "timeline"), at=line.occurred_at)
