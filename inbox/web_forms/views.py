"""The public address of a web form: a page for people, and an endpoint for websites and programs. No session."""

import json
import logging
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods
from uuid_utils.compat import uuid7

from crm.text.addresses import agency_sender
from crm.text.links import web_origin
from inbox.models import RefusalReason, WebForm
from inbox.models.web_form import MAX_IDEMPOTENCY_KEY_LENGTH
from inbox.web_forms.bodies import JSON_TYPE, read_fields
from inbox.web_forms.limits import count_attempt
from inbox.web_forms.refusals import FormNotFound, FormRefused
from inbox.web_forms.sender_form import KEY_FIELD, TRAP_FIELD, SenderForm
from inbox.web_forms.transitions import count_refusal, receive_submission

logger = logging.getLogger(__name__)

HTML_TYPE = "text/html"
KEY_HEADER = "Idempotency-Key"
NOT_FOUND_SENTENCE = "There is no form at this address. It may have been closed."
INVALID_SENTENCE = "Some fields need your attention."
SENT_BEFORE_SENTENCE = "You have sent this form before, with other content. Press Send to send this as another message."
# The form comes back as it was filled in.
CORRECTABLE_REASONS = frozenset({RefusalReason.FIELDS, RefusalReason.TRAP, RefusalReason.KEY_REUSED})
PREFLIGHT_SECONDS = "600"
PUBLIC_HEADERS = {
    "Cache-Control": "no-store, private",
    "X-Robots-Tag": "noindex, nofollow",
    # With “no-referrer” a browser would not say from which website the form is sent.
    "Referrer-Policy": "same-origin",
}


# No user is logged in here, so there is no session that a forged request could abuse.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST", "OPTIONS"])
def web_form_page(request: HttpRequest, token: str) -> HttpResponse:
    """Show a web form, or take in what is sent. An unknown, a closed and a renewed address answer alike."""
    forms = WebForm.everything.accepting().select_related("insurance_type", "assigned_to")
    web_form = forms.filter(token=token).first()
    if web_form is None:
        return not_found(request)
    if request.method == "OPTIONS":
        response = answer_preflight(request, web_form)
    elif request.method == "POST":
        response = take_in(request, web_form)
    else:
        response = render_form(web_form, SenderForm(web_form=web_form))
    return add_cors_headers(response, request, web_form)


def take_in(request: HttpRequest, web_form: WebForm) -> HttpResponse:
    """File what is sent, and answer the same whether the sender was known or not."""
    fields: dict[str, str] = {}
    try:
        check_origin(request, web_form)
        count_attempt(web_form, request)
        fields = read_fields(request)
        check_trap(fields)
        form = check_fields(web_form, fields)
        is_new = receive_submission(web_form, form.submission(), key=read_key(request, fields))
    except FormRefused as refusal:
        count_refusal(web_form, refusal)
        return answer_refusal(request, web_form, refusal, fields)
    except FormNotFound:
        return not_found(request)
    return answer_accepted(request, web_form, is_new=is_new)


# What is accepted


def check_origin(request: HttpRequest, web_form: WebForm) -> None:
    """Refuse a form that is sent from a website which is not allowed. Programs send no origin."""
    origin = request.headers.get("Origin", "")
    if origin and not is_own_origin(request, origin) and not web_form.allows_origin(origin):
        sentence = f"The website {origin[:100]} may not send this form. Add it to the allowed websites of the form."
        raise FormRefused(RefusalReason.ORIGIN, sentence)


def is_own_origin(request: HttpRequest, origin: str) -> bool:
    return bool(origin) and urlsplit(web_origin(origin)).netloc == request.get_host().lower()


def check_trap(fields: dict[str, str]) -> None:
    """Refuse a form with a filled hidden field: programs fill in every field. A person is told to empty it."""
    if fields.get(TRAP_FIELD, "").strip():
        raise FormRefused(
            RefusalReason.TRAP, "Leave the last field empty: it is a trap for programs. Then send the form again."
        )


def check_fields(web_form: WebForm, fields: dict[str, str]) -> SenderForm:
    """Return the valid form with `fields`; a refusal has a sentence for each field."""
    form = SenderForm(fields, web_form=web_form)
    if not form.is_valid():
        errors = {name: " ".join(sentences) for name, sentences in form.errors.items() if name != "__all__"}
        sentence = " ".join([INVALID_SENTENCE, *form.non_field_errors()])
        raise FormRefused(RefusalReason.FIELDS, sentence, field_errors=errors)
    return form


def read_key(request: HttpRequest, fields: dict[str, str]) -> str:
    """Return the key by which the sender recognizes this message: from the header, else from the hidden field."""
    key = (request.headers.get(KEY_HEADER, "") or fields.get(KEY_FIELD, "")).strip()
    if len(key) > MAX_IDEMPOTENCY_KEY_LENGTH or not key.isprintable():
        sentence = f"The {KEY_HEADER} must have at most {MAX_IDEMPOTENCY_KEY_LENGTH} printable characters."
        raise FormRefused(RefusalReason.FORMAT, sentence)
    return key


