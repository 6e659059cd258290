"""The approvals screen: a queue, and one suggestion at a time to decide about."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_POST

from crm.models import Client
from crm.records.timeline import Position, TimelinePage, load_target_timeline
from crm.screens.action_forms import ActionForm
from crm.screens.action_values import safe_next_url
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order, fetch_page
from crm.screens.record_admin import RecordAdmin
from leads.models import Lead
from suggestions.choices import LabelCache
from suggestions.filters import QUEUE_STATES, TAB_STATES, UNCOUNTED_STATES, WAITING_STATE, SuggestionFilter
from suggestions.models import Suggestion
from suggestions.screens.action_forms import (
    Approve,
    ConfirmDelivered,
    ContentDecisionForm,
    PutBack,
    Reject,
    RetryUndelivered,
    Snooze,
    Submit,
    Undo,
    UseOriginal,
)
from suggestions.screens.attempts import scheduled_at
from suggestions.screens.composer_reply import use_reply_view
from suggestions.screens.dashboard import waiting_view
from suggestions.screens.existing_records import link_instead_view
from suggestions.screens.presenters import (
    current_content,
    describe_suggestion,
    preview_context,
    suggestion_context,
)
from suggestions.screens.propose_form import propose_view
from suggestions.screens.queue import ARCHIVE_ORDER, QUEUE_ORDER, SELECTED_PARAM, ApprovalsChangeList

SUGGESTION_ORDER = {"created": models.F("created_at"), "id": models.F("id")}
RELATION_NAMES = (
    "lead",
    "client",
    "thread",
    "interaction",
    "project",
    "ticket",
    "reviewed_by",
    "proposed_by",
    "superseded_by",
)
LARGE_COLUMNS = (
    "suggested_content",
    "approved_content",
    "edited_content",
    "evidence",
    "result",
    "reasoning",
    "error_message",
    "review_note",
)

# The session keeps the user's last decision, which can be undone for this long.
LAST_DECIDED_SESSION_KEY = "suggestions.screens.ai_log_outcomes"
UNDO_OFFER_PERIOD = timedelta(hours=1)
# After these actions the suggestion stays on the screen, because it needs another decision.
VERBS_STAYING_ON_RECORD = {PutBack.verb, Undo.verb, UseOriginal.verb, Submit.verb}


def find_content_form(forms: dict[str, ActionForm]) -> ContentDecisionForm | None:
    """Return the form with the editable content, if one is offered."""
    return next((form for form in forms.values() if isinstance(form, ContentDecisionForm)), None)


def columns_not_shown(pointer: str, model: type[models.Model], *name: str) -> list[str]:
    """Return the columns of `model` that a line with only its name does not need."""
    return [f"{pointer}__{field.name}" for field in model._meta.concrete_fields if field.name not in {"id", *name}]


def build_state_tab(name: str) -> Tab:
    label, apply_state = QUEUE_STATES[name]
    params = {} if name == WAITING_STATE else {"state": name}
    count_rows = None if name in UNCOUNTED_STATES else lambda rows, user: apply_state(rows.live(), timezone.now())
    return Tab(label, params, count_rows, order=QUEUE_ORDER if name == WAITING_STATE else ARCHIVE_ORDER)


@admin.register(Suggestion)
class SuggestionAdmin(RecordAdmin):
    filterset_class = SuggestionFilter
    search_label = "Search by lead"
    list_links = (("suggestions_suggestion_add", "lightbulb", "Suggest"),)
    row_template = "suggestions/row.html"
    page_template = "suggestions/page.html"
    change_list_template = "suggestions/approvals.html"
    list_per_page = 25
    list_select_related = ("lead", "client")
    list_defer = (
        *LARGE_COLUMNS,
        *("findings", "held_because", "acknowledged", "content_hash", "dedupe_key"),
        *columns_not_shown("lead", Lead, "contact_name", "company_name", "assigned_to"),
        *columns_not_shown("client", Client, "name", "assigned_to"),
    )
    page_select_related = (
        "lead__status",
        "lead__assigned_to",
        "lead__insurance_type",
        "client__assigned_to",
        "thread",
        "interaction",
        "project",
        "ticket",
        "reviewed_by",
        "proposed_by",
        "superseded_by",
    )
    page_defer = (
        *(f"interaction__{name}" for name in ("content", "ai_response", "metadata")),
        *(f"superseded_by__{name}" for name in LARGE_COLUMNS),
    )
    columns = (Column("Suggestion"),)
    orders = {
        QUEUE_ORDER: Order("Most urgent first", {"priority": models.F("priority"), **SUGGESTION_ORDER}),
        ARCHIVE_ORDER: Order("Newest first", SUGGESTION_ORDER),
        "oldest": Order("Oldest first", SUGGESTION_ORDER, descending=False),
    }
    tabs = (
        *(build_state_tab(name) for name in TAB_STATES),
        Tab("Deleted", {"deleted": "true"}, None, "suggestions.restore_suggestion", order=ARCHIVE_ORDER),
    )
    page_actions = (Approve, Submit, Reject, Snooze, PutBack, Undo, UseOriginal, ConfirmDelivered, RetryUndelivered)
    bulk_actions = (Approve, Reject, Snooze)

    # A suggestion is proposed and decided, but never edited.

    def has_change_permission(self, request, obj=None):
        return False

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        if object_id and request.method in {"GET", "HEAD"}:
            return self.page_view(request, object_id)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("waiting/", wrap(waiting_view), name="suggestions_suggestion_waiting"),
            path(
                "<uuid:pk>/link/<slug:table>/<uuid:key>/",
                wrap(require_POST(self.link_instead)),
                name="suggestions_suggestion_link_instead",
            ),
            path("<uuid:pk>/use/", wrap(require_POST(self.use_reply)), name="suggestions_suggestion_use"),
            path("<uuid:pk>/preview/", wrap(self.preview_view), name="suggestions_suggestion_preview"),
            *super().get_urls(),
        ]

    def link_instead(self, request: HttpRequest, pk: UUID, table: str, key: UUID) -> HttpResponse:
        return link_instead_view(request, self.get_visible_object(request, pk), table, key)

    def use_reply(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        return use_reply_view(request, self.get_visible_object(request, pk))

    def preview_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show what the edited content would send; nothing is decided or saved."""
        row = self.get_visible_object(request, pk)
        if request.method != "POST":
            return HttpResponseRedirect(self.page_url(row))
        is_available = next((form for form in (Approve, Submit) if form.is_available(row, request.user)), None)
        if is_available is None or row.is_deleted:
            raise PermissionDenied
        form = is_available(request.POST, user=request.user, record=row)
        form.is_valid()
        shown = preview_context(row, form.typed_content(), request.user)
        if request.headers.get("X-Fragment"):
            return TemplateResponse(request, "suggestions/preview.html", shown)
        form.url = self.action_url(row, form.verb)
        context = self.page_context(request, row)
        context = {**context, "forms": {**context["forms"], form.verb: form}, "content_form": form, **shown}
        return TemplateResponse(request, self.page_template, {**self.admin_site.each_context(request), **context})

    def add_view(self, request, form_url="", extra_context=None):
        return propose_view(request, self.admin_site)

    def get_object(self, request, object_id, from_field=None):
        rows = self.get_queryset(request)
        try:
            points_to = rows.values(*RELATION_NAMES).get(pk=object_id)
            return self.load_with_relations(request, object_id, {name for name in RELATION_NAMES if points_to[name]})
        except (Suggestion.DoesNotExist, ValidationError, ValueError):
            return None

    def load_with_relations(self, request: HttpRequest, pk: Any, relation_names: set[str]) -> Suggestion:
        """Load the suggestion with its related records; `relation_names` are the relations that it has.

        Joins to relations that it does not have would cost more in planning than the row itself.
        """
        joined = [name for name in self.page_select_related if name.partition("__")[0] in relation_names]
        left_out = [name for name in self.page_defer if name.partition("__")[0] in relation_names]
        rows = self.get_queryset(request).select_related(*joined) if joined else self.get_queryset(request)
        return rows.defer(*left_out).get(pk=pk)

    # The queue, with the selected suggestion beside it

    def get_changelist(self, request, **kwargs):
        return ApprovalsChangeList

    def changelist_view(self, request, extra_context=None):
        response = super().changelist_view(request, {"title": "Approvals", **(extra_context or {})})
        context = getattr(response, "context_data", None) or {}
        if "cl" in context and not context.get("is_popup"):
            context.update(self.selected_context(request, context["cl"]))
        return response

    def selected_context(self, request: HttpRequest, cl: ApprovalsChangeList) -> dict[str, Any]:
        """Return what is shown beside the list: the selected suggestion, or the first."""
        wanted = request.GET.get(SELECTED_PARAM) or (cl.page.rows[0].pk if cl.page.rows else None)
        try:
            row = self.load_selected(request, wanted, cl) if wanted else None
        except Http404 as missing:
            self.message_user(request, str(missing), "error")
            row = self.load_selected(request, cl.page.rows[0].pk, cl) if cl.page.rows else None
        if row is None:
            return {"chosen": None, "last": self.last_decision(request, cl.names)}
        row.names = cl.names
        forms = {form.verb: form for form in self.available_actions(request, row)}
        back = f"{self.list_url()}?{cl.page_query()}"
        return {
            "chosen": row.pk,
            "forms": forms,
            "content_form": find_content_form(forms),
            "next": back,
            "last": self.last_decision(request, cl.names),
            **suggestion_context(row, request.user, cl.names, alone=False),
        }

    def load_selected(self, request: HttpRequest, wanted: Any, cl: ApprovalsChangeList) -> Suggestion:
        """Return the selected suggestion; the list already knows which relations a row of its own has.

        Raises:
            Http404: there is no such suggestion, or the user may not see it.
        """
        known = next((row for row in cl.page.rows if str(row.pk) == str(wanted)), None)
        if known is None or not self.has_view_permission(request, known):
            return self.get_visible_object(request, wanted)
        try:
            return self.load_with_relations(
                request, known.pk, {name for name in RELATION_NAMES if getattr(known, f"{name}_id")}
            )
        except Suggestion.DoesNotExist as gone:
            raise Http404("There is no such suggestion.") from gone

    def last_decision(self, request: HttpRequest, names: LabelCache) -> dict[str, Any] | None:
        """Return the user's last decision with the address that undoes it; None if it cannot be undone."""
        pk = request.session.get(LAST_DECIDED_SESSION_KEY)
        row = self.get_object(request, pk) if pk else None
        if row is None or row.reviewed_by_id != request.user.pk or row.reviewed_at < timezone.now() - UNDO_OFFER_PERIOD:
            return None
        form = next((form for form in (Undo, PutBack) if form.is_available(row, request.user)), None)
        if form is None or row.is_deleted:
            return None
        sentence, _ = describe_suggestion(row, current_content(row), names)
        url = self.action_url(row, form.verb)
        return {"row": row, "sentence": sentence, "url": url, "goes_out_at": scheduled_at(row)}

    # The page of one suggestion

    def page_context(self, request, row):
        context = super().page_context(request, row)
        forms = {form.verb: form for form in context["page_actions"]}
        content_form = find_content_form(forms)
        names = content_form.names if content_form else LabelCache(request.user)
        following = self.next_in_queue(request, QueryDict(), row)
        back = request.POST.get("next") or request.GET.get("next", "")
        shown = suggestion_context(row, request.user, names)
        return {
            **context,
            **shown,
            "title": shown["sentence"],
            "page_actions": [],
            "forms": forms,
            "content_form": content_form,
            "next": safe_next_url(back, ""),
            "following": self.page_url(following) if following else "",
            "last": self.last_decision(request, names),
        }

    def load_timeline(self, request: HttpRequest, row: Suggestion, before: Position | None) -> TimelinePage:
        return load_target_timeline(request.user, row, before)

    def action_view(self, request, pk, verb):
        """Show the form of an action on the page of the suggestion itself."""
        response = super().action_view(request, pk, verb)
        form_context = getattr(response, "context_data", None)
        if not form_context or verb not in {form.verb for form in self.page_actions}:
            return response
        row = self.get_visible_object(request, pk)
        context = self.page_context(request, row)
        form = form_context["form"]
        form.url, form.is_open = self.action_url(row, verb), True
        context["forms"] = {**context["forms"], verb: form}
        context["content_form"] = find_content_form(context["forms"])
        if isinstance(form, ContentDecisionForm) and form.is_bound:
            context |= preview_context(row, form.typed_content(), request.user)
        context = {**self.admin_site.each_context(request), **context, "refused": form.non_field_errors()}
        return TemplateResponse(request, self.page_template, context, status=response.status_code)

    # After a decision

    def success_url(self, request, row, verb):
        url = super().success_url(request, row, verb)
        if verb not in {form.verb for form in self.page_actions}:
            return url
        if verb in {Approve.verb, Reject.verb}:
            request.session[LAST_DECIDED_SESSION_KEY] = str(row.pk)
        place, _, query = url.partition("?")
        stays = verb in VERBS_STAYING_ON_RECORD
        if place == self.list_url():
            query_params = QueryDict(query, mutable=True)
            following = row if stays else self.next_in_queue(request, query_params, row)
            query_params.pop(SELECTED_PARAM, None)
            if following is not None:
                query_params[SELECTED_PARAM] = str(following.pk)
            return f"{place}?{query_params.urlencode()}"
        if place == self.page_url(row) and not stays:
            following = self.next_in_queue(request, QueryDict(), row)
            return self.page_url(following) if following else self.list_url()
        return url

    def next_in_queue(self, request: HttpRequest, query_params: QueryDict, row: Suggestion) -> Suggestion | None:
        """Return the suggestion after `row` in the list that `query_params` describe, or its first."""
        is_queue = query_params.get("state", WAITING_STATE) == WAITING_STATE and not query_params.get("deleted")
        default_order = self.orders[QUEUE_ORDER if is_queue else ARCHIVE_ORDER]
        order = self.orders.get(query_params.get("order", ""), default_order)
        rows = self.filterset_class(query_params, self.get_queryset(request), request=request).qs.defer(*LARGE_COLUMNS)
        here = order.annotate_keys(Suggestion.everything.defer(*LARGE_COLUMNS)).get(pk=row.pk)
        for after in (order.make_cursor(here, 0), None):
            found = [other for other in fetch_page(rows, order, size=2, after=after).rows if other.pk != row.pk]
            if found:
                return found[0]
        return None
