"""The stakeholders of leads."""

from django.db import models

from crm.models.people import Contact, Role
from crm.records.base import LIVE, Record, choices_check, with_row_audit
from leads.models.lead import Lead


@with_row_audit()
class ContactLead(Record):
    """A contact who takes part in the decision on a lead, with the contact's role."""

    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="lead_links")
    lead = models.ForeignKey(Lead, on_delete=models.CASCADE, related_name="contact_links")
    role = models.CharField(max_length=20, choices=Role, default=Role.OTHER, db_default=Role.OTHER)
    is_primary = models.BooleanField(default=False, db_default=False)

    class Meta(Record.Meta):
        db_table = "contact_leads"
        verbose_name = "stakeholder"
        constraints = [
            choices_check("contact_leads", "role", Role),
            models.UniqueConstraint(
                "contact",
                "lead",
                condition=LIVE,
                name="contact_leads_once",
                violation_error_message="This contact is already a stakeholder of this lead.",
            ),
            models.UniqueConstraint(
                "lead",
                condition=LIVE & models.Q(is_primary=True),
                name="contact_leads_one_primary",
                violation_error_message="This lead already has a primary contact.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contact} ({self.get_role_display()})"
