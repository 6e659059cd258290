"""The stock Django admin, with leads registered as in a project with little data."""

from pathlib import Path
from typing import Any

from django.contrib import admin
from django.contrib.admin import AdminSite, EmptyFieldListFilter, ModelAdmin, SimpleListFilter, TabularInline
from django.db.models import Case, F, QuerySet, Value, When
from django.http import HttpRequest

from ai_log.models import AIInteraction
from inbox.models import LAST_ACTIVITY, Message, Thread
from leads.models import Lead, Tier
from suggestions.models import Suggestion

# Use Django's own templates; in the CRM's settings the theme's templates come first.
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(admin.__file__).parent / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
site = AdminSite(name="stock")


class TagFilter(SimpleListFilter):
    title = "tag"
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [(tag, tag) for tag in ("renewal", "bundle", "fleet", "veteran", "vip")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(tags__contains=[self.value()]) if self.value() else queryset


class CampaignFilter(SimpleListFilter):
    title = "campaign"
    parameter_name = "campaign"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [(name, name) for name in ("spring-auto", "fall-renewals", "teen-drivers")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(custom_fields__campaign=self.value()) if self.value() else queryset


@admin.register(Lead, site=site)
class LeadAdmin(ModelAdmin):
    list_display = (
        "contact_name",
        "company_name",
        "overall_score",
        "priority_tier",
        "status",
        "insurance_type",
        "assigned_to",
        "estimated_value",
        "predicted_close_probability",
        "last_contact_at",
    )
    list_filter = (
        ("closed_at", EmptyFieldListFilter),
        "priority_tier",
        "status",
        "insurance_type",
        "assigned_to",
        TagFilter,
        CampaignFilter,
    )
    list_select_related = ("status", "insurance_type", "assigned_to")
    list_per_page = admin.site.get_model_admin(Lead).list_per_page
    search_fields = ("contact_name", "contact_email", "company_name", "contact_phone", "auto_data__vin")

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """Order hot leads first, then by score, like the CRM's list, so that both show the same rows."""
        rank = Case(*(When(priority_tier=tier, then=Value(n)) for n, tier in enumerate(Tier)), default=Value(len(Tier)))
        return [rank, F("overall_score").desc(nulls_last=True), "-pk"]


@admin.register(Suggestion, site=site)
class SuggestionAdmin(ModelAdmin):
    list_display = ("type", "lead", "client", "status", "agent", "confidence", "tainted", "created_at")
    list_filter = ("status", "type", "agent", "lead__assigned_to")
    list_select_related = ("lead", "client")
    list_per_page = admin.site.get_model_admin(Suggestion).list_per_page
    search_fields = ("lead__contact_name", "lead__company_name", "lead__contact_email")
    ordering = ("-created_at", "-pk")


class AddressFilter(SimpleListFilter):
    title = "address that takes part"
    parameter_name = "address"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin) -> list[tuple[str, str]]:
        return [("someone@example.com", "someone@example.com")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(participant_emails__contains=[self.value()]) if self.value() else queryset


class MessageInline(TabularInline):
    model = Message
    fields = readonly_fields = ("direction", "from_email", "sent_at", "subject", "body_text")
    ordering = ("sent_at",)
    extra = 0


@admin.register(Thread, site=site)
class ThreadAdmin(ModelAdmin):
    list_display = ("subject", "lead", "client", "source", "sentiment", "message_count", "last_message_at")
    list_filter = (
        "status",
        "last_direction",
        "awaiting_reply",
        ("lead", EmptyFieldListFilter),
        ("client", EmptyFieldListFilter),
        "source",
        AddressFilter,
    )
    list_select_related = ("lead", "client")
    list_per_page = admin.site.get_model_admin(Thread).list_per_page
    search_fields = ("subject", "messages__subject", "messages__from_name", "messages__body_text")
    raw_id_fields = ("mailbox", "lead", "client", "project", "assigned_to")
    inlines = (MessageInline,)

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """Order newest first, or oldest first for waiting conversations, like the CRM's list."""
        waiting = {"last_direction__exact", "awaiting_reply__exact"} & set(request.GET)
        return [LAST_ACTIVITY, "id"] if waiting else [LAST_ACTIVITY.desc(), "-id"]


@admin.register(AIInteraction, site=site)
class AIInteractionAdmin(ModelAdmin):
    list_display = (
        "summary",
        "lead",
        "client",
        "agent",
        "model_used",
        "prompt_tokens",
        "completion_tokens",
        "cost_usd",
        "latency_ms",
        "created_at",
    )
    list_filter = ("type", "source", "agent", "model_used", "feedback", ("error_message", EmptyFieldListFilter))
    list_select_related = ("lead", "client")
    list_per_page = admin.site.get_model_admin(AIInteraction).list_per_page
    search_fields = ("summary", "content")
    ordering = ("-created_at", "-pk")
