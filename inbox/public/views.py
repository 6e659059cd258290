"""What people outside see of us without a login: a picture in a mail, and a proposal. No session, no cookie."""

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
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
}


@require_safe
def tracking_pixel(request: HttpRequest, token: str) -> HttpResponse:
    """The same picture of one pixel, whatever `token` is; the mail known by it has been opened."""
    if request.method == "GET":
        track_visit(request, record_email_opened, token)
    return HttpResponse(TRANSPARENT_GIF, content_type="image/gif", headers=NO_STORE_HEADERS)


# Nobody is logged in here, so there is nothing that a foreign page could do in somebody's name.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def proposal_page(request: HttpRequest, token: str) -> HttpResponse:
    """Who sends which proposal, and a button; pressing it shows the paper.

    Only that counts as looking at it: the gateways of mail servers follow every link.
    """
    match = find_sent_proposal(token)
    if match is None:
        return render_public_page("inbox/no_proposal.html", status=404)
    message, entry = match
    if request.method != "POST":
        context = {"message": message, "file": entry, "house": agency_sender()[0]}
        return render_public_page("inbox/proposal.html", context)
    try:
        document = read_attachment(entry)
    except IllegalTransition:
        logger.exception("The proposal of the mail %s cannot be shown.", message.pk)
        return render_public_page("inbox/no_proposal.html", status=404)
    track_visit(request, record_proposal_viewed, token)
    inline = {"Content-Disposition": 'inline; filename="Proposal.pdf"'}
    return HttpResponse(document, content_type=PROPOSAL_CONTENT_TYPE, headers={**NO_STORE_HEADERS, **inline})


def render_public_page(template: str, context: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    """A page for people outside; made without the request, so that no session is ever looked for."""
    return HttpResponse(render_to_string(template, context), status=status, headers=PUBLIC_PAGE_HEADERS)


def find_sent_proposal(token: str) -> tuple[Message, dict[str, Any]] | None:
    """The mail known by `token` and the paper that went with it; None where there is none."""
    messages = Message.objects.with_token(token)
    message = messages.only("subject", "from_name", "sent_at", "attachments", "body_text").first()
    documents = [one for one in message.attachments if one.get("type") == PROPOSAL_CONTENT_TYPE] if message else []
    # A link to it stands in the mail, or nobody was asked to look.
    return (message, documents[0]) if documents and f"/{token}/" in message.body_text else None


def track_visit(request: HttpRequest, transition: Callable[[str, datetime], bool], token: str) -> None:
    """Do `transition`, unless it is one of us who looks; what the database cannot do now is left for the next time."""
    if settings.SESSION_COOKIE_NAME in request.COOKIES:
        return
    try:
        transition(token, timezone.now())
    except DatabaseError:
        logger.warning("It was not noted that a mail was opened: the database is busy.", exc_info=True)
