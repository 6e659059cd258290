"""The filters of the AI log."""

import django_filters
from django import forms
from django.db import models

from ai_log.models import AIInteraction, AIInteractionQuerySet, Feedback, InteractionSource, InteractionType
from crm.models import Client
from crm.screens.filters import AgencyDayFilter, RelatedRecordFilter
from leads.models import Lead


class AIInteractionFilter(django_filters.FilterSet):
    """Filter interactions. The search covers questions and summaries."""

    q = django_filters.CharFilter(method="search", label="Search", min_length=3, max_length=200)
    type = django_filters.ChoiceFilter(choices=InteractionType.choices, label="Type")
    source = django_filters.ChoiceFilter(choices=InteractionSource.choices, label="Source")
    agent = django_filters.CharFilter(label="Agent", max_length=60)
    model = django_filters.CharFilter(field_name="model_used", label="Model", max_length=100)
    conversation = django_filters.CharFilter(
        field_name="conversation_id", label="Conversation", max_length=100, widget=forms.HiddenInput
    )
    failed = django_filters.BooleanFilter(
        method="filter_failed",
        label="Failed",
        widget=forms.Select(choices=[("", "—"), ("true", "Yes"), ("false", "No")]),
    )
    feedback = django_filters.ChoiceFilter(choices=Feedback.choices, label="Feedback")
    since = AgencyDayFilter(field_name="created_at", lookup_expr="gte", label="Since")
    until = AgencyDayFilter(field_name="created_at", lookup_expr="lte", label="Until")
    lead = RelatedRecordFilter(Lead)
    client = RelatedRecordFilter(Client)

    class Meta:
        model = AIInteraction
        fields: list[str] = []

    def search(self, queryset: AIInteractionQuerySet, name: str, value: str) -> AIInteractionQuerySet:
        return queryset.matching(value.replace("\x00", ""))

    def filter_failed(self, queryset: models.QuerySet, name: str, value: bool) -> models.QuerySet:
        return queryset.exclude(error_message="") if value else queryset.filter(error_message="")
