"""The page of the service levels: a preview of what a change moves, and saving it."""

from functools import partial
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods

from crm.exceptions import ActionRefused
from support.filters import recent_issue_types
from support.service_levels.changes import describe_changes, load_settings
from support.service_levels.forms import ServiceLevelsForm
from support.service_levels.preview import preview
from support.service_levels.transitions import CHANGE_LEVELS, save_service_levels

VIEW_LEVELS = "support.view_servicelevel"
PAGE_NAME = "support_servicelevel_changelist"


def service_level_urls(site: AdminSite) -> list[URLPattern]:
    view = site.admin_view(service_levels_view)
    return [path("support/service-levels/", view, {"site": site}, name=PAGE_NAME)]


@require_http_methods(["GET", "HEAD", "POST"])
def service_levels_view(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show the service levels; preview or save what was entered."""
    can_edit = request.user.has_perm(CHANGE_LEVELS)
    if not (can_edit or request.user.has_perm(VIEW_LEVELS)) or (request.method == "POST" and not can_edit):
        raise PermissionDenied
    stored = load_settings()
    data = request.POST if request.method == "POST" else None
    form = ServiceLevelsForm(stored, partial(recent_issue_types, request.user), data)
    context: dict[str, Any] = {"loaded": request.POST.get("loaded", "") if data else stored.digest}
    if data is not None:
        given = form.read()
        if given is not None and "save" in data:
            try:
                lines = save_service_levels(given, context["loaded"], by=request.user)
            except ActionRefused as error:
                form.errors = [str(error)]
            else:
                messages.success(request, f"Saved: {'; '.join(lines)}. Due times are being computed again.")
                return HttpResponseRedirect(reverse(f"admin:{PAGE_NAME}"))
        elif given is not None:
            context |= {"changes": describe_changes(stored, given), "preview": preview(given.as_levels(), request.user)}
    if not can_edit:
        form.disable()
    context |= {**site.each_context(request), "title": "Service levels", "form": form, "can_edit": can_edit}
    is_refused = data is not None and "preview" not in context
    return TemplateResponse(request, "support/service_levels.html", context, status=422 if is_refused else 200)
