"""The form of policies, with the fields of their line."""

from typing import Any

from crm.screens.custom_fields.form_field import custom_fields_field
from crm.screens.json_forms.fields import SchemaField, replace_fields
from crm.screens.record_forms import RecordForm
from leads.forms import SHOW_LINE_BUTTON, UncheckedFormMixin, chosen_line, prefill_defaults
from leads.lines.form_schemas import line_form_schema
from leads.models import InsuranceType, Policy
from leads.models.policy import FIRST_STATUSES


class PolicyForm(RecordForm):
    """Edit a policy; the status of a saved one changes by the actions of its page."""

    class Meta:
        model = Policy
        fields = "__all__"

    class Media:
        js = ("leads/line_fields.js",)

    # Whether the form is shown again as it was filled in, because a line was chosen.
    is_unchecked = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "status" in self.fields:
            self.fields["status"].choices = [(status.value, status.label) for status in FIRST_STATUSES]
        if "insurance_type" in self.fields:
            self.fields["insurance_type"].help_text = SHOW_LINE_BUTTON
        replace_fields(self, {"custom_fields": custom_fields_field(self.instance)})
        line = self.line()
        if line is None:
            self.fields.pop("data", None)
        else:
            replace_fields(self, {"data": SchemaField(line_form_schema(line), label=line.name)})
            if not self.instance.data and (self.is_unchecked or not self.is_bound):
                prefill_defaults(self, "data", line)

    def line(self) -> InsuranceType | None:
        """Return the line of the policy, or the one that is chosen in the form of a new policy."""
        if self.instance.insurance_type_id:
            return self.instance.insurance_type
        return chosen_line(self.data, self.initial, InsuranceType.objects.all())


class UncheckedPolicyForm(UncheckedFormMixin, PolicyForm):
    """The form as it was filled in, with the fields of the line that was chosen."""
