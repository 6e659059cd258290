"""A model provider that fails in every known way while email arrives; part of `bench.trial`.

Each fault must leave one log row with its reason, add nothing, and keep all pages working. Messages that can be
retried are read once the provider works again.
"""

import sys
from datetime import timedelta
from typing import Any

from django.test import Client, override_settings
from django.utils import timezone

from ai_log.models import AIInteraction
from bench.measure import fetch_page
from bench.model import MODEL_NAME, answer_honestly, loopback_model
from bench.obedient_agent import receive_email
from bench.table import render_table
from crm.models import User
from inbox.lead_signals.ask_model import read_with_model
from inbox.lead_signals.transitions import add_thread_signals
from inbox.models import Reading, Thread
from tests.ai_log.provider import TEN_MEGABYTES, completion, cut_in_the_middle, drip_response, slow
from tests.http_server import Responder, cut_connection, respond_with

EMAIL_TEXT = "Good morning. We would like to have our house and the two cars with you from the spring on."
TIMEOUT_SECONDS = 1
# The provider's fault, and whether the email is read later.
FAULTS: dict[str, tuple[Responder, bool]] = {
    "429, too many requests": (respond_with(429, {"error": {"message": "Slow down."}}), True),
    "500": (respond_with(500, b"<html>oops</html>"), True),
    "401, the key is refused": (respond_with(401, {"error": {"message": "Incorrect key."}}), True),
    "400, the question is refused": (respond_with(400, {"error": {"message": "Not this."}}), False),
    "malformed": (respond_with(200, b'{"id": "chatcmpl-1", "choi'), True),
    "another protocol": (respond_with(200, {"result": "fine"}), True),
    "another schema": (respond_with(200, completion('{"verdict": "hot"}', model=MODEL_NAME)), False),
    "prose": (respond_with(200, completion("I would say they are interested.", model=MODEL_NAME)), False),
    "nothing": (respond_with(200, completion("", model=MODEL_NAME)), False),
    "a refusal": (respond_with(200, completion(None, refusal="I will not.", model=MODEL_NAME)), False),
    "cut off by its own limit": (
        respond_with(200, completion('{"signals": [', finish="length", model=MODEL_NAME)),
        False,
    ),
    "the connection is cut": (cut_connection, True),
    "cut in the middle": (cut_in_the_middle, True),
    "10 MB": (respond_with(200, completion("x" * TEN_MEGABYTES, model=MODEL_NAME)), False),
    "slow": (slow, True),
    "drop by drop": (drip_response, True),
}


def try_faults() -> list[str]:
    """Print the outcome of each fault; return the violations."""
    reader = User.objects.create(username="trial", is_staff=True, is_superuser=True)
    browser = Client()
    browser.force_login(reader)
    with loopback_model(answer_honestly) as faults, override_settings(AI_TIMEOUT=TIMEOUT_SECONDS):
        results = [try_fault(number, name, faults, browser) for number, name in enumerate(FAULTS)]
        unread_threads = Thread.objects.filter(pk__in=[thread.pk for _, thread, _ in results if is_unread(thread)])
        read_again = [read_with_model(thread) for thread in unread_threads]
    sys.stdout.write(
        render_table(["What the provider does", "the log says", "the mail"], [row for row, _, _ in results])
    )
    sys.stdout.write(f"\nRead once it worked again: {sum(read_again)} of {len(read_again)}.\n")
    violations = [one for _, _, row_violations in results for one in row_violations]
    return violations + [
        f"{name}: still not read" for (_, thread, _), name in zip(results, FAULTS, strict=True) if is_unread(thread)
    ]


def is_unread(thread: Thread) -> bool:
    return not Reading.objects.filter(message__thread=thread, message__direction="in").exists()


def try_fault(number: int, name: str, faults: list[Responder], browser: Client) -> tuple[list[str], Thread, list[str]]:
    """Return a row of the table, the conversation and the violations."""
    email = receive_email(number, EMAIL_TEXT, sender=f"faulty{number}@faulty{number}.example")
    add_thread_signals(email.thread)
    email.lead.refresh_from_db()
    signals_before, since = email.lead.signals, timezone.now()
    fault, is_read_later = FAULTS[name]
    faults.append(fault)
    read_with_model(email.thread)
    add_thread_signals(email.thread)
    faults.clear()
    email.lead.refresh_from_db()
    log_rows: list[dict[str, Any]] = list(
        AIInteraction.objects.filter(created_at__gte=since - timedelta(seconds=1), lead=email.lead).values()
    )
    violations = []
    if len(log_rows) != 1 or not log_rows[0]["error_message"]:
        violations.append(f"{name}: {len(log_rows)} lines in the log")
    if email.lead.signals != signals_before:
        violations.append(f"{name}: something was added")
    if is_unread(email.thread) is not is_read_later:
        violations.append(f"{name}: {'decided' if is_read_later else 'left for later'}")
    for address in (f"/leads/lead/{email.lead.pk}/change/", "/ai_log/aiinteraction/"):
        fetch_page(browser, address)
    logged_error = log_rows[0]["error_message"][:80] if log_rows else "nothing"
    return [name, logged_error, "waits" if is_read_later else "decided"], email.thread, violations
