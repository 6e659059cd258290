"""The form through which a person suggests something: what, for whom, and why."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteSelect
from django.db import models

from crm.exceptions import Refused
from crm.models import Client, User
from crm.screens.pickers import KeyField
from inbox.models import Thread
from leads.models import Lead
from suggestions import transitions
from suggestions.choices import Names
from suggestions.kinds import KINDS
from suggestions.kinds.base import BadContent
from suggestions.models import Suggestion, SuggestionType
from suggestions.screens.content_form import PREFIX, content_from, inputs_of
from support.models import SupportTicket

REASONING_LENGTH = 5_000
# What each type is for, for whoever chooses one.
WORDS = {
    SuggestionType.TASK: "Put something on somebody's list.",
    SuggestionType.PR: "Propose a change to a repository.",
    SuggestionType.REPLY: "Answer in a conversation.",
    SuggestionType.FOLLOW_UP: "Remember to get in touch again, with a draft of what to say.",
    SuggestionType.SEND_EMAIL: "Write to somebody, from a template or freely.",
    SuggestionType.SCHEDULE_CALL: "Invite to a call, with times to choose from.",
    SuggestionType.SEND_PROPOSAL: "Send an offer as a PDF.",
    SuggestionType.CHANGE_STATUS: "Move a lead to another stage.",
    SuggestionType.CREATE_LEAD: "Make a lead of somebody who wrote.",
    SuggestionType.LINK_THREAD: "Say whose conversation it is.",
    SuggestionType.RESOLVE_TICKET: "Close a ticket with what solved it.",
}
ABOUT: dict[str, type[models.Model]] = {"lead": Lead, "client": Client, "thread": Thread, "ticket": SupportTicket}


def picker(name: str, user: User) -> forms.Field:
    """A choice of a record that `user` may see."""
    rows = ABOUT[name].objects.visible_to(user)
    widget = AutocompleteSelect(Suggestion._meta.get_field(name), admin.site)
    label = {"thread": "Conversation"}.get(name, name.capitalize())
    return KeyField(queryset=rows, required=False, widget=widget, label=label)


class SuggestForm(forms.Form):
    """What is suggested: inputs made from the type's payload, for whom, and why."""

    about: ClassVar[tuple[str, ...]] = tuple(ABOUT)

    reasoning = forms.CharField(
        required=False,
        label="Why?",
        max_length=REASONING_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Whoever decides reads this first.",
    )

    def __init__(self, *args: Any, type: str, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.type, self.user, self.kind = type, user, KINDS[type]
        for name in self.about:
            if user.has_perm(f"{ABOUT[name]._meta.app_label}.view_{ABOUT[name]._meta.model_name}"):
                self.fields[name] = picker(name, user)
        self.fields.update(inputs_of(self.kind.Payload, {}, Names()))

    def contents(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(PREFIX)]

    def whom(self) -> list[forms.BoundField]:
        return [self[name] for name in self.about if name in self.fields]

    def propose(self, *, as_draft: bool) -> Suggestion | None:
        """The suggestion that came of it; None where it was refused, and the form says why."""
        asked = self.cleaned_data
        suggestion = Suggestion(
            type=self.type,
            reasoning=asked["reasoning"].strip(),
            suggested_content=content_from(self.kind.Payload, self.fields, asked, {}),
            **{name: asked.get(name) for name in self.about},
        )
        try:
            return transitions.propose(suggestion, by=self.user, as_draft=as_draft)
        except BadContent as refusal:
            for name, said in refusal.fields.items():
                known = PREFIX + name in self.fields
                self.add_error(PREFIX + name if known else None, said if known else f"{name}: {' '.join(said)}")
        except Refused as refusal:
            self.add_error(None, str(refusal))
        return None


def named_in(asked: dict[str, Any], user: User) -> dict[str, Any]:
    """The records that an address names and `user` may see, with whom they are about: keys by name."""
    found: dict[str, Any] = {}
    for name in reversed(ABOUT):  # a ticket says more than its client
        row = one_of(name, asked.get(name), user)
        if row is None:
            continue
        found[name] = row.pk
        for other in ABOUT:
            if other not in asked and getattr(row, f"{other}_id", None):
                found.setdefault(other, getattr(row, f"{other}_id"))
    return found


def one_of(name: str, key: Any, user: User) -> models.Model | None:
    try:
        key = ABOUT[name]._meta.pk.to_python(key)
    except forms.ValidationError:
        return None
    return ABOUT[name].objects.visible_to(user).filter(pk=key).first() if key else None
