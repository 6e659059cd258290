"""A provider of models on loopback, by OpenAI's chat completions, with the faults that providers have."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-a-key-that-nobody-sees"
LONG = 10 * 1024 * 1024


class Provider:
    """What it was asked, and `answer`: what it does with the next question."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.answer: Any = say(200, completion("A roof."))

    @property
    def words(self) -> list[str]:
        """Everything that was said to it, in order."""
        return [message["content"] for asked in self.asked for message in asked["messages"]]


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_POST(self) -> None:
        self.provider.keys.append(self.headers["Authorization"])
        self.provider.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        if self.path != "/v1/chat/completions":
            say(404, {"error": {"message": "no such address"}})(self)
            return
        self.provider.answer(self)

    def log_message(self, *args: Any) -> None:
        return None


def completion(text: Any, *, finish: str = "stop", usage: Any = (120, 30), model: str = "gpt-4o-mini", **said: Any):
    """The body of an answer; without `usage` the provider does not say what was used."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": model,
        "choices": [
            {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **said}},
        ],
    }
    if usage:
        asked, answered = usage
        body["usage"] = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
    return body


def say(status: int, body: Any, **headers: str) -> Any:
    """An answer; `body` is sent as JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        with contextlib.suppress(OSError):
            handler.wfile.write(data)

    return answer


def cut(handler: Handler) -> None:
    """The connection ends without an answer."""
    handler.close_connection = True
    handler.connection.close()


def cut_in_the_middle(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"id": "chatcmpl-1", "choices": [{"mess')
    handler.wfile.flush()
    cut(handler)


def slow(handler: Handler) -> None:
    time.sleep(2.5)
    with contextlib.suppress(OSError):
        say(200, completion("Late."))(handler)


def dripping(handler: Handler) -> None:
    """An answer of which a blank arrives now and then, so that no single read ever takes too long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    with contextlib.suppress(OSError):
        for _ in range(12):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.3)


@contextlib.contextmanager
def provider_of_models(settings) -> Iterator[Provider]:
    """A provider on loopback that the settings name."""
    provider = Provider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"provider": provider}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    settings.AI_URL, settings.AI_MODEL = f"http://127.0.0.1:{server.server_port}/v1", "gpt-4o-mini"
    settings.AI_KEY, settings.AI_PROVIDER, settings.AI_TIMEOUT = KEY, "openai", 30
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