# Answers


def wants_json(request: HttpRequest) -> bool:
    """Return whether the sender sends JSON, or asks for it."""
    is_json = (request.content_type or "").lower() == JSON_TYPE
    return is_json or request.get_preferred_type([HTML_TYPE, JSON_TYPE]) == JSON_TYPE


def answer_json(content: dict[str, Any], status: int) -> HttpResponse:
    text = json.dumps(content, ensure_ascii=False)
    return HttpResponse(text, status=status, content_type=f"{JSON_TYPE}; charset=utf-8", headers=PUBLIC_HEADERS)


def render_page(template: str, context: dict[str, Any], *, status: int = 200, targets: str = "'self'") -> HttpResponse:
    """Render a public page, without the request, so that no session is ever loaded. Its form may lead to `targets`."""
    policy = f"default-src 'none'; style-src 'self'; form-action {targets}; base-uri 'none'"
    headers = {**PUBLIC_HEADERS, "Content-Security-Policy": policy}
    content = render_to_string(f"inbox/web_forms/{template}.html", {"agency": agency_sender()[0], **context})
    return HttpResponse(content, status=status, headers=headers)


def render_form(
    web_form: WebForm, form: SenderForm, *, key: str = "", error: str = "", status: int = 200
) -> HttpResponse:
    """Render the public page with `form`. Its key makes sending it twice the same as once."""
    context = {
        "web_form": web_form,
        "form": form,
        "error": error,
        "trap_field": TRAP_FIELD,
        "key_field": KEY_FIELD,
        "key": key or str(uuid7()),
    }
    # A browser also checks where a form leads in the end.
    targets = " ".join(["'self'", *filter(None, [web_origin(web_form.thanks_page)])])
    return render_page("form", context, status=status, targets=targets)


def answer_accepted(request: HttpRequest, web_form: WebForm, *, is_new: bool) -> HttpResponse:
    status = 201 if is_new else 200
    if wants_json(request):
        redirect = {"redirect": web_form.thanks_page} if web_form.thanks_page else {}
        return answer_json({"message": web_form.thanks_text, **redirect}, status)
    if web_form.thanks_page:
        return HttpResponse(status=303, headers={**PUBLIC_HEADERS, "Location": web_form.thanks_page})
    return render_page("message", {"heading": web_form.heading, "text": web_form.thanks_text}, status=status)


def answer_refusal(
    request: HttpRequest, web_form: WebForm, refusal: FormRefused, fields: dict[str, str]
) -> HttpResponse:
    """Say why the form was refused; a person gets the form back as it was filled in."""
    if wants_json(request):
        errors = {"errors": refusal.field_errors} if refusal.field_errors else {}
        response = answer_json({"message": str(refusal), **errors}, refusal.status)
    elif refusal.reason in CORRECTABLE_REASONS:
        form = SenderForm({**fields, TRAP_FIELD: ""}, web_form=web_form)
        is_used = refusal.reason == RefusalReason.KEY_REUSED
        key = "" if is_used else fields.get(KEY_FIELD, "")[:MAX_IDEMPOTENCY_KEY_LENGTH]
        error = SENT_BEFORE_SENTENCE if is_used else str(refusal)
        response = render_form(web_form, form, key=key, error=error, status=refusal.status)
    else:
        context = {"heading": "Not sent", "text": str(refusal), "back_to_form": True}
        response = render_page("message", context, status=refusal.status)
    if refusal.retry_after:
        response["Retry-After"] = str(refusal.retry_after)
    return response


def not_found(request: HttpRequest) -> HttpResponse:
    if wants_json(request):
        return answer_json({"message": NOT_FOUND_SENTENCE}, 404)
    return render_page("message", {"heading": "Form not found", "text": NOT_FOUND_SENTENCE}, status=404)


# Other websites (CORS)


def answer_preflight(request: HttpRequest, web_form: WebForm) -> HttpResponse:
    """Answer whether the website that asks may send the form with its own script."""
    allowed = web_form.allows_origin(request.headers.get("Origin", ""))
    response = HttpResponse(status=204 if allowed else 403, headers=PUBLIC_HEADERS)
    if allowed:
        response["Access-Control-Allow-Methods"] = "POST"
        response["Access-Control-Allow-Headers"] = f"Content-Type, {KEY_HEADER}"
        response["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    return response


def add_cors_headers(response: HttpResponse, request: HttpRequest, web_form: WebForm) -> HttpResponse:
    """Let the scripts of an allowed website read `response`."""
    origin = request.headers.get("Origin", "")
    response["Vary"] = "Origin, Accept"
    if origin and web_form.allows_origin(origin):
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Expose-Headers"] = "Retry-After"
    return response
