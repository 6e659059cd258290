"""What a list fetches when a person adds or changes a filter: the names of all filters, or the form of one."""

from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.views.decorators.http import require_safe

from crm.screens.filter_bar.chips import FIELD_PARAM, FILTER_SHEET_PARAM
from crm.screens.filter_bar.sheet import QUESTIONS_PARAM, build_questions, undefined_keys
from crm.screens.filter_bar.single_filter import describe_filter_form, filter_names, with_filter

OWN_PARAMS = {FIELD_PARAM, FILTER_SHEET_PARAM, QUESTIONS_PARAM}


class FilterViewMixin:
    """For the admin class of a record: the parts of its filter bar, which cost more than a page of rows."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_safe(self.filters_view))
        name = f"{self.opts.app_label}_{self.opts.model_name}_filters"
        return [path("filters/", view, name=name), *super().get_urls()]

    def filters_view(self, request: HttpRequest) -> HttpResponse:
        """Return the form of one filter, the questions of a line, or the names of all filters."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        name = request.GET.get(FIELD_PARAM, "")
        data = with_filter(request.GET, name)
        filterset = self.filterset_class(data, self.get_queryset(request), request=request)
        if QUESTIONS_PARAM in request.GET:
            return TemplateResponse(request, "crm/filter_questions.html", {"sheet": build_questions(filterset)})
        params = [(key, one) for key, values in request.GET.lists() for one in values if one and key not in OWN_PARAMS]
        if name:
            return self.filter_form(request, filterset, name, params)
        context = {
            "names": list(filter_names(filterset)),
            "sheet_query": urlencode([*params, (FILTER_SHEET_PARAM, "filter")]),
            "filters_url": f"{self.list_url()}filters/",
            "query": urlencode(params),
        }
        return TemplateResponse(request, "crm/filter_names.html", context)

    def filter_form(
        self, request: HttpRequest, filterset: Any, name: str, params: list[tuple[str, str]]
    ) -> HttpResponse:
        """Return the form of the filter `name`, which keeps the other parameters of the list."""
        form = describe_filter_form(filterset, name)
        if form is None:
            raise Http404(f"The list has no filter “{name[:60]}”.")
        others = [pair for pair in params if pair[0] not in form["names"]]
        context = {
            **form,
            "others": others,
            "remove_query": urlencode(others) if len(others) < len(params) else "",
            "is_in_force": len(others) < len(params),
            "undefined_keys": undefined_keys(filterset) if form.get("is_other") else [],
        }
        return TemplateResponse(request, "crm/filter_form.html", context)
