"""Web forms: public forms on websites, what arrived through them, and what was refused."""

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone
from uuid_utils.compat import uuid7

from crm.records.base import (
    LIVE,
    LiveManager,
    Record,
    RecordQuerySet,
    choices_check,
    distinct_tags_check,
    no_empty_tag_check,
    not_blank_check,
    range_check,
    tags_field,
    with_row_audit,
)
from crm.text.links import web_origin
from leads.models import InsuranceType, Source

TOKEN_BYTES = 16
# Stands in the allowed websites for every website.
ANY_ORIGIN = "*"
MAX_HOURLY_LIMIT = 100_000
MAX_IDEMPOTENCY_KEY_LENGTH, MAX_QUESTION_LENGTH = 200, 60
THANKS_TEXT = "Thank you. We have received your message and will be in touch soon."
CONSENT_TEXT = "You may contact me by email."


class WebFormField(models.TextChoices):
    """The standard fields that a form may show beside the name, which it always asks for."""

    EMAIL = "email", "Email"
    PHONE = "phone", "Phone"
    COMPANY = "company", "Company"
    MESSAGE = "message", "Message"


def new_token() -> str:
    """Return an unguessable name for the public address of a form."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def all_web_form_fields() -> list[str]:
    return list(WebFormField.values)


def text_list_field(max_length: int, default: Callable[[], list[str]] = list, **kwargs: Any) -> ArrayField:
    """Return a column of texts with a `default`, for raw SQL as well."""
    value = models.Value(default(), ArrayField(models.CharField(max_length=max_length)))
    return ArrayField(models.CharField(max_length=max_length), blank=True, default=default, db_default=value, **kwargs)


class WebFormQuerySet(RecordQuerySet):
    """Named sets of web forms."""

    def accepting(self) -> "WebFormQuerySet":
        """Return the forms that can be sent."""
        return self.filter(is_active=True, deleted_at__isnull=True)


@with_row_audit(exclude=["token"])
class WebForm(Record):
    """A public form: where it is reached, what it asks, and what the leads that it creates begin with."""

    name = models.CharField(max_length=100, help_text="Shown to the team, and as the source of the leads it creates.")
    heading = models.CharField(max_length=150, help_text="Shown above the form and in the subject of replies.")
    token = models.CharField(max_length=22, default=new_token, unique=True, editable=False)
    is_active = models.BooleanField("active", default=True, db_default=True)
    source_type = models.CharField(
        "lead source", max_length=10, choices=Source, default=Source.WEBSITE, db_default=Source.WEBSITE
    )
    insurance_type = models.ForeignKey(
        InsuranceType, null=True, blank=True, on_delete=models.PROTECT, related_name="+", verbose_name="line"
    )
    assigned_to = models.ForeignKey(
        "crm.User",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name="owner of new leads",
    )
    tags = tags_field()
    shown_fields = text_list_field(20, default=all_web_form_fields, verbose_name="fields")
    required_fields = text_list_field(20)
    asks_line_questions = models.BooleanField(
        "ask the questions of the line",
        default=False,
        db_default=False,
        help_text="Lists, such as drivers, are left out.",
    )
    questions = text_list_field(MAX_QUESTION_LENGTH, verbose_name="further questions")
    consent_text = models.CharField(
        "consent checkbox",
        max_length=200,
        blank=True,
        default=CONSENT_TEXT,
        db_default="",
        help_text="The words beside an optional checkbox. Leave blank for a form without one.",
    )
    thanks_text = models.CharField(max_length=500, default=THANKS_TEXT, db_default=THANKS_TEXT)
    redirect_url = models.URLField(
        "thanks page",
        blank=True,
        default="",
        db_default="",
        help_text="A page of an allowed website to open instead of the thanks text.",
    )
    allowed_origins = text_list_field(260, verbose_name="allowed websites")
    hourly_limit = models.PositiveIntegerField(
        "messages per hour", default=300, db_default=300, help_text="From all senders together."
    )
    hourly_limit_per_sender = models.PositiveIntegerField(
        "messages per hour and sender", default=20, db_default=20, help_text="From one network address."
    )

    objects = LiveManager.from_queryset(WebFormQuerySet)()
    everything = models.Manager.from_queryset(WebFormQuerySet)()

    class Meta(Record.Meta):
        db_table = "web_forms"
        permissions = [
            ("restore_webform", "Can restore a deleted web form"),
            ("purge_webform", "Can purge a web form permanently"),
        ]
        constraints = [
            not_blank_check("web_forms", "name"),
            not_blank_check("web_forms", "heading"),
            not_blank_check("web_forms", "thanks_text"),
            choices_check("web_forms", "source_type", Source),
            models.CheckConstraint(
                name="web_forms_token_long",
                condition=models.Q(token__regex=r"^[A-Za-z0-9_-]{22}$"),
                violation_error_message="The token must have 22 characters.",
            ),
            models.CheckConstraint(
                name="web_forms_shown_fields_valid",
                condition=models.Q(shown_fields__contained_by=WebFormField.values),
                violation_error_message=f"The fields must be some of: {', '.join(WebFormField.values)}.",
            ),
            models.CheckConstraint(
                name="web_forms_asks_for_address",
                condition=models.Q(shown_fields__overlap=[WebFormField.EMAIL, WebFormField.PHONE]),
                violation_error_message="Show the email or the phone, so that the sender can be answered.",
            ),
            models.CheckConstraint(
                name="web_forms_required_fields_shown",
                condition=models.Q(shown_fields__contains=models.F("required_fields")),
                violation_error_message="A field that is required must be shown.",
            ),
            no_empty_tag_check("web_forms"),
            distinct_tags_check("web_forms"),
            range_check("web_forms", "hourly_limit", 1, MAX_HOURLY_LIMIT),
            range_check("web_forms", "hourly_limit_per_sender", 1, MAX_HOURLY_LIMIT),
            models.UniqueConstraint(
                Lower("name"),
                condition=LIVE,
                name="web_forms_name_once",
                violation_error_message="A web form with this name already exists.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if self.asks_line_questions and self.insurance_type is None:
            raise ValidationError({"insurance_type": "Choose the line that has the questions, or do not ask them."})
        if self.redirect_url and not self.thanks_page:
            allowed = ", ".join(one for one in self.allowed_origins if one != ANY_ORIGIN) or "none yet"
            sentence = f"The thanks page must be on one of the allowed websites. They are: {allowed}."
            raise ValidationError({"redirect_url": sentence})

    @property
    def thanks_page(self) -> str:
        """The page to open after sending; empty if there is none, or if its website is not allowed."""
        origin = web_origin(self.redirect_url)
        is_known = bool(origin) and urlsplit(origin).hostname in settings.KNOWN_HOSTS
        return self.redirect_url if origin and (is_known or origin in self.allowed_origins) else ""

    def allows_origin(self, origin: str) -> bool:
        return ANY_ORIGIN in self.allowed_origins or web_origin(origin) in self.allowed_origins

    @property
    def shows_line_questions(self) -> bool:
        return self.asks_line_questions and self.insurance_type is not None


class SubmissionOutcome(models.TextChoices):
    NEW_LEAD = "NEW_LEAD", "New lead"
    KNOWN_LEAD = "KNOWN_LEAD", "Filed with a lead"
    KNOWN_CLIENT = "KNOWN_CLIENT", "Filed with a client"
    SPAM = "SPAM", "Looks like spam"


class WebFormSubmission(models.Model):
    """A form that was accepted, and the conversation it was filed as."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    web_form = models.ForeignKey(WebForm, on_delete=models.CASCADE, related_name="submissions", db_index=False)
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())
    # Sent with the form, so that sending it again changes nothing; empty if the sender gave none.
    idempotency_key = models.CharField(max_length=MAX_IDEMPOTENCY_KEY_LENGTH, blank=True, default="", db_default="")
    # The SHA-256 of what was sent.
    content_digest = models.CharField(max_length=64)
    outcome = models.CharField(max_length=12, choices=SubmissionOutcome)
    thread = models.ForeignKey(
        "inbox.Thread", null=True, blank=True, on_delete=models.SET_NULL, related_name="submissions"
    )

    class Meta:
        db_table = "web_form_submissions"
        default_permissions = ()
        constraints = [
            choices_check("web_form_submissions", "outcome", SubmissionOutcome),
            models.UniqueConstraint(
                "web_form",
                "idempotency_key",
                condition=~models.Q(idempotency_key=""),
                name="web_form_submissions_key_once",
                violation_error_message="This form was sent already.",
            ),
        ]
        indexes = [
            models.Index("web_form", models.F("id").desc(), name="web_form_submissions_newest"),
            models.Index("web_form", "content_digest", "created_at", name="web_form_submissions_same"),
        ]

    def __str__(self) -> str:
        return self.get_outcome_display()


