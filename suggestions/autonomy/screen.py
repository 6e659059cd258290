"""The autonomy screen: levels by type of suggestion, what agents have earned, and pausing automation."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from crm.exceptions import ActionRefused
from crm.models import User
from crm.screens.record_forms import TypedDecimalField
from suggestions.autonomy.kill_switch import PAUSE_PERMISSION, pause_execution, resume_execution
from suggestions.autonomy.transitions import (
    CHANGE_EVERYONES_PERMISSION,
    CHANGE_OWN_PERMISSION,
    level_rank,
    reset_to_agency_setting,
    set_autonomy_level,
)
from suggestions.autonomy.trust import AgentTrust, load_all_trust
from suggestions.kinds import KINDS, offered_kinds
from suggestions.models import (
    LEVELS_ASCENDING,
    AutonomySetting,
    ExecutionPause,
    ExecutionState,
    Level,
    SuggestionExecution,
    SuggestionType,
)
from suggestions.models.autonomy import MAX_UNDO_SECONDS
from suggestions.screens.presenters import TYPE_ICONS

VIEW_PERMISSION = "suggestions.view_autonomysetting"
FOR_AGENCY, FOR_ME = "agency", "me"
AGENCY_LEVEL = ""


class LevelForm(forms.Form):
    """The level and the bounds of one type; a level that no agent has earned is not offered."""

    level = forms.ChoiceField(label="Level", required=False)
    daily_cap = forms.IntegerField(label="Daily cap", min_value=0, max_value=10_000)
    value_ceiling = TypedDecimalField(
        label="Value ceiling", required=False, min_value=0, max_digits=12, decimal_places=2
    )
    confidence = forms.IntegerField(label="Minimum confidence (%)", min_value=0, max_value=100)
    undo_seconds = forms.IntegerField(label="Undo window (s)", min_value=0, max_value=MAX_UNDO_SECONDS)

    def __init__(self, *args: Any, row: "AutonomyRow", **kwargs: Any) -> None:
        super().__init__(*args, prefix=row.type, **kwargs)
        self.fields["level"].choices = row.level_choices()
        for name, bound in self.fields.items():
            bound.widget.attrs["aria-label"] = f"{row.label}: {bound.label}"
            bound.disabled = not row.can_edit
            bound.widget.attrs["form"] = "levels"
            self.initial.setdefault(name, row.initial_values[name])

    @property
    def bounds(self) -> dict[str, Any]:
        given = self.cleaned_data
        return {
            "daily_cap": given["daily_cap"],
            "value_ceiling": given["value_ceiling"],
            "confidence_floor": f"{given['confidence'] / 100:.2f}",
            "undo_seconds": given["undo_seconds"],
        }


@dataclass
class AutonomyRow:
    """One type on the screen: the setting of the person, that of the agency, and what agents have earned."""

    type: str
    selected_user: User | None
    own_setting: AutonomySetting | None
    agency_setting: AutonomySetting | None
    trust: list[AgentTrust]
    can_edit: bool
    form: LevelForm | None = None

    @property
    def label(self) -> str:
        return SuggestionType(self.type).label

    @property
    def icon(self) -> str:
        return TYPE_ICONS.get(self.type, "lightbulb")

    @property
    def effective_setting(self) -> AutonomySetting:
        return self.own_setting or self.agency_setting or AutonomySetting(type=self.type)

    @property
    def has_earned_level(self) -> bool:
        return self.type in KINDS and any(trust.is_earned for trust in self.trust)

    @property
    def initial_values(self) -> dict[str, Any]:
        """The initial values of the form."""
        setting = self.effective_setting
        follows = self.selected_user is not None and self.own_setting is None
        return {
            "level": AGENCY_LEVEL if follows else str(setting.level),
            "daily_cap": setting.daily_cap,
            "value_ceiling": strip_cents(setting.value_ceiling),
            "confidence": int(setting.confidence_floor * 100),
            "undo_seconds": setting.undo_seconds,
        }

    def level_choices(self) -> list[tuple[str, str]]:
        top = (
            len(LEVELS_ASCENDING) - 1
            if self.has_earned_level
            else max(level_rank(Level.SUGGEST), level_rank(self.effective_setting.level))
        )
        levels = [(str(level), Level(level).label) for level in LEVELS_ASCENDING[: top + 1]]
        if self.selected_user is None:
            return levels
        level = Level(self.agency_setting.level if self.agency_setting else Level.SUGGEST).label
        return [(AGENCY_LEVEL, f"Agency: {level.lower()}"), *levels]


def strip_cents(value: Decimal | None) -> Decimal | None:
    """Return `value` without cents where it has none."""
    return value.quantize(Decimal(1)) if value is not None and value == value.to_integral_value() else value


class PauseForm(forms.Form):
    """The type of suggestion to pause, and the reason."""

    type = forms.ChoiceField(
        label="Pause", required=False, choices=[("", "Everything"), *SuggestionType.choices], initial=""
    )
    reason = forms.CharField(label="Reason", required=False, max_length=500)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.is_bound:
            offered = [(type, SuggestionType(type).label) for type in offered_types()]
            self.fields["type"].choices = [("", "Everything"), *offered]


def autonomy_urls(site: AdminSite) -> list[URLPattern]:
    """Return the addresses of the autonomy page and of its switch."""
    name, keys = "suggestions_autonomysetting", {"site": site}
    return [
        path("suggestions/autonomysetting/", site.admin_view(autonomy_view), keys, name=f"{name}_changelist"),
        path("suggestions/autonomysetting/switch/", site.admin_view(switch_view), name=f"{name}_switch"),
    ]


def check_can_view(user: User) -> None:
    """Refuse users who may neither read nor change autonomy settings."""
    if not (user.has_perm(VIEW_PERMISSION) or user.has_perm(CHANGE_OWN_PERMISSION)):
        raise PermissionDenied


def autonomy_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show and save the levels of each type, for one person or for the agency."""
    check_can_view(request.user)
    selected_user = find_selected_user(request)
    rows = build_rows(selected_user, can_edit=can_edit(request.user, selected_user))
    posted = request.POST if request.method == "POST" else None
    for row in rows:
        row.form = LevelForm(posted, row=row)
    if posted is not None and save_rows(request, rows):
        return HttpResponseRedirect(request.get_full_path())
    context = {
        **site.each_context(request),
        "title": "Autonomy",
        "opts": AutonomySetting._meta,
        "rows": rows,
        "selected_user": selected_user,
        "selected_key": request.GET.get("for", FOR_ME),
        "can_edit": can_edit(request.user, selected_user),
        "selectable_users": selectable_users(request.user),
        **pause_context(request.user),
    }
    return TemplateResponse(request, "suggestions/autonomy.html", context)


