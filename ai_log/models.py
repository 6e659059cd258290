"""What a model was asked and what it answered."""

from typing import Any

import pgtrigger
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.models.base import between, json_field, json_is, never_emptied, one_of, owned_by_or_free, sees_everyone


class InteractionType(models.TextChoices):
    CHAT = "Chat"
    FOLLOW_UP = "Follow-Up", "Follow-up"
    SUMMARY = "Summary"
    PREDICTION = "Prediction"
    PROMPT_RESPONSE = "PromptResponse", "Prompt and response"


class InteractionSource(models.TextChoices):
    AGENT_UI = "Agent UI", "Agent UI"
    MARKETING_AUTOMATION = "Marketing Automation", "Marketing automation"
    AI_ASSISTANT = "AI Assistant", "AI assistant"
    BACKEND_MIDDLEWARE = "Backend Middleware", "Backend"


class Feedback(models.TextChoices):
    UP = "up", "Helpful"
    DOWN = "down", "Not helpful"


TEXT = SearchVector("summary", "content", config="english")
# What may change in a row of the log: a person's feedback, and links to what was purged.
NOT_THE_RECORD = ["feedback", "feedback_comment", "feedback_by", "feedback_at", "lead", "client"]


class AIInteractionQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> "AIInteractionQuerySet":
        """Interactions about leads and clients that `user` may see, and those about none."""
        if sees_everyone(user):
            return self
        return self.filter(owned_by_or_free(user, "lead__assigned_to"), owned_by_or_free(user, "client__assigned_to"))

    def matching(self, words: str) -> "AIInteractionQuerySet":
        """Full-text search over summary and content."""
        return self.alias(_text=TEXT).filter(_text=SearchQuery(words, config="english", search_type="websearch"))


class AIInteraction(models.Model):
    """One call to a model. Append-only; costs in US dollars, null where the provider gave none."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    lead = models.ForeignKey(
        "leads.Lead", null=True, blank=True, on_delete=models.SET_NULL, related_name="ai_interactions"
    )
    client = models.ForeignKey(
        "crm.Client", null=True, blank=True, on_delete=models.SET_NULL, related_name="ai_interactions"
    )
    type = models.CharField(max_length=20, choices=InteractionType)
    source = models.CharField(max_length=30, choices=InteractionSource)
    content = models.TextField(help_text="What was asked.")
    ai_response = models.TextField("answer", blank=True, default="", db_default="")
    summary = models.TextField(blank=True, default="", db_default="")
    model_used = models.CharField("model", max_length=100, blank=True, default="", db_default="")
    temperature = models.FloatField(null=True, blank=True)
    metadata = json_field(dict)
    agent = models.CharField(max_length=60, blank=True, default="", db_default="")
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    cost_usd = models.DecimalField("cost", max_digits=10, decimal_places=6, null=True, blank=True)
    latency_ms = models.PositiveIntegerField("latency", null=True, blank=True)
    error_message = models.TextField(blank=True, default="", db_default="")
    conversation_id = models.CharField(max_length=100, blank=True, default="", db_default="")
    feedback = models.CharField(max_length=4, choices=Feedback, blank=True, default="", db_default="")
    feedback_comment = models.TextField(blank=True, default="", db_default="")
    feedback_by = models.ForeignKey("crm.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    feedback_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_default=Now(), editable=False)

    objects = models.Manager.from_queryset(AIInteractionQuerySet)()

    class Meta:
        db_table = "ai_interactions"
        verbose_name = "AI interaction"
        default_permissions = ("view",)
        permissions = [("rate_aiinteraction", "Can say whether an answer helped")]
        constraints = [
            one_of("ai_interactions", "type", InteractionType),
            one_of("ai_interactions", "source", InteractionSource),
            models.CheckConstraint(
                name="ai_interactions_feedback_valid",
                condition=models.Q(feedback__in=["", *Feedback.values]),
                violation_error_message="Feedback is up, down or nothing.",
            ),
            between("ai_interactions", "temperature", 0, 2),
            json_is("ai_interactions", "metadata", "object"),
        ]
        indexes = [
            models.Index(models.F("created_at").desc(), models.F("id").desc(), name="ai_interactions_newest"),
            models.Index("agent", models.F("created_at").desc(), models.F("id").desc(), name="ai_interactions_agent"),
            models.Index(
                "model_used",
                models.F("created_at").desc(),
                models.F("id").desc(),
                name="ai_interactions_model",
            ),
            models.Index(
                "conversation_id",
                condition=~models.Q(conversation_id=""),
                name="ai_interactions_conversation",
            ),
            models.Index(
                models.F("created_at").desc(),
                models.F("id").desc(),
                condition=~models.Q(error_message=""),
                name="ai_interactions_failed",
            ),
            BrinIndex("created_at", name="ai_interactions_brin"),
            GinIndex(TEXT, name="ai_interactions_text"),
        ]
        triggers = [
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="append_only",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=NOT_THE_RECORD),
            ),
            never_emptied(),
        ]

    def __str__(self) -> str:
        return self.summary or f"{self.type} · {self.agent or self.source}"
