"""The pages for outsiders without a login: the tracking picture and the proposal. No session, no cookie."""

import base64
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from crm.exceptions import IllegalTransition
from crm.text.addresses import agency_sender
from inbox.attachments import read_attachment
from inbox.models import Message
from inbox.transitions import record_email_opened, record_proposal_viewed

logger = logging.getLogger(__name__)

TRANSPARENT_GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
PROPOSAL_CONTENT_TYPE = "application/pdf"
NO_STORE_HEADERS = {
    "Cache-Control": "no-store, private",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
}
PUBLIC_PAGE_HEADERS = {
    **NO_STORE_HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'",
}


@require_safe
def tracking_pixel(request: HttpRequest, token: str) -> HttpResponse:
    """Record that the email with `token` was opened. Always return the same picture, even for an unknown token."""
    if request.method == "GET":
        track_visit(request, record_email_opened, token)
    return HttpResponse(TRANSPARENT_GIF, content_type="image/gif", headers=NO_STORE_HEADERS)


# No user is logged in here, so there is no session that a forged request could abuse.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def proposal_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show the sender and title of a proposal, and a button that opens the document.

    Only pressing the button counts as viewing: mail gateways follow every link.
    """
    match = find_sent_proposal(token)
    if match is None:
        return render_public_page("inbox/no_proposal.html", status=404)
    message, entry = match
    if request.method != "POST":
        context = {"message": message, "file": entry, "agency": agency_sender()[0]}
        return render_public_page("inbox/proposal.html", context)
    try:
        document = read_attachment(entry)
    except IllegalTransition:
        logger.exception("The proposal of email %s cannot be read from the storage.", message.pk)
        return render_public_page("inbox/no_proposal.html", status=404)
    track_visit(request, record_proposal_viewed, token)
    inline = {"Content-Disposition": 'inline; filename="Proposal.pdf"'}
    return HttpResponse(document, content_type=PROPOSAL_CONTENT_TYPE, headers={**NO_STORE_HEADERS, **inline})


def render_public_page(template: str, context: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    """Render a page for outsiders, without the request, so that no session is ever loaded."""
    return HttpResponse(render_to_string(template, context), status=status, headers=PUBLIC_PAGE_HEADERS)


def find_sent_proposal(token: str) -> tuple[Message, dict[str, Any]] | None:
    """Return the email with `token` and its attached proposal; None if there is none."""
    messages = Message.objects.with_token(token)
    message = messages.only("subject", "from_name", "sent_at", "attachments", "body_text").first()
    documents = [one for one in message.attachments if one.get("type") == PROPOSAL_CONTENT_TYPE] if message else []
    # Without a link in the email, the recipient was not invited to view it.
    return (message, documents[0]) if documents and f"/{token}/" in message.body_text else None


def track_visit(request: HttpRequest, transition: Callable[[str, datetime], bool], token: str) -> None:
    """Apply `transition`, unless the visitor is one of us. If the database is busy, the visit is not counted."""
    if settings.SESSION_COOKIE_NAME in request.COOKIES:
        return
    try:
        transition(token, timezone.now())
    except DatabaseError:
        logger.warning("A visit to a tracked email was not recorded: the database is busy.", exc_info=True)
