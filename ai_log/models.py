"""The log of calls to AI models, and its daily sums."""

import re
from typing import Any

import pgtrigger
from django.contrib.postgres.functions import RandomUUID
from django.contrib.postgres.indexes import BrinIndex, GinIndex
from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db import models
from django.db.models.functions import Cast, Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from ai_log.gateway.otel_names import KEPT_WHEN_ERASED
from crm.records.base import (
    can_see_everyone,
    choices_check,
    empty_for_null,
    json_field,
    json_type_check,
    owned_by_or_unassigned,
    range_check,
    truncate_protection,
)


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


INTERACTION_SEARCH_VECTOR = SearchVector("summary", "content", config="english")
# Columns of the log that may change: the feedback, and links that become null when the record is purged.
MUTABLE_FIELDS = ["feedback", "feedback_comment", "feedback_by", "feedback_at", "lead", "client", "asked_by"]
# Texts of people and models, which can only be erased. Erasing requires a setting in the transaction, and the trigger
# then still refuses any other change.
ERASABLE_FIELDS = ["content", "ai_response", "summary", "error_message", "metadata"]
ERASING_SETTING = "ai_log.erasing"
ERASED_TEXT = "Erased."
# Other programs may give NULL for these; they are stored empty.
TEXTS_OF_OTHER_PROGRAMS = ["content", "ai_response", "summary", "model_used", "agent", "error_message"]
REFUSE_UNLESS_ERASED_SQL = f"""
IF current_setting('{ERASING_SETTING}', true) IS DISTINCT FROM 'yes'
   OR NEW.content <> '' OR NEW.ai_response <> '' OR NEW.summary <> ''
   OR NEW.error_message <> (CASE OLD.error_message WHEN '' THEN '' ELSE '{ERASED_TEXT}' END)
   OR NOT NEW.metadata <@ OLD.metadata
   OR EXISTS (SELECT FROM jsonb_object_keys(NEW.metadata) AS name
               WHERE name NOT IN ({", ".join(map(repr, KEPT_WHEN_ERASED))}))
THEN
  RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;
END IF;
RETURN NEW;
"""


class AIInteractionQuerySet(models.QuerySet):
    def visible_to(self, user: Any) -> "AIInteractionQuerySet":
        """Return the interactions of `user`, and those of the program, about leads and clients that `user` may see.

        A colleague is answered with what the colleague may see. What a call about neither a lead nor a client read,
        such as an email of a mailbox, is not known here.
        """
        if can_see_everyone(user):
            return self
        by_program = models.Q(asked_by=None) & ~models.Q(lead=None, client=None)
        return self.filter(
            models.Q(asked_by=user) | by_program,
            owned_by_or_unassigned(user, "lead__assigned_to"),
            owned_by_or_unassigned(user, "client__assigned_to"),
        )

    def sent_to_model(self) -> "AIInteractionQuerySet":
        """Return the calls that were sent to a model, successful or not.

        This excludes calls held back by a limit, and answers that needed no model.
        """
        return self.filter(latency_ms__isnull=False).exclude(model_used="")

    def erasable(self, *, unlink: bool) -> "AIInteractionQuerySet":
        """Return the rows with texts to erase and, with `unlink`, those still linked to a lead or client."""
        condition = ~models.Q(content="", ai_response="", summary="")
        if unlink:
            condition |= models.Q(lead__isnull=False) | models.Q(client__isnull=False)
        return self.filter(condition)

    def about_person(self, address: str) -> "AIInteractionQuerySet":
        """Return the rows about leads and clients with this email address, and those that contain it in a text.

        Includes deleted leads and clients. A longer address that contains this one does not match. Reads every row.
        """
        if not address.strip():  # many leads and clients have no address
            return self.none()
        address_pattern = rf"(^|[^a-z0-9._%+-]){re.escape(address)}($|[^a-z0-9.-]|[.-]+($|[^a-z0-9.-]))"
        texts = ("content", "ai_response", "summary", "error_message", "feedback_comment", "metadata_text")
        condition = models.Q(lead__contact_email__iexact=address) | models.Q(client__email__iexact=address)
        for text in texts:
            condition |= models.Q(**{f"{text}__iregex": address_pattern})
        return self.alias(metadata_text=Cast("metadata", models.TextField())).filter(condition)

    def matching(self, words: str) -> "AIInteractionQuerySet":
        """Return the rows that match a full-text search of summary and content."""
        return self.alias(_text=INTERACTION_SEARCH_VECTOR).filter(
            _text=SearchQuery(words, config="english", search_type="websearch")
        )


