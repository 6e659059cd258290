"""The form of a conversion, and the action that undoes it."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from crm.exceptions import IllegalTransition
from crm.models import Client, ClientType, User
from crm.records.consent import closed_channels
from crm.screens.action_forms import ActionForm
from leads.conversion.transitions import CONVERT_PERMISSION, client_from_lead, policy_from_lead, undo_conversion
from leads.conversion.welcome import welcome_template_choices
from leads.models import Lead, LeadConversion, Policy

NEW_CLIENT = "new"
NEW_CLIENT_FIELDS = ("name", "client_type", "email", "phone")


class ConvertForm(forms.Form):
    """Which client a lead becomes, and what is added to it."""

    client = forms.CharField(max_length=40)
    name = forms.CharField(max_length=200, required=False)
    client_type = forms.ChoiceField(label="Type", choices=ClientType.choices, required=False)
    email = forms.EmailField(max_length=254, required=False)
    phone = forms.CharField(max_length=40, required=False)
    project_name = forms.CharField(
        label="First project", max_length=200, required=False, help_text="Leave blank for none. Such as “Onboarding”."
    )
    add_policy = forms.BooleanField(required=False)
    welcome_template = forms.ChoiceField(
        label="Welcome email", required=False, help_text="Saved as a draft on the page of the client. You send it."
    )

    def __init__(self, *args: Any, lead: Lead, user: User, can_write: bool, **kwargs: Any) -> None:
        self.lead, self.user = lead, user
        proposed = client_from_lead(lead)
        defaults = {name: getattr(proposed, name) for name in NEW_CLIENT_FIELDS}
        kwargs["initial"] = {"client": NEW_CLIENT, **defaults, **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)
        if lead.insurance_type is None or not user.has_perm("leads.add_policy"):
            del self.fields["add_policy"]
        else:
            self.fields["add_policy"].label = f"Add a quoted policy: {lead.insurance_type}"
        if not can_write or "email" in closed_channels(lead.communications):
            del self.fields["welcome_template"]
        else:
            self.fields["welcome_template"].choices = [("", "None"), *welcome_template_choices()]

    @property
    def client_key(self) -> str:
        """Return the value of the chosen client: its key, or `NEW_CLIENT`."""
        return str(self["client"].value())

    @property
    def new_client_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in NEW_CLIENT_FIELDS]

    @property
    def added_fields(self) -> list[forms.BoundField]:
        """Return the inputs for what is added to the client."""
        return [self[name] for name in self.fields if name not in ("client", *NEW_CLIENT_FIELDS)]

    def clean_client(self) -> Client | None:
        """Return the chosen client; None for a new one."""
        value = self.cleaned_data["client"]
        if value == NEW_CLIENT:
            return None
        try:
            found = Client.objects.visible_to(self.user).filter(pk=value).first()
        except ValidationError:
            found = None
        if found is None:
            raise ValidationError("This client does not exist, was deleted, or you do not have access to it.")
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "client" in cleaned and cleaned["client"] is None and not cleaned.get("name") and "name" not in self.errors:
            self.add_error("name", "Enter the name of the new client.")
        return cleaned

    def make_client(self) -> Client:
        """Return the chosen client, or a new one with what was typed."""
        if self.cleaned_data["client"] is not None:
            return self.cleaned_data["client"]
        client = client_from_lead(self.lead)
        for name in NEW_CLIENT_FIELDS:
            setattr(client, name, self.cleaned_data[name] or ("" if name != "client_type" else client.client_type))
        return client

    def make_policy(self) -> Policy | None:
        """Return an unsaved policy with the quoted line and its data, where it is wanted."""
        if not self.cleaned_data.get("add_policy"):
            return None
        return policy_from_lead(self.lead)


class UndoConversion(ActionForm):
    """Undo the conversion of a lead, within a day."""

    verb, label, permission, icon = "unconvert", "Undo conversion", CONVERT_PERMISSION, "undo"
    danger = True

    @classmethod
    def is_applicable(cls, record: Lead) -> bool:
        return record.converted_at is not None and undoable_conversions(record).exists()

    def perform(self, record: Lead, by: User) -> str:
        conversion = undoable_conversions(record).first()
        if conversion is None:
            raise IllegalTransition("There is no conversion that can still be undone: this is possible within a day.")
        undo_conversion(conversion, by=by)
        return f"The conversion of {record} is undone."


def undoable_conversions(lead: Lead) -> Any:
    return LeadConversion.objects.undoable(timezone.now()).filter(lead=lead)
