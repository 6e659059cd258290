"""The action forms of conversations."""

from typing import Any

from django import forms
from django.urls import reverse
from django.utils.html import format_html

from crm.exceptions import InvalidInput
from crm.models import Client, User
from crm.records import transitions as record_transitions
from crm.records.local_time import format_moment
from crm.records.notifications.mentions import explain_untold
from crm.screens.action_forms import ActionForm
from crm.screens.notifications.mention_offer import NoteForm
from crm.screens.record_forms import LaterForm
from crm.text.cleaning import ensure_full_stop, shorten
from inbox import transitions
from inbox.models import THREAD_TRANSITIONS, Direction, Message, Thread, ThreadSource, ThreadStatus
from inbox.transitions.split_join import message_count_label
from inbox.transitions.thread_status import STATUS_VERBS
from leads.action_forms import assignable_users
from leads.models import Lead

CHANGE_THREAD = "inbox.change_thread"
MAX_CALL_WORDS, MAX_CALL_SUBJECT = 5_000, 80


class ChangeThreadStatus(ActionForm):
    """A status change of a thread."""

    permission = CHANGE_THREAD
    to: ThreadStatus

    @classmethod
    def is_applicable(cls, record: Thread) -> bool:
        return cls.to in THREAD_TRANSITIONS[ThreadStatus(record.status)]

    def perform(self, record: Thread, by: User) -> str:
        transitions.change_thread_status(record, self.to, by=by)
        return f"“{record}” {STATUS_VERBS[self.to]}."


class ResolveThread(ChangeThreadStatus):
    verb, label, icon, to, primary = "resolve", "Resolve", "check", ThreadStatus.RESOLVED, True


class ArchiveThread(ChangeThreadStatus):
    verb, label, icon, to = "archive", "Archive", "archive", ThreadStatus.ARCHIVED


class ReopenThread(ChangeThreadStatus):
    verb, label, icon, to = "reopen", "Reopen", "undo", ThreadStatus.OPEN


class SnoozeThread(LaterForm, ActionForm):
    """Take a thread out of the queues until a later time, or until the other side writes."""

    verb, label, permission, icon = "snooze", "Snooze", CHANGE_THREAD, "snooze"
    past_tense = "snoozed"

    @classmethod
    def is_applicable(cls, record: Thread) -> bool:
        return record.status == ThreadStatus.OPEN

    def perform(self, record: Thread, by: User) -> str:
        transitions.snooze(record, self.chosen_time(), by=by)
        return f"“{record}” snoozed until {format_moment(record.snoozed_until)}."


class WakeThread(ActionForm):
    """End the snooze of a thread now."""

    verb, label, permission, icon = "wake", "Wake now", CHANGE_THREAD, "alarm"

    @classmethod
    def is_applicable(cls, record: Thread) -> bool:
        return record.is_snoozed

    def perform(self, record: Thread, by: User) -> str:
        transitions.wake(record, by=by)
        return f"“{record}” is back in its queue."


class MarkRead(ActionForm):
    """Mark the incoming messages as read."""

    verb, label, permission, icon = "read", "Mark read", CHANGE_THREAD, "mark_email_read"

    @classmethod
    def is_applicable(cls, record: Thread) -> bool:
        # The screens annotate the count when they load the thread.
        unread = getattr(record, "unread", None)
        if unread is not None:
            return bool(unread)
        return record.messages.filter(direction=Direction.IN, is_read=False).exists()

    def perform(self, record: Thread, by: User) -> str:
        count = transitions.mark_read(record, by=by)
        return f"{count} message{'' if count == 1 else 's'} of “{record}” marked as read."


class TakeThread(ActionForm):
    """Assign an unassigned thread to the current user."""

    verb, label, permission, icon = "take", "Assign to me", CHANGE_THREAD, "front_hand"

    @classmethod
    def is_applicable(cls, record: Thread) -> bool:
        return record.owner_id is None

    def perform(self, record: Thread, by: User) -> str:
        transitions.assign(record, by, by=by)
        return f"“{record}” assigned to you."


