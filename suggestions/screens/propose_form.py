"""The form with which a person proposes a suggestion: its content, its record, and the reason."""

from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from crm.exceptions import ActionRefused
from crm.models import Client, User
from crm.screens.pickers import RecordChoiceField
from crm.text.cleaning import ensure_full_stop
from inbox.models import Thread
from leads.models import Lead
from suggestions import transitions
from suggestions.choices import LabelCache
from suggestions.kinds import KINDS, offered_kinds
from suggestions.kinds.base import InvalidContent
from suggestions.models import Suggestion, SuggestionType
from suggestions.screens.content_form import CONTENT_PREFIX, build_content_inputs, content_label, read_content
from suggestions.screens.presenters import TYPE_ICONS
from support.models import SupportTicket

MAX_REASONING_LENGTH = 5_000
# The purpose of each type, for the user who picks one.
TYPE_DESCRIPTIONS = {
    SuggestionType.TASK: "Add a task to a colleague's list.",
    SuggestionType.PR: "Propose a change to a repository.",
    SuggestionType.REPLY: "Reply in a conversation.",
    SuggestionType.FOLLOW_UP: "Plan a follow-up, with a draft of the next step.",
    SuggestionType.SEND_EMAIL: "Write an email, with or without a template.",
    SuggestionType.SCHEDULE_CALL: "Propose times for a call.",
    SuggestionType.SEND_PROPOSAL: "Send a proposal as a PDF.",
    SuggestionType.CHANGE_STATUS: "Move a lead to another stage.",
    SuggestionType.CREATE_LEAD: "Create a lead from a conversation.",
    SuggestionType.CONVERT_LEAD: "Convert a lead to a client.",
    SuggestionType.LINK_THREAD: "Link a conversation to a lead or client.",
    SuggestionType.RESOLVE_TICKET: "Resolve a ticket with a summary.",
}
RECORD_MODELS: dict[str, type[models.Model]] = {
    "lead": Lead,
    "client": Client,
    "thread": Thread,
    "ticket": SupportTicket,
}


def record_picker(name: str, user: User) -> forms.Field:
    """Return a picker of a record that `user` may see."""
    rows = RECORD_MODELS[name].objects.visible_to(user)
    widget = AutocompleteSelect(Suggestion._meta.get_field(name), admin.site)
    label = {"thread": "Conversation"}.get(name, name.capitalize())
    return RecordChoiceField(queryset=rows, required=False, widget=widget, label=label)


class ProposeForm(forms.Form):
    """The inputs of the type's payload, the record that it is about, and the reason."""

    record_names: ClassVar[tuple[str, ...]] = tuple(RECORD_MODELS)

    reasoning = forms.CharField(
        required=False,
        label="Reason",
        max_length=MAX_REASONING_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The approver reads this first.",
    )

    def __init__(self, *args: Any, type: str, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.type, self.user, self.kind = type, user, KINDS[type]
        for name in self.record_names:
            if user.has_perm(f"{RECORD_MODELS[name]._meta.app_label}.view_{RECORD_MODELS[name]._meta.model_name}"):
                self.fields[name] = record_picker(name, user)
        names = LabelCache()
        names.choices.update(self.kind.choices(Suggestion(lead_id=self.initial.get("lead")), user))
        self.fields.update(build_content_inputs(self.kind.Payload, {}, names))

    def content_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name.startswith(CONTENT_PREFIX)]

    def record_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.record_names if name in self.fields]

    def propose(self, *, as_draft: bool) -> Suggestion | None:
        """Propose the suggestion; return None if it is refused, with the reasons in the form."""
        data = self.cleaned_data
        suggestion = Suggestion(
            type=self.type,
            reasoning=data["reasoning"].strip(),
            suggested_content=read_content(self.kind.Payload, self.fields, data, {}),
            **{name: data.get(name) for name in self.record_names},
        )
        try:
            return transitions.propose(suggestion, by=self.user, as_draft=as_draft)
        except InvalidContent as error:
            for name, errors in error.fields.items():
                self.add_content_errors(name, errors)
        except ActionRefused as error:
            self.add_error(None, str(error))
        return None

    def add_content_errors(self, name: str, errors: list[str]) -> None:
        """Show the errors of a field of the content at its input, or at the picker of its record."""
        shown = next((one for one in (CONTENT_PREFIX + name, name) if one in self.fields), None)
        if shown or not name:
            self.add_error(shown, errors)
        else:
            self.add_error(None, f"{content_label(self.kind.Payload, name)}: {' '.join(errors)}")


def records_from_query(query_params: dict[str, Any], user: User) -> dict[str, Any]:
    """Return the keys of the records that an address names and `user` may see, with the records they belong to."""
    found: dict[str, Any] = {}
    for name in reversed(RECORD_MODELS):  # a ticket is more specific than its client
        row = find_visible_record(name, query_params.get(name), user)
        if row is None:
            continue
        found[name] = row.pk
        for other in RECORD_MODELS:
            if other not in query_params and getattr(row, f"{other}_id", None):
                found.setdefault(other, getattr(row, f"{other}_id"))
    return found


def find_visible_record(name: str, key: Any, user: User) -> models.Model | None:
    try:
        key = RECORD_MODELS[name]._meta.pk.to_python(key)
    except forms.ValidationError:
        return None
    return RECORD_MODELS[name].objects.visible_to(user).filter(pk=key).first() if key else None


def propose_view(request: HttpRequest, site: admin.AdminSite) -> HttpResponse:
    """Ask which type to suggest, then for its content."""
    if not request.user.has_perm(transitions.PROPOSE_PERMISSION):
        raise PermissionDenied
    type, query_params = request.GET.get("type", ""), request.GET.dict()
    title = suggest_title(type, query_params, request.user)
    context = {**site.each_context(request), "title": title, "opts": Suggestion._meta}
    if type not in offered_kinds():
        context["types"] = type_links(query_params)
        return TemplateResponse(request, "suggestions/suggest.html", context)
    sent = request.POST if request.method == "POST" else None
    form = ProposeForm(sent, type=type, user=request.user, initial=records_from_query(query_params, request.user))
    as_draft = "as_draft" in request.POST
    if form.is_bound and form.is_valid() and (suggestion := form.propose(as_draft=as_draft)):
        messages.success(request, ensure_full_stop(f"{'Saved as a draft' if as_draft else 'Proposed'}: {suggestion}"))
        return HttpResponseRedirect(reverse("admin:suggestions_suggestion_change", args=[suggestion.pk]))
    query_params.pop("type")
    context |= {"form": form, "others": f"?{urlencode(query_params)}"}
    return TemplateResponse(request, "suggestions/suggest.html", context, status=422 if form.is_bound else 200)


def suggest_title(type: str, query_params: dict[str, Any], user: User) -> str:
    """Return such as "Suggest: Email for Lee Inc", with the record that the address names and `user` may see."""
    title = f"Suggest: {SuggestionType(type).label}" if type in offered_kinds() else "Suggest"
    rows = (find_visible_record(name, query_params.get(name), user) for name in reversed(RECORD_MODELS))
    about = next((row for row in rows if row is not None), None)
    return f"{title} for {about}" if about else title


def type_links(query_params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return label, description, icon and address of the form of each type."""
    return [
        {
            "label": SuggestionType(name).label,
            "description": TYPE_DESCRIPTIONS[name],
            "icon": TYPE_ICONS[name],
            "url": f"?{urlencode({**query_params, 'type': str(name)})}",
        }
        for name in offered_kinds()
    ]