def find_selected_user(request: HttpRequest) -> User | None:
    """Return the user of the settings to show; None for the agency's."""
    selected_key = request.GET.get("for", FOR_ME)
    if selected_key in {FOR_AGENCY, FOR_ME}:
        return None if selected_key == FOR_AGENCY else request.user
    found = next((person for person in selectable_users(request.user) if str(person.pk) == selected_key), None)
    if found is None:
        raise Http404("There is no such user, or you may not see their settings.")
    return found


def save_rows(request: HttpRequest, rows: list[AutonomyRow]) -> bool:
    """Save the changed rows and return whether all could be; a refused row keeps what was typed, with the reason."""
    changed = [row for row in rows if row.form.has_changed()]
    saved = [row.label for row in changed if row.form.is_valid() and save_row(request.user, row)]
    if saved:
        messages.success(request, f"Saved: {', '.join(saved)}.")
    if not changed:
        messages.info(request, "Nothing was changed.")
    return len(saved) == len(changed)


def save_row(user: User, row: AutonomyRow) -> bool:
    """Save one row and return whether it could be."""
    form = row.form
    level = form.cleaned_data["level"]
    try:
        if level == AGENCY_LEVEL and row.own_setting is not None:
            reset_to_agency_setting(row.selected_user, row.type, by=user)
        else:
            # Bounds without a level of one's own: the level in force becomes one's own too.
            level = level or row.effective_setting.level
            set_autonomy_level(row.selected_user, row.type, level, bounds=form.bounds, by=user)
    except ActionRefused as error:
        form.add_error(None, str(error))
        return False
    return True


def switch_view(request: HttpRequest) -> HttpResponse:
    """Pause or resume the execution of everything, or of one type."""
    page = reverse("admin:suggestions_autonomysetting_changelist")
    if request.method != "POST":
        return HttpResponseRedirect(page)
    check_can_view(request.user)
    form = PauseForm(request.POST)
    try:
        if not form.is_valid():
            messages.error(request, "Choose a type from the list and give a reason of at most 500 characters.")
        elif request.POST.get("switch") == "resume":
            due = resume_execution(form.cleaned_data["type"], by=request.user)
            messages.success(request, f"Automation resumed. Due now: {due}.")
        else:
            pause_execution(form.cleaned_data["type"], reason=form.cleaned_data["reason"], by=request.user)
            messages.success(request, "Automation paused. Approved suggestions wait until you resume it.")
    except ActionRefused as error:
        messages.error(request, str(error))
    return HttpResponseRedirect(page)


def can_edit(user: User, selected_user: User | None) -> bool:
    is_own = selected_user is not None and selected_user.pk == user.pk
    return user.has_perm(CHANGE_OWN_PERMISSION if is_own else CHANGE_EVERYONES_PERMISSION)


def selectable_users(user: User) -> list[User]:
    """Return the people with settings that `user` may see beside their own."""
    if not user.has_perm(CHANGE_EVERYONES_PERMISSION):
        return []
    return list(User.objects.filter(is_active=True).exclude(pk=user.pk).order_by("first_name", "username"))


def build_rows(selected_user: User | None, *, can_edit: bool) -> list[AutonomyRow]:
    """Return a row for every offered type; the number of queries does not depend on the types."""
    wanted = AutonomySetting.objects.filter(Q(user=None) | Q(user=selected_user) if selected_user else Q(user=None))
    settings = {(setting.type, setting.user_id): setting for setting in wanted}
    trusts = load_all_trust()
    return [
        AutonomyRow(
            type,
            selected_user,
            settings.get((type, selected_user.pk if selected_user else None)),
            settings.get((type, None)),
            [trust for trust in trusts if trust.type == type],
            can_edit,
        )
        for type in offered_types()
    ]


def offered_types() -> list[str]:
    """Return the types that can be suggested here, in their usual order."""
    offered = offered_kinds()
    return [type for type in SuggestionType.values if type in offered]


def pause_context(user: User) -> dict[str, Any]:
    """Return what is paused, who paused it and why, and how many suggestions wait."""
    queued = SuggestionExecution.objects.filter(state=ExecutionState.QUEUED).values("suggestion__type")
    waiting = Counter({row["suggestion__type"]: row["n"] for row in queued.annotate(n=Count("pk")).order_by()})
    pauses = list(ExecutionPause.objects.select_related("by").order_by("type"))
    for switch in pauses:
        switch.waiting = waiting[switch.type] if switch.type else waiting.total()
    return {
        "pauses": pauses,
        "is_everything_paused": any(not switch.type for switch in pauses),
        "waiting": waiting.total(),
        "can_pause": user.has_perm(PAUSE_PERMISSION),
        "pause_form": PauseForm(),
    }
