"""Web forms for tests, and sending them as a website would."""

from typing import Any

from django.test import Client as Browser

from inbox.models import WebForm
from tests.cast import numbers

WEBSITE = "https://www.harbor.example"
PERSON = {"name": "Nora New", "email": "nora@example.com", "phone": "419 555 0142", "message": "How much is it?"}


def make_web_form(**kw: Any) -> WebForm:
    """Create a form with generous limits, which the website of the agency may send."""
    kw.setdefault("name", f"Quote form {next(numbers)}")
    defaults = {"heading": "Request a quote", "allowed_origins": [WEBSITE], "hourly_limit_per_sender": 1_000}
    return WebForm.objects.create(**{**defaults, **kw})


def post_form(web_form: WebForm, fields: Any = None, *, key: str = "", page: Browser | None = None, **kw: Any) -> Any:
    """Send `fields` as an HTML form does."""
    headers = {"Idempotency-Key": key, **kw.pop("headers", {})}
    page = page or Browser(enforce_csrf_checks=True)
    return page.post(f"/in/{web_form.token}", PERSON if fields is None else fields, headers=headers, **kw)


def post_json(web_form: WebForm, fields: Any = None, **kw: Any) -> Any:
    """Send `fields` as a script does."""
    return post_form(web_form, fields, content_type="application/json", **kw)


def post_raw(web_form: WebForm, body: bytes, content_type: str, **kw: Any) -> Any:
    return Browser().generic("POST", f"/in/{web_form.token}", body, content_type=content_type, **kw)
