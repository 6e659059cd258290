"""The screens of the AI log; only read, except for what people say of an answer."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from ai_log.action_forms import Rate
from ai_log.export import MOST_ROWS, lines
from ai_log.filters import AIInteractionFilter
from ai_log.gateway.otel_names import CHAT, OUTSIDE, SYSTEM
from ai_log.gateway.prompts import pieces
from ai_log.lists import LogChangeList
from ai_log.models import AIInteraction
from ai_log.usage import screen
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order, capped_count
from crm.screens.record_admin import OnlyRead, RecordAdmin
from leads.admin import LeadAdmin

NEWEST = {"created": models.F("created_at"), "id": models.F("id")}
CONVERSATION = 50


@admin.register(AIInteraction)
class AIInteractionAdmin(OnlyRead, RecordAdmin):
    filterset_class = AIInteractionFilter
    search_label = "Search questions and summaries"
    row_template = "ai_log/row.html"
    page_template = "ai_log/page.html"
    change_list_template = "ai_log/list.html"
    list_select_related = ("lead", "client")
    list_defer = (
        "ai_response",
        "metadata",
        "feedback_comment",
        *(f"lead__{name}" for name in LeadAdmin.list_defer),
        *(f"client__{name}" for name in ("notes", "address", "custom_fields", "search_text")),
    )
    columns = (
        Column("What"),
        Column("About"),
        Column("Agent, model"),
        Column("Tokens", css="num"),
        Column("Cost", css="num"),
        Column("Latency", css="num"),
        Column("When", "newest", "num"),
    )
    orders = {"newest": Order("Newest first", NEWEST), "oldest": Order("Oldest first", NEWEST, descending=False)}
    tabs = (
        Tab("All", {}, lambda rows, user: rows),
        Tab("Failed", {"failed": "true"}, lambda rows, user: rows.exclude(error_message="")),
    )
    deeds = (Rate,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return AIInteraction.objects.visible_to(request.user)

    def get_urls(self) -> list[Any]:
        show = self.admin_site.admin_view(require_safe(self.totals_view))
        csv = self.admin_site.admin_view(require_safe(self.csv_view))
        return [
            path("totals/", show, name="ai_log_aiinteraction_totals"),
            path("csv/", csv, name="ai_log_aiinteraction_csv"),
            *super().get_urls(),
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LogChangeList]:
        return LogChangeList

    def csv_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """What is filtered, as a file; what cannot be filtered so, or is too much, is refused in a sentence."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        page = reverse("admin:ai_log_aiinteraction_changelist")
        asked = self.filterset_class(request.GET, self.get_queryset(request), request=request)
        if asked.form.errors:
            messages.error(request, "There is no file of a filter that cannot be used.")
            return HttpResponseRedirect(f"{page}?{request.GET.urlencode()}")
        if capped_count(asked.qs, MOST_ROWS) > MOST_ROWS:
            messages.error(request, f"A file holds {MOST_ROWS:,} calls at most: narrow the list down.")
            return HttpResponseRedirect(f"{page}?{request.GET.urlencode()}")
        address = request.build_absolute_uri(f"{page}{{}}/change/").replace("%7B%7D", "{}")
        file = StreamingHttpResponse(lines(asked.qs, address), content_type="text/csv; charset=utf-8")
        file["Content-Disposition"] = f'attachment; filename="ai-log-{timezone.localdate()}.csv"'
        file["Cache-Control"] = "no-store"
        return file

    def totals_view(self, request: HttpRequest) -> HttpResponse:
        """What is filtered comes to, in charts and tables, as far as the user sees it."""
        if not self.has_view_permission(request):
            raise PermissionDenied

        def filtered(asked: dict[str, str]) -> AIInteractionFilter:
            return self.filterset_class(asked, self.get_queryset(request), request=request)

        shown = {**self.admin_site.each_context(request), "opts": self.opts, **screen.context(request, filtered)}
        return TemplateResponse(request, "ai_log/totals.html", shown)

    def changeform_view(self, request: HttpRequest, object_id: Any = None, *args: Any, **kwargs: Any) -> HttpResponse:
        if object_id and request.method in {"GET", "HEAD"}:
            return self.page_view(request, object_id)
        return super().changeform_view(request, object_id, *args, **kwargs)

    def page_context(self, request: HttpRequest, row: AIInteraction) -> dict[str, Any]:
        around = AIInteraction.objects.none()
        if row.conversation_id:
            around = self.get_queryset(request).filter(conversation_id=row.conversation_id).order_by("created_at", "id")
        asked = pieces(row.content, row.metadata.get(OUTSIDE))
        return {
            **super().page_context(request, row),
            "asked": asked,
            "has_outside": any(outside for _, outside in asked),
            "details": {name: value for name, value in row.metadata.items() if name not in {CHAT, OUTSIDE, SYSTEM}},
            "system": row.metadata.get(SYSTEM, ""),
            "conversation": list(around.defer("ai_response", "metadata")[:CONVERSATION]),
            "suggestions": list(
                row.suggestions.filter(deleted_at__isnull=True).select_related("reviewed_by").order_by("-id")[:20]
            ),
        }
