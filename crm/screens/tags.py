"""The screens of tags: actions on records, the list with counts, another name or colour and what that would change."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models.options import Options
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from crm.exceptions import ActionRefused
from crm.models import BadgeColour, User
from crm.records.base import can_see_everyone
from crm.records.tags.transitions import (
    CHANGE_PERMISSION,
    add_tag,
    colour_tag,
    remove_tag,
    rename_tag,
    views_with_tag,
)
from crm.records.tags.usage import (
    MAX_COUNT,
    SAMPLED_ROW_COUNT,
    count_records,
    known_tags,
    tag_colours,
    tagged_models,
    with_tags,
)
from crm.records.transitions import permission_name
from crm.screens.action_forms import ActionForm, ActionPlace
from crm.screens.paging import CappedCount, capped_count, exact_count
from crm.text.cleaning import ensure_full_stop
from crm.text.tags import MAX_TAG_LENGTH, clean_tag

# The link above the lists of records with tags.
TAGS_LINK = ("crm_tags", "sell", "Tags")


class AddTag(ActionForm):
    """Add a tag."""

    verb, label, icon, past_tense, place = "tag", "Add tag", "sell", "tagged", ActionPlace.MENU
    tag = forms.CharField(max_length=MAX_TAG_LENGTH)

    def perform(self, record: Any, by: User) -> str:
        add_tag(record, self.cleaned_data["tag"], by=by)
        return ensure_full_stop(f"Tag added to {record}")


class RemoveTag(ActionForm):
    """Remove a tag."""

    verb, label, icon = "untag", "Remove tag", "label_off"
    tag = forms.CharField(max_length=MAX_TAG_LENGTH)

    def perform(self, record: Any, by: User) -> str:
        remove_tag(record, self.cleaned_data["tag"], by=by)
        return ensure_full_stop(f"Tag removed from {record}")

    def bulk_summary(self, count: int, opts: Options) -> str:
        noun = opts.verbose_name if count == 1 else opts.verbose_name_plural
        return f"Tag “{self.cleaned_data['tag'].strip()}” removed from {count:,} {noun}."


def tag_actions(model: str) -> tuple[type[ActionForm], type[ActionForm]]:
    """Return the actions that add and remove a tag of the records of `model`, such as `crm.client`."""
    app, _, name = model.partition(".")
    parts = {"permission": f"{app}.change_{name}"}
    return tuple(
        type(f"{base.__name__}To", (base,), {**parts, "__doc__": base.__doc__}) for base in (AddTag, RemoveTag)
    )


class TagForm(forms.Form):
    """Another name or colour for one tag."""

    name = forms.CharField(
        max_length=MAX_TAG_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="If there is a tag with this name, the two become one.",
    )
    colour = forms.ChoiceField(choices=BadgeColour.choices, widget=UnfoldAdminSelectWidget)

    def clean_name(self) -> str:
        name = clean_tag(self.cleaned_data["name"])
        if not name:
            raise forms.ValidationError("A tag has no comma, because commas separate tags.")
        return name


def tag_urls(site: AdminSite) -> list[URLPattern]:
    keys = {"site": site}
    return [
        path("tags/", site.admin_view(tags_view), keys, name="crm_tags"),
        path("tags/change/", site.admin_view(change_tag_view), keys, name="crm_tag_change"),
    ]


def may_change(user: User) -> bool:
    return user.has_perm(CHANGE_PERMISSION) and can_see_everyone(user)


def readable_models(user: User) -> list[Any]:
    return [model for model in tagged_models() if user.has_perm(permission_name(model, "view"))]


def tags_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """List the tags with the number of records that the reader sees with each."""
    readable = readable_models(request.user)
    if not readable:
        raise PermissionDenied
    tags = known_tags(request.user, readable)
    counts = count_records(tags, request.user, readable)
    columns = [
        (
            capfirst(str(model._meta.verbose_name_plural)),
            reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"),
            counts[model._meta.label_lower],
        )
        for model in readable
    ]
    rows = [
        (tag, [(label, url, CappedCount(numbers[n], MAX_COUNT)) for label, url, numbers in columns])
        for n, tag in enumerate(tags)
    ]
    context = {
        **site.each_context(request),
        "title": "Tags",
        "headings": [label for label, _, _ in columns],
        "rows": rows,
        "can_change": may_change(request.user),
        "sampled_row_count": SAMPLED_ROW_COUNT,
    }
    return TemplateResponse(request, "crm/tags.html", context)


def change_tag_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Ask for another name or colour; a new name is shown with what it changes before it is confirmed."""
    if not may_change(request.user):
        raise PermissionDenied
    tag = clean_tag(request.GET.get("tag", ""))
    if not tag:
        return HttpResponseRedirect(reverse("admin:crm_tags"))
    colour = tag_colours().get(tag.lower(), BadgeColour.GREY.value)
    form, preview = TagForm(request.POST or None, initial={"name": tag, "colour": colour}), None
    if form.is_valid():
        new = form.cleaned_data["name"]
        if new != tag and "confirmed" not in request.POST:
            preview = describe_rename(tag, new)
        elif apply_changes(request, form, tag, colour):
            return HttpResponseRedirect(reverse("admin:crm_tags"))
    context = {**site.each_context(request), "title": f"Tag “{tag}”", "form": form, "preview": preview, "tag": tag}
    return TemplateResponse(request, "crm/tag.html", context)


def apply_changes(request: HttpRequest, form: TagForm, tag: str, colour: str) -> bool:
    """Carry out what the form says; a refusal becomes an error of the form."""
    new, new_colour = form.cleaned_data["name"], form.cleaned_data["colour"]
    try:
        if new != tag:
            rename_tag(tag, new, by=request.user)
            messages.success(request, f"“{tag}” becomes “{new}”. Large numbers of records take a few minutes.")
        if new_colour != colour:
            colour_tag(new, new_colour, by=request.user)
            messages.success(request, f"Colour of “{new}”: {BadgeColour(new_colour).label.lower()}.")
    except ActionRefused as error:
        form.add_error(None, str(error))
        return False
    return True


def count_exactly(rows: models.QuerySet) -> CappedCount:
    """Return the number of `rows`; if counting takes longer than a page may wait, no further than `MAX_COUNT`."""
    number = exact_count(rows)
    return CappedCount(capped_count(rows, MAX_COUNT), MAX_COUNT) if number is None else CappedCount(number, number)


def describe_rename(old: str, new: str) -> dict[str, Any]:
    """Return how many records and saved views another name for a tag changes, and how many have both names."""
    is_merge = old.lower() != new.lower()
    tables = []
    for model in tagged_models():
        rows = model.everything.all()
        count = count_exactly(with_tags(rows, old))
        both = count_exactly(with_tags(rows, old, new)) if is_merge else CappedCount(0)
        existing = is_merge and with_tags(rows, new).exists()
        tables.append((capfirst(str(model._meta.verbose_name_plural)), count, both, existing))
    return {
        "new": new,
        "tables": [(label, count, both) for label, count, both, _ in tables],
        "is_merge": any(existing for *_, existing in tables) or (is_merge and new.lower() in tag_colours()),
        "view_count": len(views_with_tag(old)),
    }
