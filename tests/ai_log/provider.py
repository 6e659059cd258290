"""A fake model provider on loopback, with OpenAI's chat completions and typical faults."""

import contextlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.http_server import cut_connection_after, http_server, respond_in_pieces, respond_late, respond_with

KEY = "sk-a-secret-key"
TEN_MEGABYTES = 10 * 1024 * 1024


class Provider:
    """The recorded requests, and `answer`, which handles the next request."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.answer: Any = respond_with(200, completion("A roof."))

    @property
    def sent_texts(self) -> list[str]:
        """Return the texts of all messages sent to the provider, in order."""
        return [message["content"] for request in self.requests for message in request["messages"]]


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
    """Return the body of a response; without `usage`, the provider reports no tokens."""
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
        prompt_tokens, completion_tokens = usage
        body["usage"] = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }
    return body


cut_in_the_middle = cut_connection_after(200, b'{"id": "chatcmpl-1", "choices": [{"mess')
slow = respond_late(2.5, respond_with(200, completion("Late.")))
# Sends a space from time to time, and never finishes.
drip_response = respond_in_pieces([b" "] * 12, 0.3)


@contextlib.contextmanager
def fake_provider(settings) -> Iterator[Provider]:
    """Start a provider on loopback, and point the settings to it."""
    provider = Provider()
    with http_server(Handler, provider=provider) as url:
        settings.AI_URL, settings.AI_MODEL = f"{url}/v1", "gpt-4o-mini"
        settings.AI_KEY, settings.AI_PROVIDER, settings.AI_TIMEOUT = KEY, "openai", 30
        yield provider
