"""A provider of models on loopback, by OpenAI's chat completions, with the faults that providers have."""

import contextlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.http_server import cut_connection_after, http_server, respond_in_pieces, respond_late, respond_with

KEY = "sk-a-key-that-nobody-sees"
TEN_MEGABYTES = 10 * 1024 * 1024


class Provider:
    """What it was asked, and `answer`: what it does with the next question."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.answer: Any = respond_with(200, completion("A roof."))

    @property
    def sent_texts(self) -> list[str]:
        """Everything that was said to it, in order."""
        return [message["content"] for asked in self.requests for message in asked["messages"]]


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_POST(self) -> None:
        self.provider.keys.append(self.headers["Authorization"])
        self.provider.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if self.path != "/v1/chat/completions":
            respond_with(404, {"error": {"message": "no such address"}})(self)
            return
        self.provider.answer(self)

    def log_message(self, *args: Any) -> None:
        return None


def completion(text: Any, *, finish: str = "stop", usage: Any = (120, 30), model: str = "gpt-4o-mini", **fields: Any):
    """The body of an answer; without `usage` the provider does not say what was used."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": model,
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **fields}},
        ],
    }
    if usage:
        asked, answered = usage
        body["usage"] = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
    return body


cut_in_the_middle = cut_connection_after(200, b'{"id": "chatcmpl-1", "choices": [{"mess')
slow = respond_late(2.5, respond_with(200, completion("Late.")))
# A blank now and then.
drip_response = respond_in_pieces([b" "] * 12, 0.3)


@contextlib.contextmanager
def fake_provider(settings) -> Iterator[Provider]:
    """A provider on loopback that the settings name."""
    provider = Provider()
    with http_server(Handler, provider=provider) as url:
        settings.AI_URL, settings.AI_MODEL = f"{url}/v1", "gpt-4o-mini"
        settings.AI_KEY, settings.AI_PROVIDER, settings.AI_TIMEOUT = KEY, "openai", 30
        yield provider
