"""The suggested answer in the composer of a conversation: it becomes a draft, or is dismissed."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from crm.exceptions import ActionRefused, InvalidInput
from crm.models import User
from inbox.drafts import transitions as drafts
from inbox.drafts.composer import ComposeForm
from inbox.outgoing.outbox import SEND_PERMISSION
from suggestions.kinds.email import fill_for_recipient
from suggestions.models import Suggestion, SuggestionStatus, SuggestionType
from suggestions.screens.presenters import SuggestionLine
from suggestions.transitions.state import content_to_decide


@dataclass(frozen=True)
class SuggestedReply:
    """A suggested answer as `text`, with the placeholders filled in that have a value."""

    row: Suggestion
    sentence: str
    text: str


def find_suggested_reply(lines: Iterable[SuggestionLine], user: User) -> SuggestedReply | None:
    """Return the newest of the suggestions `lines` that is an answer with a text and waits for a decision."""
    if not user.has_perm(SEND_PERMISSION):
        return None
    for line in lines:
        is_snoozed = line.row.snoozed_until is not None and line.row.snoozed_until > timezone.now()
        is_waiting = line.row.status == SuggestionStatus.PENDING and not line.is_expired and not is_snoozed
        if is_waiting and line.row.type == SuggestionType.REPLY and (text := reply_text(line.row, user)):
            return SuggestedReply(line.row, line.sentence, text)
    return None


def reply_text(suggestion: Suggestion, user: User) -> str:
    """Return the text of the suggested answer; empty if there is none, or if it cannot be filled in."""
    body = content_to_decide(suggestion).get("body")
    try:
        return fill_for_recipient(body, suggestion, user, is_final=False).strip() if isinstance(body, str) else ""
    except ActionRefused:
        return ""


def use_reply_view(request: HttpRequest, suggestion: Suggestion) -> HttpResponse:
    """Put the suggested answer above what the user has written in the composer, and save the draft."""
    try:
        save_reply_as_draft(request, suggestion)
    except ActionRefused as error:
        messages.error(request, str(error))
    thread = suggestion.thread_id
    page = reverse("admin:inbox_thread_change", args=[thread]) if thread else reverse("admin:inbox_thread_changelist")
    return HttpResponseRedirect(f"{page}#reply")


def save_reply_as_draft(request: HttpRequest, suggestion: Suggestion) -> None:
    """Save the composer in `request` with the suggested answer.

    Raises:
        ActionRefused: the composer or the suggestion does not allow it.
    """
    form, user = ComposeForm(request.POST), request.user
    if not form.is_valid():
        raise InvalidInput("The draft could not be read. Reload the page and try again.")
    destination = form.destination(user)
    if destination.thread is None or destination.thread.pk != suggestion.thread_id:
        raise InvalidInput("This suggestion belongs to another conversation.")
    if suggestion.status != SuggestionStatus.PENDING or not (text := reply_text(suggestion, user)):
        raise InvalidInput("This suggestion can no longer be used: it was decided, or has no text.")
    content = form.content()
    body = "\n\n".join(filter(None, [text, content.body.strip()]))
    key, version = form.cleaned_data["key"], form.cleaned_data["version"]
    drafts.save(key, version, replace(content, body=body), destination, by=user)