class AssignThread(ActionForm):
    """Assign a thread to a colleague."""

    verb, label, permission, icon = "assign", "Assign", CHANGE_THREAD, "person_add"
    assignee = forms.ModelChoiceField(
        User.objects.none(),
        required=False,
        label="Assignee",
        empty_label="Owner of the lead or client",
        help_text="The assignee can see the conversation even if the lead belongs to a colleague.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["assignee"].queryset = assignable_users()

    @classmethod
    def is_applicable(cls, record: Thread) -> bool:
        return record.status != ThreadStatus.ARCHIVED

    def perform(self, record: Thread, by: User) -> str:
        assignee = self.cleaned_data["assignee"]
        transitions.assign(record, assignee, by=by)
        return f"“{record}” assigned to {assignee}." if assignee else f"“{record}” unassigned."


class NoteThread(NoteForm):
    """Add a note to the timeline."""

    permission = CHANGE_THREAD

    def perform(self, record: Thread, by: User) -> str:
        untold = record_transitions.add_note(record, self.cleaned_data["body"], by=by)
        return "Note added to the timeline." + explain_untold(untold, record)


class LogCall(ActionForm):
    """Log a call with a lead or a client in one line; “Log a conversation” asks for more."""

    verb, label, permission, icon, key = "log_call", "Log a call", "inbox.add_thread", "add_call", "c"

    words = forms.CharField(label="What was said", max_length=MAX_CALL_WORDS)
    direction = forms.ChoiceField(
        choices=[(Direction.OUT, "We called them"), (Direction.IN, "They called us")],
        label="Who called",
        initial=Direction.OUT,
    )

    def perform(self, record: Lead | Client, by: User) -> str:
        words = self.cleaned_data["words"]
        transitions.log_conversation(
            record,
            source=ThreadSource.CALL,
            direction=self.cleaned_data["direction"],
            subject=shorten(words, MAX_CALL_SUBJECT),
            body=words,
            by=by,
        )
        return "Call logged."


class LinkThread(ActionForm):
    """Link a thread to the lead or client selected on the link page."""

    verb, label, permission, icon = "link", "Link", CHANGE_THREAD, "link"
    lead = forms.UUIDField(required=False, widget=forms.HiddenInput)
    client = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def perform(self, record: Thread, by: User) -> str:
        targets = {
            name: model(pk=self.cleaned_data[name])
            for name, model in (("lead", Lead), ("client", Client))
            if self.cleaned_data[name]
        }
        if len(targets) != 1:
            raise InvalidInput("Choose a lead or a client to link the conversation to.")
        transitions.link(record, **targets, by=by)
        return ensure_full_stop(f"“{record}” linked to {record.lead if 'lead' in targets else record.client}")


class UnlinkThread(ActionForm):
    """Unlink a thread from its lead and client."""

    verb, label, permission, icon = "unlink", "Unlink", CHANGE_THREAD, "link_off"

    @classmethod
    def is_applicable(cls, record: Thread) -> bool:
        return bool(record.lead_id or record.client_id)

    def perform(self, record: Thread, by: User) -> str:
        transitions.unlink(record, by=by)
        return f"“{record}” unlinked."


class SplitThread(ActionForm):
    """Move the messages selected on the split page into a new thread."""

    verb, label, permission, icon = "split", "Split", CHANGE_THREAD, "call_split"
    messages = forms.ModelMultipleChoiceField(
        Message.objects.none(),
        widget=forms.MultipleHiddenInput,
        error_messages={
            "required": "Choose messages of this conversation.",
            "invalid_choice": "Choose messages of this conversation.",
            "invalid_pk_value": "Choose messages of this conversation.",
        },
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["messages"].queryset = self.record.messages.defer("body_html")

    @classmethod
    def is_applicable(cls, record: Thread) -> bool:
        return record.message_count > 1

    def perform(self, record: Thread, by: User) -> str:
        selected = list(self.cleaned_data["messages"])
        new = transitions.split(record, selected, by=by)
        url = reverse("admin:inbox_thread_change", args=[new.pk])
        count = message_count_label(len(selected))
        return format_html('{} moved to a new conversation: <a href="{}">{}</a>.', count, url, new)


class JoinThread(ActionForm):
    """Merge the thread selected on the join page into this one."""

    verb, label, permission, icon = "join", "Join", CHANGE_THREAD, "call_merge"
    other = forms.ModelChoiceField(
        Thread.objects.none(),
        widget=forms.HiddenInput,
        error_messages={
            "required": "Choose a conversation.",
            "invalid_choice": "This conversation does not exist, was deleted, or you do not have access to it.",
        },
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["other"].queryset = Thread.objects.visible_to(self.user)

    def perform(self, record: Thread, by: User) -> str:
        other = self.cleaned_data["other"]
        transitions.join(record, other, by=by)
        return f"“{other}” joined to “{record}”."
