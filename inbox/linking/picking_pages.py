"""The pages on which to select the target of an action: the record to link, messages to split, thread to join."""

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from crm.screens.action_forms import ActionForm
from inbox.action_forms import JoinThread, LinkThread, SplitThread
from inbox.linking.candidates import find_joinable_threads, find_link_candidates
from inbox.models import Thread
from inbox.thread_state import DELIVERED_STATES

PICKER_FORMS = (LinkThread, SplitThread, JoinThread)
MAX_SEARCH_LENGTH = 200


class PickingPages:
    """A mixin for `ThreadAdmin`: actions with a selection page of their own."""

    def available_actions(self, request: HttpRequest, row: Thread) -> list[ActionForm]:
        picker_verbs = {form.verb for form in PICKER_FORMS}
        return [form for form in super().available_actions(request, row) if form.verb not in picker_verbs]

    def picker_links(self, request: HttpRequest, row: Thread) -> list[dict[str, str]]:
        """Return the available actions with a selection page, and its URL."""
        forms = [] if row.is_deleted else [form for form in PICKER_FORMS if form.is_available(row, request.user)]
        return [
            {"verb": form.verb, "label": form.label, "icon": form.icon, "url": self.action_url(row, form.verb)}
            for form in forms
        ]

    def action_view(self, request: HttpRequest, pk: UUID, verb: str) -> HttpResponse:
        form = next((form for form in PICKER_FORMS if form.verb == verb), None)
        if form is None or (form is LinkThread and request.method == "POST"):
            return super().action_view(request, pk, verb)
        row = self.get_visible_object(request, pk)
        if not request.user.has_perm(form.permission) or row.is_deleted:
            raise PermissionDenied
        errors: list[str] = []
        if request.method == "POST":
            answer = super().action_view(request, pk, verb)
            if answer.status_code != 422:
                return answer
            errors = [str(text) for texts in answer.context_data["form"].errors.values() for text in texts]
        build_context = {LinkThread: self.link_page, SplitThread: self.split_page, JoinThread: self.join_page}[form]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{form.label}: {row}",
            "opts": self.opts,
            "original": row,
            "errors": errors,
            "url": self.action_url(row, verb),
            "back": self.page_url(row),
            **build_context(request, row),
        }
        return TemplateResponse(request, f"inbox/{verb}.html", context, status=422 if errors else 200)

    def link_page(self, request: HttpRequest, row: Thread) -> dict[str, Any]:
        """Return the leads and clients to link to, found by address or by a search."""
        query = request.GET.get("q", "").strip()[:MAX_SEARCH_LENGTH]
        return {"query": query, "candidates": find_link_candidates(request, row, query)}

    def split_page(self, request: HttpRequest, row: Thread) -> dict[str, Any]:
        """Return the messages, with the posted selection ticked."""
        page = self.messages_page(request, row)
        for message in page.rows:
            message.can_split = message.state in DELIVERED_STATES
        posted_ids = set(request.POST.getlist("messages"))
        return {
            "page_messages": list(reversed(page.rows)),
            "selected_ids": {one.pk for one in page.rows if str(one.pk) in posted_ids},
            "earlier": page.next,
            "later": page.previous if request.GET else None,
        }

    def join_page(self, request: HttpRequest, row: Thread) -> dict[str, Any]:
        """Return the threads that could be joined, found by participants or by a search."""
        query = request.GET.get("q", "").strip()[:MAX_SEARCH_LENGTH]
        return {"query": query, "joinable_threads": find_joinable_threads(request, row, query)}
