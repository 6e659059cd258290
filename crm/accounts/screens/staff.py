"""The screens of staff: inviting, changing and deactivating accounts."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.urls import reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldBooleanSwitchWidget

from crm.accounts.account_emails import can_send, site_address
from crm.accounts.second_factor import confirmed_factor, role_needs_second_factor
from crm.accounts.second_factor_transitions import remove_second_factor, require_second_factor
from crm.accounts.transitions import invite, record_password_change, send_invitation
from crm.models import User
from crm.records.handover import describe_owned_records, hand_over
from crm.screens.record_page.deletion import CountedDeletionMixin


class InvitationForm(forms.ModelForm):
    """Invite a colleague by email, with a role."""

    role = forms.ModelChoiceField(Group.objects.order_by("name"), widget=UnfoldAdminSelectWidget)

    class Meta:
        model = User
        fields = ("username", "first_name", "last_name", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].required = True
        self.fields["email"].help_text = "Gets a link to choose a password."


class StaffForm(UserChangeForm):
    """Edit a user. To deactivate an account, hand over its records or choose to keep them."""

    password = None
    invite_again = forms.BooleanField(
        required=False,
        label="Send the invitation again",
        widget=UnfoldBooleanSwitchWidget,
        help_text="For a colleague who has chosen no password yet.",
    )
    remove_second_factor = forms.BooleanField(
        required=False,
        label="Remove the second factor",
        widget=UnfoldBooleanSwitchWidget,
        help_text="For a colleague who has lost the phone and the recovery codes.",
    )
    hand_over_to = forms.ModelChoiceField(
        User.objects.filter(is_active=True),
        required=False,
        label="Hand over to",
        empty_label="—",
        widget=UnfoldAdminSelectWidget,
        help_text="Takes over open leads, clients, tickets, tasks and the like when the account is deactivated.",
    )
    keep_records = forms.BooleanField(
        required=False,
        label="Keep records",
        widget=UnfoldBooleanSwitchWidget,
        help_text="Deactivate the account, and leave its records as they are.",
    )

    def clean(self) -> dict[str, Any]:
        cleaned, user = super().clean(), self.instance
        can_be_invited = user.email and user.is_active and not user.has_usable_password()
        if cleaned.get("invite_again") and not (can_be_invited and can_send()):
            self.add_error("invite_again", "Only an active account with an email address and no password is invited.")
        colleague, keeps = cleaned.get("hand_over_to"), cleaned.get("keep_records")
        is_leaving = "is_active" in self.changed_data and not cleaned.get("is_active")
        if cleaned.get("remove_second_factor") and not confirmed_factor(user):
            self.add_error("remove_second_factor", f"{user} has no second factor.")
        if colleague and (keeps or not is_leaving or colleague == self.instance):
            self.add_error("hand_over_to", "Choose another user, and only to deactivate this account.")
        owned = describe_owned_records(self.instance) if is_leaving and not (colleague or keeps) else ""
        if owned:
            self.add_error(
                "is_active",
                f"{self.instance} still owns {owned}. Choose a user under “Hand over to”, or tick “Keep records”.",
            )
        return cleaned


class StaffAdmin(CountedDeletionMixin, UserAdmin, ModelAdmin):
    """Accounts. Only users who may change accounts see more than name, role and address of a colleague."""

    form = StaffForm
    add_form = InvitationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "email", "roles", "is_active")
    compressed_fields = True
    readonly_fields = ("roles", "password_state", "second_factor_state", "owned_records", "last_login", "date_joined")
    add_fieldsets = ((None, {"fields": ("username", "first_name", "last_name", "email", "role")}),)
    colleague_fieldsets = ((None, {"fields": ("username", "first_name", "last_name", "email", "roles")}),)
    permission_fields = ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")
    fieldsets = (
        (
            None,
            {"fields": ("username", "password_state", "invite_again", "second_factor_state", "remove_second_factor")},
        ),
        ("Personal info", {"fields": ("first_name", "last_name", "email")}),
        ("Permissions", {"fields": permission_fields}),
        ("Important dates", {"fields": ("last_login", "date_joined")}),
        ("Leaving", {"fields": ("owned_records", "hand_over_to", "keep_records")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets if can_send() else UserAdmin.add_fieldsets
        return self.fieldsets if self.has_change_permission(request, obj) else self.colleague_fieldsets

    def get_form(self, request: HttpRequest, obj: User | None = None, **kwargs: Any) -> Any:
        """Return the form; a new account gets a password from the administrator where no email can be sent."""
        if obj is None and not can_send():
            kwargs["form"] = UserCreationForm
        return super().get_form(request, obj, **kwargs)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet:
        return super().get_queryset(request).prefetch_related("groups")

    def formfield_for_manytomany(self, db_field: models.ManyToManyField, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "groups":
            kwargs["help_text"] = "What an account may do follows from its roles."
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        names = sorted(group.name for group in user.groups.all())
        return ", ".join(["superuser", *names] if user.is_superuser else names) or "—"

    @admin.display(description="Password")
    def password_state(self, user: User) -> str:
        """Return whether a password is set, and the link to set one; never a part of its hash."""
        state = "Chosen" if user.has_usable_password() else "Not chosen yet"
        return format_html('{}. <a href="{}" class="underline">Set a new one</a>', state, password_page(user))

    @admin.display(description="Second factor")
    def second_factor_state(self, user: User) -> str:
        return "On" if confirmed_factor(user) else "Off"

    @admin.display(description="Owns")
    def owned_records(self, user: User) -> str:
        return describe_owned_records(user) or "Nothing that is open"

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        """Set another password, and log who did so."""
        user = self.get_object(request, unquote(id))
        before = user.password if user else ""
        response = super().user_change_password(request, id, form_url)
        user.refresh_from_db(fields=["password"])
        if user.password != before:
            record_password_change(user, by=request.user)
        return response

    def save_model(self, request: HttpRequest, obj: User, form: forms.ModelForm, change: bool) -> None:
        if not change and can_send():
            invite(obj, form.cleaned_data["role"], by=request.user, site=site_address(request))
            messages.success(request, f"Invitation sent to {obj.email}.")
            return
        super().save_model(request, obj, form, change)
        if form.cleaned_data.get("invite_again"):
            send_invitation(obj, by=request.user, site=site_address(request))
            messages.success(request, f"Invitation sent to {obj.email}.")
        if form.cleaned_data.get("remove_second_factor"):
            remove_second_factor(obj, by=request.user)
            messages.success(request, f"Second factor of {obj} removed.")
        if colleague := form.cleaned_data.get("hand_over_to"):
            count = hand_over(obj, colleague, by=request.user)
            messages.success(request, f"{count:,} record{pluralize(count)} handed over to {colleague}.")


class RoleForm(forms.ModelForm):
    """The name and the permissions of a role, and whether its members need a second factor."""

    needs_second_factor = forms.BooleanField(
        required=False,
        label="Needs a second factor",
        widget=UnfoldBooleanSwitchWidget,
        help_text="Members without one set it up before they see another page.",
    )

    class Meta:
        model = Group
        fields = ("name", "permissions")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["needs_second_factor"] = role_needs_second_factor(self.instance)


class RoleAdmin(CountedDeletionMixin, GroupAdmin, ModelAdmin):
    """Roles: groups of permissions."""

    form = RoleForm
    fields = ("name", "needs_second_factor", "permissions")

    def save_model(self, request: HttpRequest, obj: Group, form: forms.ModelForm, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if "needs_second_factor" in form.changed_data:
            require_second_factor(obj, form.cleaned_data["needs_second_factor"], by=request.user)


def password_page(user: User) -> str:
    return reverse("admin:auth_user_password_change", args=[user.pk])
