"""The screen on which people say how far the program may go by itself, read what it has earned, and stop it."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from unfold.admin import ModelAdmin

from crm.exceptions import Refused
from crm.models import User
from suggestions.autonomy.kill_switch import PAUSE, pause, resume
from suggestions.autonomy.transitions import EVERYONES, OWN, follow_house, set_level, step
from suggestions.autonomy.trust import Trust, everybody
from suggestions.kinds import KINDS
from suggestions.models import (
    LADDER,
    AutonomySetting,
    ExecutionPause,
    ExecutionState,
    Level,
    SuggestionExecution,
    SuggestionType,
)
from suggestions.models.autonomy import MOST_UNDO_SECONDS
from suggestions.screens.presenters import ICONS

HOUSE, ME = "house", "me"
AS_HOUSE = ""


class LevelForm(forms.Form):
    """How far the program may go with one type; a level above what is earned is not offered."""

    level = forms.ChoiceField(label="Level", required=False)
    daily_cap = forms.IntegerField(label="A day", min_value=0, max_value=10_000)
    value_ceiling = forms.DecimalField(
        label="Value up to", required=False, min_value=0, max_digits=12, decimal_places=2
    )
    confidence = forms.IntegerField(label="Sure from (%)", min_value=0, max_value=100)
    undo_seconds = forms.IntegerField(label="Undo window (s)", min_value=0, max_value=MOST_UNDO_SECONDS)

    def __init__(self, *args: Any, row: "Row", **kwargs: Any) -> None:
        super().__init__(*args, prefix=row.type, **kwargs)
        self.fields["level"].choices = row.offered()
        for name, bound in self.fields.items():
            bound.widget.attrs["aria-label"] = f"{row.label}: {bound.label}"
            bound.disabled = not row.may_set
            bound.widget.attrs["form"] = "levels"
            self.initial.setdefault(name, row.shown[name])

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
class Row:
    """One type on the screen: the setting that counts, whose it is, and what agents have earned."""

    type: str
    whose: User | None
    own: AutonomySetting | None
    house: AutonomySetting | None
    trust: list[Trust]
    may_set: bool
    form: LevelForm | None = None

    @property
    def label(self) -> str:
        return SuggestionType(self.type).label

    @property
    def icon(self) -> str:
        return ICONS.get(self.type, "lightbulb")

    @property
    def counts(self) -> AutonomySetting:
        return self.own or self.house or AutonomySetting(type=self.type)

    @property
    def earned(self) -> bool:
        return self.type in KINDS and any(trust.earned for trust in self.trust)

    @property
    def shown(self) -> dict[str, Any]:
        """What the inputs hold."""
        setting = self.counts
        follows = self.whose is not None and self.own is None
        return {
            "level": AS_HOUSE if follows else str(setting.level),
            "daily_cap": setting.daily_cap,
            "value_ceiling": without_cents(setting.value_ceiling),
            "confidence": int(setting.confidence_floor * 100),
            "undo_seconds": setting.undo_seconds,
        }

    def offered(self) -> list[tuple[str, str]]:
        top = len(LADDER) - 1 if self.earned else max(step(Level.SUGGEST), step(self.counts.level))
        levels = [(str(level), Level(level).label) for level in LADDER[: top + 1]]
        if self.whose is None:
            return levels
        level = Level(self.house.level if self.house else Level.SUGGEST).label
        return [(AS_HOUSE, f"House: {level.lower()}"), *levels]


def without_cents(value: Decimal | None) -> Decimal | None:
    """`value` as people write it: no cents where there are none."""
    return value.quantize(Decimal(1)) if value is not None and value == value.to_integral_value() else value


class StopForm(forms.Form):
    """What is to be stopped, and why."""

    type = forms.ChoiceField(
        label="Stop", required=False, choices=[("", "Everything"), *SuggestionType.choices], initial=""
    )
    reason = forms.CharField(label="Why", required=False, max_length=500)


class AutonomyAdmin(ModelAdmin):
    """One page in place of a list of rows: a table of the types for one person, or for the house."""

    def get_urls(self) -> list[Any]:
        wrap, name = self.admin_site.admin_view, "suggestions_autonomysetting"
        return [
            path("", wrap(self.page_view), name=f"{name}_changelist"),
            path("switch/", wrap(self.switch_view), name=f"{name}_switch"),
        ]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    # Whose settings

    def page_view(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        whose = self.whose(request)
        rows = rows_for(whose, may_set=may_set(request.user, whose))
        posted = request.POST if request.method == "POST" else None
        for row in rows:
            row.form = LevelForm(posted, row=row)
        if posted is not None and self.save(request, rows):
            return HttpResponseRedirect(request.get_full_path())
        context = {
            **self.admin_site.each_context(request),
            "title": "Autonomy",
            "opts": self.opts,
            "rows": rows,
            "whose": whose,
            "asked": request.GET.get("for", ME),
            "may_set": may_set(request.user, whose),
            "people": people(request.user),
            **switches(request.user),
        }
        return TemplateResponse(request, "suggestions/autonomy.html", context)

    def whose(self, request: HttpRequest) -> User | None:
        """Whose settings are asked for; None: the house's."""
        asked = request.GET.get("for", ME)
        if asked in {HOUSE, ME}:
            return None if asked == HOUSE else request.user
        found = next((person for person in people(request.user) if str(person.pk) == asked), None)
        if found is None:
            raise Http404("There is nobody of that name whose settings you may see.")
        return found

    def save(self, request: HttpRequest, rows: list[Row]) -> bool:
        """Set what was changed; whether all of it was. What is refused keeps what was typed, and says why."""
        changed = [row for row in rows if row.form.has_changed()]
        done = [row.label for row in changed if row.form.is_valid() and self.set(request, row)]
        if done:
            messages.success(request, f"Saved: {', '.join(done)}.")
        if not changed:
            messages.info(request, "Nothing was changed.")
        return len(done) == len(changed)

    def set(self, request: HttpRequest, row: Row) -> bool:
        form = row.form
        level = form.cleaned_data["level"]
        try:
            if level == AS_HOUSE and row.own is not None:
                follow_house(row.whose, row.type, by=request.user)
            else:
                # Bounds of one's own without a level: the level that counts now becomes one's own, too.
                set_level(row.whose, row.type, level or row.counts.level, bounds=form.bounds, by=request.user)
        except Refused as refusal:
            form.add_error(None, str(refusal))
            return False
        return True

    # The switch

    def switch_view(self, request: HttpRequest) -> HttpResponse:
        """Stop everything or a type, or let it go on."""
        page = reverse("admin:suggestions_autonomysetting_changelist")
        if request.method != "POST":
            return HttpResponseRedirect(page)
        if not self.has_view_permission(request):
            raise PermissionDenied
        form = StopForm(request.POST)
        try:
            if not form.is_valid():
                messages.error(request, "Choose what to stop from the list, and say why in at most 500 characters.")
            elif request.POST.get("deed") == "resume":
                waiting = resume(form.cleaned_data["type"], by=request.user)
                messages.success(request, f"It goes on; {waiting} had been waiting.")
            else:
                pause(form.cleaned_data["type"], reason=form.cleaned_data["reason"], by=request.user)
                messages.success(request, "Stopped: nothing of it is carried out until it is let go on.")
        except Refused as refusal:
            messages.error(request, str(refusal))
        return HttpResponseRedirect(page)


