"""A provider that fails in every way providers fail, while mails come in: part of `bench.trial`.

Each fault must end as one line of the log with its reason, add nothing, and leave the pages of the house standing; what
may come yet is read once the provider works again.
"""

import sys
from datetime import timedelta
from typing import Any

from django.test import Client, override_settings
from django.utils import timezone

from ai_log.models import AIInteraction
from bench.measure import fetch
from bench.model import NAME, loopback, reading
from bench.obeying import take
from bench.table import rendered
from crm.models import User
from inbox.lead_signals.ask_model import sense
from inbox.lead_signals.transitions import notice
from inbox.models import Reading, Thread
from tests.ai_log.provider import LONG, completion, cut_in_the_middle, drip, slow
from tests.http import Answering, cut, say

WORDS = "Good morning. We would like to have our house and the two cars with you from the spring on."
PATIENCE = 1
# What the provider does, and whether the mail is read later.
FAULTS: dict[str, tuple[Answering, bool]] = {
    "429, too many requests": (say(429, {"error": {"message": "Slow down."}}), True),
    "500": (say(500, b"<html>oops</html>"), True),
    "401, the key is refused": (say(401, {"error": {"message": "Incorrect key."}}), True),
    "400, the question is refused": (say(400, {"error": {"message": "Not this."}}), False),
    "malformed": (say(200, b'{"id": "chatcmpl-1", "choi'), True),
    "another protocol": (say(200, {"result": "fine"}), True),
    "another schema": (say(200, completion('{"verdict": "hot"}', model=NAME)), False),
    "prose": (say(200, completion("I would say they are interested.", model=NAME)), False),
    "nothing": (say(200, completion("", model=NAME)), False),
    "a refusal": (say(200, completion(None, refusal="I will not.", model=NAME)), False),
    "cut off by its own limit": (say(200, completion('{"signals": [', finish="length", model=NAME)), False),
    "the connection is cut": (cut, True),
    "cut in the middle": (cut_in_the_middle, True),
    "10 MB": (say(200, completion("x" * LONG, model=NAME)), False),
    "slow": (slow, True),
    "drop by drop": (drip, True),
}


def tried() -> list[str]:
    """Print what came of each fault; what was not as it must be."""
    reader = User.objects.create(username="trial", is_staff=True, is_superuser=True)
    browser = Client()
    browser.force_login(reader)
    with loopback(reading) as faults, override_settings(AI_TIMEOUT=PATIENCE):
        found = [one_fault(number, name, faults, browser) for number, name in enumerate(FAULTS)]
        later = Thread.objects.filter(pk__in=[thread.pk for _, thread, _ in found if waits(thread)])
        read_later = [sense(thread) for thread in later]
    sys.stdout.write(rendered(["What the provider does", "the log says", "the mail"], [row for row, _, _ in found]))
    sys.stdout.write(f"\nRead once it worked again: {sum(read_later)} of {len(read_later)}.\n")
    missed = [one for _, _, wrong in found for one in wrong]
    return missed + [
        f"{name}: still not read" for (_, thread, _), name in zip(found, FAULTS, strict=True) if waits(thread)
    ]


def waits(thread: Thread) -> bool:
    return not Reading.objects.filter(message__thread=thread, message__direction="in").exists()


def one_fault(number: int, name: str, faults: list[Answering], browser: Client) -> tuple[list[str], Thread, list[str]]:
    """A row of the table, the conversation, and what was not as it must be."""
    mail = take(number, WORDS, sender=f"faulty{number}@faulty{number}.example")
    notice(mail.thread)
    mail.lead.refresh_from_db()
    before, since = mail.lead.signals, timezone.now()
    fault, later = FAULTS[name]
    faults.append(fault)
    sense(mail.thread)
    faults.clear()
    mail.lead.refresh_from_db()
    logged: list[dict[str, Any]] = list(
        AIInteraction.objects.filter(created_at__gte=since - timedelta(seconds=1), lead=mail.lead).values()
    )
    wrong = []
    if len(logged) != 1 or not logged[0]["error_message"]:
        wrong.append(f"{name}: {len(logged)} lines in the log")
    if mail.lead.signals != before:
        wrong.append(f"{name}: something was added")
    if waits(mail.thread) is not later:
        wrong.append(f"{name}: {'decided' if later else 'left for later'}")
    for address in (f"/leads/lead/{mail.lead.pk}/change/", "/ai_log/aiinteraction/"):
        fetch(browser, address)
    said = logged[0]["error_message"][:80] if logged else "nothing"
    return [name, said, "waits" if later else "decided"], mail.thread, wrong