class RefusalReason(models.TextChoices):
    ORIGIN = "ORIGIN", "Website not allowed"
    RATE = "RATE", "Too many messages"
    SIZE = "SIZE", "Too large"
    FORMAT = "FORMAT", "Unreadable"
    TRAP = "TRAP", "Hidden field filled in"
    FIELDS = "FIELDS", "Fields missing or invalid"
    KEY_REUSED = "KEY_REUSED", "Sent twice with different content"


class WebFormRefusal(models.Model):
    """How many messages a form refused on a day, for one reason. Of a refused message only our sentence is kept."""

    id = models.UUIDField(primary_key=True, default=uuid7, db_default=RandomUUID(), editable=False)
    web_form = models.ForeignKey(WebForm, on_delete=models.CASCADE, related_name="refusals", db_index=False)
    reason = models.CharField(max_length=12, choices=RefusalReason)
    day = models.DateField()
    count = models.PositiveIntegerField(default=1, db_default=1)
    last_at = models.DateTimeField(default=timezone.now, db_default=Now())
    last_message = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        db_table = "web_form_refusals"
        default_permissions = ()
        constraints = [
            choices_check("web_form_refusals", "reason", RefusalReason),
            models.UniqueConstraint(
                "web_form",
                "day",
                "reason",
                name="web_form_refusals_once",
                violation_error_message="There is a count for this day already.",
            ),
        ]
        indexes = [models.Index("day", name="web_form_refusals_by_day")]

    def __str__(self) -> str:
        return self.get_reason_display()


class WebFormRate(models.Model):
    """How many messages a sender sent through a form since `window_start`; an empty sender counts all together."""

    id = models.BigAutoField(primary_key=True)
    web_form = models.ForeignKey(WebForm, on_delete=models.CASCADE, related_name="rates", db_index=False)
    # A keyed digest of the network address, which itself is not stored.
    sender = models.CharField(max_length=64, blank=True, default="", db_default="")
    window_start = models.DateTimeField()
    count = models.PositiveIntegerField()

    class Meta:
        db_table = "web_form_rates"
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                "web_form",
                "sender",
                name="web_form_rates_once",
                violation_error_message="There is a count for this sender already.",
            ),
        ]
        indexes = [models.Index("window_start", name="web_form_rates_by_age")]

    def __str__(self) -> str:
        return f"{self.count} since {self.window_start}"