def may_set(user: User, whose: User | None) -> bool:
    own = whose is not None and whose.pk == user.pk
    return user.has_perm(OWN if own else EVERYONES)


def people(user: User) -> list[User]:
    """Whose settings `user` may look at beside their own."""
    if not user.has_perm(EVERYONES):
        return []
    return list(User.objects.filter(is_active=True).exclude(pk=user.pk).order_by("first_name", "username"))


def rows_for(whose: User | None, *, may_set: bool) -> list[Row]:
    """A row for every type, in as many queries for one as for all."""
    wanted = AutonomySetting.objects.filter(Q(user=None) | Q(user=whose) if whose else Q(user=None))
    found = {(setting.type, setting.user_id): setting for setting in wanted}
    known = everybody()
    return [
        Row(
            type,
            whose,
            found.get((type, whose.pk if whose else None)),
            found.get((type, None)),
            [trust for trust in known if trust.type == type],
            may_set,
        )
        for type in SuggestionType.values
    ]


def switches(user: User) -> dict[str, Any]:
    """What is stopped, by whom and why, and how much of it waits."""
    queued = SuggestionExecution.objects.filter(state=ExecutionState.QUEUED).values("suggestion__type")
    waiting = Counter({row["suggestion__type"]: row["n"] for row in queued.annotate(n=Count("pk")).order_by()})
    stopped = list(ExecutionPause.objects.select_related("by").order_by("type"))
    for switch in stopped:
        switch.waiting = waiting[switch.type] if switch.type else waiting.total()
    return {
        "stopped": stopped,
        "everything_stopped": any(not switch.type for switch in stopped),
        "waiting": waiting.total(),
        "may_stop": user.has_perm(PAUSE),
        "stop_form": StopForm(),
    }
