"""The screens of the AI log. They are read-only, except for the rating of an answer."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.urls import path

from ai_log.action_forms import RateAnswer
from ai_log.export import LOG_EXPORT
from ai_log.filters import AIInteractionFilter
from ai_log.gateway.otel_names import CHAT_TURN, SYSTEM_INSTRUCTIONS, UNTRUSTED_SPANS
from ai_log.gateway.prompts import split_untrusted_spans
from ai_log.lists import LogChangeList
from ai_log.models import AIInteraction
from ai_log.usage.screen import usage_view
from crm.screens.lists import Column, Tab
from crm.screens.paging import Order
from crm.screens.record_admin import ReadOnlyMixin, RecordAdmin
from leads.admin import LeadAdmin

CREATED_ORDER = {"created": models.F("created_at"), "id": models.F("id")}
MAX_CONVERSATION_ROWS = 50


@admin.register(AIInteraction)
class AIInteractionAdmin(ReadOnlyMixin, RecordAdmin):
    filterset_class = AIInteractionFilter
    search_label = "Search questions and summaries"
    max_count = 1_000
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
    list_export = LOG_EXPORT

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return AIInteraction.objects.visible_to(request.user)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("totals/", wrap(usage_view), {"site": self.admin_site}, name="ai_log_aiinteraction_totals"),
            *super().get_urls(),
        ]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[LogChangeList]:
        return LogChangeList

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