class AIInteraction(models.Model):
    """One call to a model. Append-only. The cost is in US dollars, null if unknown."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    lead = models.ForeignKey(
        "leads.Lead", null=True, blank=True, on_delete=models.SET_NULL, related_name="ai_interactions"
    )
    client = models.ForeignKey(
        "crm.Client", null=True, blank=True, on_delete=models.SET_NULL, related_name="ai_interactions"
    )
    # Null where another program logged the call and did not say.
    type = models.CharField(max_length=20, choices=InteractionType, null=True, blank=True)
    source = models.CharField(max_length=30, choices=InteractionSource, null=True, blank=True)
    content = models.TextField("question", blank=True, default="", db_default="")
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
    asked_by = models.ForeignKey(
        "crm.User",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        db_index=False,
        help_text="The user who asked, if any.",
    )
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
        permissions = [("rate_aiinteraction", "Can rate AI answers")]
        constraints = [
            choices_check("ai_interactions", "type", InteractionType, null=True),
            choices_check("ai_interactions", "source", InteractionSource, null=True),
            models.CheckConstraint(
                name="ai_interactions_feedback_valid",
                condition=models.Q(feedback__in=["", *Feedback.values]),
                violation_error_message="Feedback must be up, down or empty.",
            ),
            range_check("ai_interactions", "temperature", 0, 2),
            json_type_check("ai_interactions", "metadata", "object"),
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
            models.Index("asked_by", models.F("created_at").desc(), name="ai_interactions_asked_by"),
            models.Index(
                "feedback",
                models.F("created_at").desc(),
                models.F("id").desc(),
                condition=~models.Q(feedback=""),
                name="ai_interactions_rated",
            ),
            BrinIndex("created_at", name="ai_interactions_brin"),
            GinIndex(INTERACTION_SEARCH_VECTOR, name="ai_interactions_text"),
        ]
        triggers = [
            pgtrigger.Protect(name="no_delete", operation=pgtrigger.Delete),
            pgtrigger.Protect(
                name="append_only",
                operation=pgtrigger.Update,
                condition=pgtrigger.AnyChange(exclude=[*MUTABLE_FIELDS, *ERASABLE_FIELDS]),
            ),
            pgtrigger.Trigger(
                name="texts_only_erased",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange(*ERASABLE_FIELDS),
                func=REFUSE_UNLESS_ERASED_SQL,
            ),
            truncate_protection(),
            empty_for_null(**dict.fromkeys(TEXTS_OF_OTHER_PROGRAMS, "''"), metadata="'{}'"),
        ]

    def __str__(self) -> str:
        return self.summary or " · ".join(filter(None, (self.type, self.agent or self.source))) or "AI interaction"


class CallDay(models.Model):
    """The sums of the calls of one day, for one agent (null: all agents) and one model (null: all models).

    The rows can be computed again from the log at any time.
    """

    day = models.DateField()
    agent = models.CharField(max_length=60, null=True, blank=True)
    model_used = models.CharField(max_length=100, null=True, blank=True)
    calls = models.PositiveIntegerField()
    failed = models.PositiveIntegerField()
    # The number of calls with a known cost; `cost_usd` covers only these.
    priced = models.PositiveIntegerField()
    prompt_tokens = models.PositiveBigIntegerField()
    completion_tokens = models.PositiveBigIntegerField()
    cost_usd = models.DecimalField(max_digits=14, decimal_places=6, null=True)
    # The number of calls by step of latency (ai_log/usage/rollup.py).
    latencies = json_field(dict)
    # Decisions made on this day about suggestions from calls of any day.
    decided = models.PositiveIntegerField(default=0, db_default=0)
    approved = models.PositiveIntegerField(default=0, db_default=0)
    edited = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        db_table = "ai_call_days"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["day", "agent", "model_used"],
                nulls_distinct=False,
                name="ai_call_days_once",
                violation_error_message="There are already sums for this day, agent and model.",
            ),
            json_type_check("ai_call_days", "latencies", "object"),
        ]

    def __str__(self) -> str:
        return f"{self.day}: {self.calls} calls of {self.agent or 'all agents'}"
