"""Pages on which it is picked what a deed to a conversation is about: whose it is, what moves, what is joined."""

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from crm.screens.action_forms import DeedForm
from inbox.action_forms import JoinThread, LinkThread, SplitThread
from inbox.link_candidates import candidates, to_join
from inbox.models import Thread
from inbox.thread_state import SAID

PICKED = (LinkThread, SplitThread, JoinThread)
LONGEST_SEARCH = 200


class PickingPages:
    """For the screen of conversations: deeds that are offered as links to pages of their own."""

    def offered(self, request: HttpRequest, row: Thread) -> list[DeedForm]:
        picked = {form.verb for form in PICKED}
        return [form for form in super().offered(request, row) if form.verb not in picked]

    def picking(self, request: HttpRequest, row: Thread) -> list[dict[str, str]]:
        """Those of the deeds that have a page, with its address."""
        forms = [] if row.is_deleted else [form for form in PICKED if form.offered(row, request.user)]
        return [
            {"verb": form.verb, "label": form.label, "icon": form.icon, "url": self.deed_url(row, form.verb)}
            for form in forms
        ]

    def deed_view(self, request: HttpRequest, pk: UUID, verb: str) -> HttpResponse:
        form = next((form for form in PICKED if form.verb == verb), None)
        if form is None or (form is LinkThread and request.method == "POST"):
            return super().deed_view(request, pk, verb)
        row = self.find(request, pk)
        if not request.user.has_perm(form.permission) or row.is_deleted:
            raise PermissionDenied
        errors: list[str] = []
        if request.method == "POST":
            answer = super().deed_view(request, pk, verb)
            if answer.status_code != 422:
                return answer
            errors = [str(text) for texts in answer.context_data["form"].errors.values() for text in texts]
        show = {LinkThread: self.link_page, SplitThread: self.split_page, JoinThread: self.join_page}[form]
        context = {
            **self.admin_site.each_context(request),
            "title": f"{form.label}: {row}",
            "opts": self.opts,
            "original": row,
            "errors": errors,
            "url": self.deed_url(row, verb),
            "back": self.page_url(row),
            **show(request, row),
        }
        return TemplateResponse(request, f"inbox/{verb}.html", context, status=422 if errors else 200)

    def link_page(self, request: HttpRequest, row: Thread) -> dict[str, Any]:
        """Whose conversation it could be: by address, or by a search."""
        words = request.GET.get("q", "").strip()[:LONGEST_SEARCH]
        return {"words": words, "candidates": candidates(request, row, words)}

    def split_page(self, request: HttpRequest, row: Thread) -> dict[str, Any]:
        """The messages, with those ticked that were."""
        page = self.messages_page(request, row)
        for message in page.rows:
            message.is_said = message.state in SAID
        sent = set(request.POST.getlist("messages"))
        return {
            "shown": list(reversed(page.rows)),
            "ticked": {one.pk for one in page.rows if str(one.pk) in sent},
            "earlier": page.next,
            "later": page.previous if request.GET else None,
        }

    def join_page(self, request: HttpRequest, row: Thread) -> dict[str, Any]:
        """What could be one with it: of the same people, or by a search."""
        words = request.GET.get("q", "").strip()[:LONGEST_SEARCH]
        return {"words": words, "found": to_join(request, row, words)}
