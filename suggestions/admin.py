"""The approvals screen: a queue, and one suggestion at a time to decide about."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, QueryDict
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from crm.models import ActivityLog, Client
from crm.screens.action_forms import DeedForm
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order, page
from crm.screens.record_admin import TIMELINE_LENGTH, RecordAdmin
from inbox.email_templates.screen import EmailTemplateAdmin
from inbox.models.email_template import EmailTemplate
from leads.models import Lead
from suggestions.autonomy.screen import AutonomyAdmin
from suggestions.choices import Names
from suggestions.filters import DONE_WITH, STATES, WAITING, SuggestionFilter
from suggestions.kinds import KINDS
from suggestions.models import AutonomySetting, Suggestion, SuggestionType
from suggestions.screens.action_forms import (
    Approve,
    ItDidGoOut,
    ItDidNot,
    PutBack,
    Reject,
    Snooze,
    Submit,
    Undo,
    Worked,
)
from suggestions.screens.attempts import goes_out_at
from suggestions.screens.dashboard import waiting_badge
from suggestions.screens.presenters import ICONS, content_now, detail, leaving, said
from suggestions.screens.propose_form import WORDS, SuggestForm, named_in
from suggestions.screens.queue import SHOW, Approvals

NEWEST = {"created": models.F("created_at"), "id": models.F("id")}
POINTERS = (
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
HEAVY = ("suggested_content", "approved_content", "evidence", "result", "reasoning", "error_message", "review_note")

# In a person's session: what they decided last. It is offered to be taken back for so long.
DECIDED = "suggestions.screens.ai_log_outcomes"
LATELY = timedelta(hours=1)
# Deeds after which the suggestion itself stays on the screen, for it waits again.
STAYS = {PutBack.verb, Undo.verb, Submit.verb}


def worked_on(forms: dict[str, DeedForm]) -> Worked | None:
    """The form in which the content can be worked on, if one is offered."""
    return next((form for form in forms.values() if isinstance(form, Worked)), None)


def unnamed(pointer: str, model: type[models.Model], *name: str) -> list[str]:
    """The columns of `model` that a line does not need which only says its name."""
    return [f"{pointer}__{field.name}" for field in model._meta.concrete_fields if field.name not in {"id", *name}]


def state_tab(name: str) -> Tab:
    label, narrowed = STATES[name]
    params = {} if name == WAITING else {"state": name}
    counted = None if name in DONE_WITH else lambda rows, user: narrowed(rows.live(), timezone.now())
    return Tab(label, params, counted)


admin.site.register(AutonomySetting, AutonomyAdmin)
admin.site.register(EmailTemplate, EmailTemplateAdmin)


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
        *HEAVY,
        *("findings", "held_because", "acknowledged", "content_hash", "dedupe_key"),
        *unnamed("lead", Lead, "contact_name", "company_name"),
        *unnamed("client", Client, "name"),
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
        *(f"superseded_by__{name}" for name in HEAVY),
    )
    columns = (Column("Suggestion"),)
    orders = {
        "newest": Order("Newest first", NEWEST),
        "oldest": Order("Oldest first", NEWEST, descending=False),
    }
    tabs = (
        *(state_tab(name) for name in STATES),
        Tab("Deleted", {"deleted": "true"}, None, "suggestions.restore_suggestion"),
    )
    deeds = (Approve, Submit, Reject, Snooze, PutBack, Undo, ItDidGoOut, ItDidNot)
    bulk = (Approve, Reject, Snooze)

    # A suggestion is proposed, by an agent or a person, and decided by a person; nobody edits it.

    def has_change_permission(self, request, obj=None):
        return False

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        if object_id and request.method in {"GET", "HEAD"}:
            return self.page_view(request, object_id)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_urls(self):
        wrap = self.admin_site.admin_view
        return [
            path("waiting/", wrap(self.waiting_view), name="suggestions_suggestion_waiting"),
            path("<uuid:pk>/preview/", wrap(self.preview_view), name="suggestions_suggestion_preview"),
            *super().get_urls(),
        ]

    def waiting_view(self, request: HttpRequest) -> HttpResponse:
        """How many wait, for the navigation of a page that is open."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse({"waiting": waiting_badge(request)}, headers={"Cache-Control": "no-store"})

    def preview_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """What of a content that is being worked on would leave; nothing is decided, nothing kept."""
        row = self.find(request, pk)
        if request.method != "POST":
            return HttpResponseRedirect(self.page_url(row))
        offered = next((form for form in (Approve, Submit) if form.offered(row, request.user)), None)
        if offered is None or row.is_deleted:
            raise PermissionDenied
        form = offered(request.POST, user=request.user, record=row)
        form.is_valid()
        shown = leaving(row, form.typed(), request.user)
        if request.headers.get("X-Fragment"):
            return TemplateResponse(request, "suggestions/leaves.html", shown)
        form.url = self.deed_url(row, form.verb)
        context = self.page_context(request, row)
        context = {**context, "forms": {**context["forms"], form.verb: form}, "worked": form, **shown}
        return TemplateResponse(request, self.page_template, {**self.admin_site.each_context(request), **context})

    def add_view(self, request, form_url="", extra_context=None):
        """Suggesting something: first what, then the rest."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        kind, asked = request.GET.get("type", ""), request.GET.dict()
        context = {**self.admin_site.each_context(request), "title": "Suggest", "opts": self.opts}
        if kind not in KINDS:
            context["types"] = [
                {
                    "label": SuggestionType(name).label,
                    "words": WORDS[name],
                    "icon": ICONS[name],
                    "url": f"?{urlencode({**asked, 'type': str(name)})}",
                }
                for name in KINDS
            ]
            return TemplateResponse(request, "suggestions/suggest.html", context)
        sent = request.POST if request.method == "POST" else None
        form = SuggestForm(sent, type=kind, user=request.user, initial=named_in(asked, request.user))
        if form.is_bound and form.is_valid() and (made := form.propose(as_draft="as_draft" in request.POST)):
            said = "Saved as a draft" if "as_draft" in request.POST else "Proposed"
            self.message_user(request, f"{said}: {made}.", "success")
            return HttpResponseRedirect(self.page_url(made))
        asked.pop("type")
        context |= {"form": form, "title": f"Suggest: {SuggestionType(kind).label}", "others": f"?{urlencode(asked)}"}
        return TemplateResponse(request, "suggestions/suggest.html", context, status=422 if form.is_bound else 200)

    def get_object(self, request, object_id, from_field=None):
        rows = self.get_queryset(request)
        try:
            points_to = rows.values(*POINTERS).get(pk=object_id)
            return self.whole(request, object_id, {name for name in POINTERS if points_to[name]})
        except (Suggestion.DoesNotExist, ValidationError, ValueError):
            return None

    def whole(self, request: HttpRequest, pk: Any, pointers: set[str]) -> Suggestion:
        """The suggestion with all that hangs on it; `pointers` are the names of those that it has.

        To plan the joins to what it has not takes longer than to read it.
        """
        joined = [name for name in self.page_select_related if name.partition("__")[0] in pointers]
        left_out = [name for name in self.page_defer if name.partition("__")[0] in pointers]
        rows = self.get_queryset(request).select_related(*joined) if joined else self.get_queryset(request)
        return rows.defer(*left_out).get(pk=pk)

    # The queue, with one of it beside

    def get_changelist(self, request, **kwargs):
        return Approvals

    def changelist_view(self, request, extra_context=None):
        response = super().changelist_view(request, {"title": "Approvals", **(extra_context or {})})
        context = getattr(response, "context_data", None) or {}
        if "cl" in context and not context.get("is_popup"):
            context.update(self.beside(request, context["cl"]))
        return response

    def beside(self, request: HttpRequest, cl: Approvals) -> dict[str, Any]:
        """What stands beside the list: the one asked for, or its first."""
        wanted = request.GET.get(SHOW) or (cl.page.rows[0].pk if cl.page.rows else None)
        try:
            row = self.opened(request, wanted, cl) if wanted else None
        except Http404 as missing:
            self.message_user(request, str(missing), "error")
            row = self.opened(request, cl.page.rows[0].pk, cl) if cl.page.rows else None
        if row is None:
            return {"chosen": None, "last": self.last_decided(request, cl.names)}
        row.names = cl.names
        forms = {form.verb: form for form in self.offered(request, row)}
        back = f"{self.list_url()}?{cl.here()}"
        return {
            "chosen": row.pk,
            "forms": forms,
            "worked": worked_on(forms),
            "next": back,
            "last": self.last_decided(request, cl.names),
            **detail(row, request.user, cl.names, alone=False),
        }

    def opened(self, request: HttpRequest, wanted: Any, cl: Approvals) -> Suggestion:
        """The one to be shown; of one in the list is known already what hangs on it.

        Raises:
            Http404: there is none, or it is not this person's to see.
        """
        known = next((row for row in cl.page.rows if str(row.pk) == str(wanted)), None)
        if known is None or not self.has_view_permission(request, known):
            return self.find(request, wanted)
        try:
            return self.whole(request, known.pk, {name for name in POINTERS if getattr(known, f"{name}_id")})
        except Suggestion.DoesNotExist as gone:
            raise Http404("There is no such suggestion.") from gone

    def last_decided(self, request: HttpRequest, names: Names) -> dict[str, Any] | None:
        """What this person decided last, with the form that takes it back; None where it cannot be."""
        pk = request.session.get(DECIDED)
        row = self.get_object(request, pk) if pk else None
        if row is None or row.reviewed_by_id != request.user.pk or row.reviewed_at < timezone.now() - LATELY:
            return None
        form = next((form for form in (Undo, PutBack) if form.offered(row, request.user)), None)
        if form is None or row.is_deleted:
            return None
        sentence, _ = said(row, content_now(row), names)
        url = self.deed_url(row, form.verb)
        return {"row": row, "sentence": sentence, "url": url, "goes_out_at": goes_out_at(row)}

    # The page of one

    def page_context(self, request, row):
        context = super().page_context(request, row)
        forms = {form.verb: form for form in context["deeds"]}
        worked = worked_on(forms)
        names = worked.names if worked else Names()
        following = self.following(request, QueryDict(), row)
        back = request.POST.get("next") or request.GET.get("next", "")
        return {
            **context,
            **detail(row, request.user, names),
            "deeds": [],
            "forms": forms,
            "worked": worked,
            "next": back if url_has_allowed_host_and_scheme(back, None) else "",
            "following": self.page_url(following) if following else "",
            "last": self.last_decided(request, names),
            "timeline": ActivityLog.objects.done_to(row).select_related("actor")[:TIMELINE_LENGTH],
        }

    def deed_view(self, request, pk, verb):
        """As of any record, but asked, and asked again, on the page of the suggestion itself."""
        response = super().deed_view(request, pk, verb)
        asked = getattr(response, "context_data", None)
        if not asked or verb not in {form.verb for form in self.deeds}:
            return response
        row = self.find(request, pk)
        context = self.page_context(request, row)
        form = asked["form"]
        form.url, form.is_open = self.deed_url(row, verb), True
        context["forms"] = {**context["forms"], verb: form}
        context["worked"] = worked_on(context["forms"])
        if isinstance(form, Worked) and form.is_bound:
            context |= leaving(row, form.typed(), request.user)
        context = {**self.admin_site.each_context(request), **context, "refused": form.non_field_errors()}
        return TemplateResponse(request, self.page_template, context, status=response.status_code)

    # Where a decision leads

    def after(self, request, row, verb):
        url = super().after(request, row, verb)
        if verb not in {form.verb for form in self.deeds}:
            return url
        if verb in {Approve.verb, Reject.verb}:
            request.session[DECIDED] = str(row.pk)
        place, _, query = url.partition("?")
        stays = verb in STAYS
        if place == self.list_url():
            asked = QueryDict(query, mutable=True)
            following = row if stays else self.following(request, asked, row)
            asked.pop(SHOW, None)
            if following is not None:
                asked[SHOW] = str(following.pk)
            return f"{place}?{asked.urlencode()}"
        if place == self.page_url(row) and not stays:
            following = self.following(request, QueryDict(), row)
            return self.page_url(following) if following else self.list_url()
        return url

    def following(self, request: HttpRequest, asked: QueryDict, row: Suggestion) -> Suggestion | None:
        """The one after `row` in the list that `asked` describes, or its first."""
        order = self.orders.get(asked.get("order", ""), self.orders["newest"])
        rows = self.filterset_class(asked, self.get_queryset(request), request=request).qs.defer(*HEAVY)
        here = order.annotated(Suggestion.everything.defer(*HEAVY)).get(pk=row.pk)
        for after in (order.cursor_for(here, 0), None):
            found = [other for other in page(rows, order, size=2, after=after).rows if other.pk != row.pk]
            if found:
                return found[0]
        return None
