"""The screens of the AI log. They are read-only, except for the rating of an answer."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from ai_log.action_forms import RateAnswer
from ai_log.export import MAX_EXPORT_ROWS, csv_lines
from ai_log.filters import AIInteractionFilter
from ai_log.gateway.otel_names import CHAT_TURN, SYSTEM_INSTRUCTIONS, UNTRUSTED_SPANS
from ai_log.gateway.prompts import split_untrusted_spans
from ai_log.lists import LogChangeList
from ai_log.models import AIInteraction
from ai_log.usage import screen
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order, capped_count
from crm.screens.record_admin import ReadOnlyMixin, RecordAdmin
from leads.admin import LeadAdmin

CREATED_ORDER = {"created": models.F("created_at"), "id": models.F("id")}
MAX_CONVERSATION_ROWS = 50


@admin.register(AIInteraction)
class AIInteractionAdmin(ReadOnlyMixin, RecordAdmin):
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
        Column("Interaction"),
        Column("Lead or client"),
        Column("Agent, model"),
        Column("Tokens", css_class="num"),
        Column("Cost", css_class="num"),
        Column("Latency", css_class="num"),
        Column("When", "newest", "num"),
    )
    orders = {
        "newest": Order("Newest first", CREATED_ORDER),
        "oldest": Order("Oldest first", CREATED_ORDER, descending=False),
    }
    tabs = (
        Tab("All", {}, lambda rows, user: rows),
        Tab("Failed", {"failed": "true"}, lambda rows, user: rows.exclude(error_message="")),
    )
    page_actions = (RateAnswer,)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return AIInteraction.objects.visible_to(request.user)

    def get_urls(self) -> list[Any]:
        totals = self.admin_site.admin_view(require_safe(self.totals_view))
        export = self.admin_site.admin_view(require_safe(self.csv_view))
        return [
            path("totals/", totals, name="ai_log_aiinteraction_totals"),
            path("csv/", export, name="ai_log_aiinteraction_csv"),
            *super().get_urls(),
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LogChangeList]:
        return LogChangeList

    def csv_view(self, request: HttpRequest) -> HttpResponse | StreamingHttpResponse:
        """Return the filtered list as CSV; redirect with an error if a filter is invalid or the list is too long."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        list_url = reverse("admin:ai_log_aiinteraction_changelist")
        filterset = self.filterset_class(request.GET, self.get_queryset(request), request=request)
        if filterset.form.errors:
            messages.error(request, "The list was not exported, because a filter is invalid. Correct the filter first.")
            return HttpResponseRedirect(f"{list_url}?{request.GET.urlencode()}")
        if capped_count(filterset.qs, MAX_EXPORT_ROWS) > MAX_EXPORT_ROWS:
            messages.error(request, f"A file can hold at most {MAX_EXPORT_ROWS:,} calls. Filter the list first.")
            return HttpResponseRedirect(f"{list_url}?{request.GET.urlencode()}")
        url_template = request.build_absolute_uri(f"{list_url}{{}}/change/").replace("%7B%7D", "{}")
        file = StreamingHttpResponse(csv_lines(filterset.qs, url_template), content_type="text/csv; charset=utf-8")
        file["Content-Disposition"] = f'attachment; filename="ai-log-{timezone.localdate()}.csv"'
        file["Cache-Control"] = "no-store"
        return file

    def totals_view(self, request: HttpRequest) -> HttpResponse:
        """Show charts and tables of the filtered calls that the user may see."""
        if not self.has_view_permission(request):
            raise PermissionDenied

        def make_filterset(params: dict[str, str]) -> AIInteractionFilter:
            return self.filterset_class(params, self.get_queryset(request), request=request)

        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            **screen.usage_context(request, make_filterset),
        }
        return TemplateResponse(request, "ai_log/totals.html", context)

    def changeform_view(self, request: HttpRequest, object_id: Any = None, *args: Any, **kwargs: Any) -> HttpResponse:
        if object_id and request.method in {"GET", "HEAD"}:
            return self.page_view(request, object_id)
        return super().changeform_view(request, object_id, *args, **kwargs)

    def page_context(self, request: HttpRequest, row: AIInteraction) -> dict[str, Any]:
        conversation_rows = AIInteraction.objects.none()
        if row.conversation_id:
            conversation_rows = (
                self.get_queryset(request).filter(conversation_id=row.conversation_id).order_by("created_at", "id")
            )
        question_parts = split_untrusted_spans(row.content, row.metadata.get(UNTRUSTED_SPANS))
        return {
            **super().page_context(request, row),
            "question_parts": question_parts,
            "has_untrusted": any(is_untrusted for _, is_untrusted in question_parts),
            "details": {
                name: value
                for name, value in row.metadata.items()
                if name not in {CHAT_TURN, UNTRUSTED_SPANS, SYSTEM_INSTRUCTIONS}
            },
            "system_prompt": row.metadata.get(SYSTEM_INSTRUCTIONS, ""),
            "conversation": list(conversation_rows.defer("ai_response", "metadata")[:MAX_CONVERSATION_ROWS]),
            "suggestions": list(
                row.suggestions.filter(deleted_at__isnull=True).select_related("reviewed_by").order_by("-id")[:20]
            ),
        }
