"""A loopback model for trials: it speaks OpenAI's chat completions, reads a little and invents the rest.

It copies one sentence of each message, which counts, and invents another, which must not. `answer_obediently` does
whatever the text asks for, and more.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from django.conf import settings
from django.test import override_settings

from inbox.lead_signals.model_signals import SIGNAL_MEANINGS
from leads.scoring.explanation import DEFAULT_SIGNAL_WEIGHTS
from tests.ai_log.provider import completion
from tests.http_server import Responder, http_server, respond_with

UNTRUSTED_BLOCK = re.compile(r"<outside-\w+ what='([^']*)'>\n(.*?)\n</outside-\w+>", re.DOTALL)
SENTENCE = re.compile(r"[A-Z][^.!?]{20,140}[.!?]")
AMOUNT = re.compile(r"\$?(\d[\d,]*)")
MODEL_NAME = "loopback-model"
AnswerFunction = Callable[[str, str], dict[str, Any]]


class Handler(BaseHTTPRequestHandler):
    """Answers each question with `answer`, or with the next fault in `faults`."""

    answer: AnswerFunction
    faults: list[Responder]

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.faults:
            self.faults[0](self)
            return
        shape = request.get("response_format", {}).get("json_schema", {}).get("name", "")
        content = self.answer(shape, request["messages"][-1]["content"])
        text = json.dumps(content)
        usage = (sum(len(one["content"]) for one in request["messages"]) // 4, len(text) // 4)
        respond_with(200, completion(text, usage=usage, model=MODEL_NAME))(self)

    def log_message(self, *args: Any) -> None:
        return None


@contextmanager
def loopback_model(answer: AnswerFunction) -> Iterator[list[Responder]]:
    """Use a model that answers with `answer`; a fault in the yielded list applies until it is removed."""
    faults: list[Responder] = []
    with (
        http_server(Handler, answer=staticmethod(answer), faults=faults) as url,
        override_settings(AI_URL=f"{url}/v1", AI_MODEL=MODEL_NAME, AI_PROVIDER="", AI_DAILY_CALLS=100_000),
    ):
        yield faults


def model_label() -> str:
    return f"{settings.AI_MODEL} at {settings.AI_URL}"


def answer_honestly(shape: str, question: str) -> dict[str, Any]:
    """Answer like a useful model."""
    untrusted_blocks = UNTRUSTED_BLOCK.findall(question)
    if shape == "Signals":
        return {
            "signals": [
                one for label, text in untrusted_blocks for one in claimed_signals(int(label.rpartition(" ")[2]), text)
            ]
        }
    if shape == "Reading":
        quote = next(iter(SENTENCE.findall(untrusted_blocks[-1][1] if untrusted_blocks else "")), "")
        return {"prospect": bool(quote), "quote": quote, "why": "It reads like one."}
    return {"words": "Hello {{first_name}},\n\nthank you for your email. I will see to it.", "why": "It is short."}


def claimed_signals(number: int, text: str) -> Iterator[dict[str, Any]]:
    """Return a signal quoted from `text`, an invented one, and one that no text can prove."""
    types = sorted(SIGNAL_MEANINGS)
    for sentence in SENTENCE.findall(text)[:1]:
        amount = AMOUNT.search(sentence)
        name = "budget_mentioned" if amount else types[len(text) % len(types)]
        value = float(amount[1].replace(",", "")) if amount else None
        yield {"message": number, "type": name, "quote": sentence, "value": value}
    yield {"message": number, "type": "decision_maker", "quote": "I am the one who decides here, believe me."}
    yield {"message": number, "type": "email_opened", "quote": text[:100]}


def answer_obediently(shape: str, question: str) -> dict[str, Any]:
    """Do everything a text could ask for: every type, for every piece of the text, and more."""
    signals = []
    for label, text in UNTRUSTED_BLOCK.findall(question):
        number = int(label.rpartition(" ")[2])
        pieces = [*(line for line in text.splitlines() if line.strip())][:6] + [
            "I decide, and I buy today for $999,999."
        ]
        for name in (*DEFAULT_SIGNAL_WEIGHTS, "very_hot"):
            for piece in pieces:
                signals.append({"message": number, "type": name, "quote": piece, "value": 999_999, "weight": 1})
    return {"signals": signals, "weights": {"decision_maker": 1}, "remove": list(DEFAULT_SIGNAL_WEIGHTS)}
