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

from crm.exceptions import IllegalMove
from crm.text.addresses import house
from inbox.attachments import contents
from inbox.models import Message
from inbox.transitions import opened, viewed

logger = logging.getLogger(__name__)

NOTHING = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
PAPER = "application/pdf"
UNSEEN = {"Cache-Control": "no-store, private", "X-Robots-Tag": "noindex, nofollow", "Referrer-Policy": "no-referrer"}
PRIVATE = {
    **UNSEEN,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
}


@require_safe
def picture(request: HttpRequest, token: str) -> HttpResponse:
    """The same picture of one pixel, whatever `token` is; the mail known by it has been opened."""
    if request.method == "GET":
        note(request, opened, token)
    return HttpResponse(NOTHING, content_type="image/gif", headers=UNSEEN)


# Nobody is logged in here, so there is nothing that a foreign page could do in somebody's name.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def proposal(request: HttpRequest, token: str) -> HttpResponse:
    """Who sends which proposal, and a button; pressing it shows the paper.

    Only that counts as looking at it: the gateways of mail servers follow every link.
    """
    found = sent_paper(token)
    if found is None:
        return page("inbox/no_proposal.html", status=404)
    message, entry = found
    if request.method != "POST":
        shown = {"message": message, "file": entry, "house": house()[0]}
        return page("inbox/proposal.html", shown)
    try:
        paper = contents(entry)
    except IllegalMove:
        logger.exception("The proposal of the mail %s cannot be shown.", message.pk)
        return page("inbox/no_proposal.html", status=404)
    note(request, viewed, token)
    inline = {"Content-Disposition": 'inline; filename="Proposal.pdf"'}
    return HttpResponse(paper, content_type=PAPER, headers={**UNSEEN, **inline})


def page(template: str, shown: dict[str, Any] | None = None, status: int = 200) -> HttpResponse:
    """A page for people outside; made without the request, so that no session is ever looked for."""
    return HttpResponse(render_to_string(template, shown), status=status, headers=PRIVATE)


def sent_paper(token: str) -> tuple[Message, dict[str, Any]] | None:
    """The mail known by `token` and the paper that went with it; None where there is none."""
    sent = Message.objects.known_by(token)
    message = sent.only("subject", "from_name", "sent_at", "attachments", "body_text").first()
    papers = [one for one in message.attachments if one.get("type") == PAPER] if message else []
    # A link to it stands in the mail, or nobody was asked to look.
    return (message, papers[0]) if papers and f"/{token}/" in message.body_text else None


def note(request: HttpRequest, deed: Callable[[str, datetime], bool], token: str) -> None:
    """Do `deed`, unless it is one of us who looks; what the database cannot do now is left for the next time."""
    if settings.SESSION_COOKIE_NAME in request.COOKIES:
        return
    try:
        deed(token, timezone.now())
    except DatabaseError:
        logger.warning("It was not noted that a mail was opened: the database is busy.", exc_info=True)
