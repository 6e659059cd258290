"""A user who decides the top of the queue until it is empty: `python -m bench.queue_decider NAME`.

Prints the answers as JSON: numbers of decisions taken, refused with a sentence, and failed.
"""

import json
import random
import sys
from collections import Counter

from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from crm.models import User
from suggestions.models import Suggestion

# Users who see the same few rows decide the same ones.
TOP_OF_QUEUE = 8
OUTCOMES = {302: "decided", 422: "refused"}
SETTINGS = {"ALLOWED_HOSTS": ["testserver"], "DEBUG": False}


def decide_queue(name: str) -> Counter[str]:
    """Decide as `name` through the site and count the answers."""
    browser, rng, outcomes = Client(raise_request_exception=False), random.Random(name), Counter()
    browser.force_login(User.objects.get(username=name))
    while True:
        rows = (
            Suggestion.objects.awaiting_decision(timezone.now())
            .order_by("created_at", "id")
            .values_list("pk", flat=True)
        )
        top = list(rows[:TOP_OF_QUEUE])
        if not top:
            return outcomes
        verb, data = rng.choice([("approve", {}), ("approve", {}), ("reject", {"reason": "Not now."})])
        url = reverse("admin:suggestions_suggestion_do", args=[rng.choice(top), verb])
        status = browser.post(url, data).status_code
        outcomes[OUTCOMES.get(status, f"broken ({status})")] += 1


def main(name: str) -> None:
    with override_settings(**SETTINGS):
        sys.stdout.write(json.dumps(decide_queue(name)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
