"""Email templates."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower

from crm.exceptions import InvalidInput
from crm.records.base import LIVE, LiveManager, Record, RecordQuerySet, choices_check, with_row_audit
from crm.text.hidden_characters import has_hidden_characters
from inbox.email_templates.placeholders import check_placeholders


class TemplateCategory(models.TextChoices):
    INTRODUCTION = "INTRODUCTION", "Introduction"
    FOLLOW_UP = "FOLLOW_UP", "Follow-up"
    MEETING = "MEETING", "Meeting"
    PROPOSAL = "PROPOSAL", "Proposal"
    RENEWAL = "RENEWAL", "Renewal"
    WELCOME = "WELCOME", "Welcome"
    SERVICE = "SERVICE", "Service"
    OTHER = "OTHER", "Other"
    # The drafts of replies, by what the customer's email wants.
    ACCEPTANCE = "ACCEPTANCE", "Reply to an acceptance"
    DECLINE = "DECLINE", "Reply to a decline"
    QUESTION = "QUESTION", "Reply to a question"
    DOCUMENT = "DOCUMENT", "Reply to a request for a document"
    OBJECTION = "OBJECTION", "Reply to an objection"
    APPOINTMENT = "APPOINTMENT", "Reply to a request for a call"


REPLY_CATEGORIES = (
    TemplateCategory.ACCEPTANCE,
    TemplateCategory.DECLINE,
    TemplateCategory.QUESTION,
    TemplateCategory.DOCUMENT,
    TemplateCategory.OBJECTION,
    TemplateCategory.APPOINTMENT,
)


class EmailTemplateQuerySet(RecordQuerySet):
    """Named sets of templates."""

    def in_use(self) -> "EmailTemplateQuerySet":
        return self.filter(is_active=True).order_by("category", "name")


@with_row_audit()
class EmailTemplate(Record):
    """A reusable email. Placeholders such as `{{lead_name}}` are filled in for the recipient."""

    name = models.CharField(max_length=100)
    category = models.CharField(
        max_length=12, choices=TemplateCategory, default=TemplateCategory.OTHER, db_default=TemplateCategory.OTHER
    )
    subject = models.CharField(max_length=200)
    body = models.TextField(max_length=20_000)
    is_active = models.BooleanField("active", default=True, db_default=True)

    objects = LiveManager.from_queryset(EmailTemplateQuerySet)()
    everything = models.Manager.from_queryset(EmailTemplateQuerySet)()

    class Meta(Record.Meta):
        db_table = "email_templates"
        permissions = [
            ("restore_emailtemplate", "Can restore a deleted template"),
            ("purge_emailtemplate", "Can purge a template permanently"),
        ]
        constraints = [
            choices_check("email_templates", "category", TemplateCategory),
            models.UniqueConstraint(
                Lower("name"),
                condition=LIVE,
                name="email_templates_name_once",
                violation_error_message="A template with this name already exists.",
            ),
        ]

    def clean(self) -> None:
        """Refuse unknown placeholders, and a subject with line breaks or invisible characters."""
        errors = {}
        for name in ("subject", "body"):
            try:
                check_placeholders(getattr(self, name))
            except InvalidInput as exception:
                errors[name] = str(exception)
        if has_hidden_characters(self.subject):
            errors["subject"] = "The subject contains a line break or an invisible character. Remove it."
        if errors:
            raise ValidationError(errors)

    def __str__(self) -> str:
        return self.name
