"""A forge on loopback, with the faults that forges have."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "a-token-that-nobody-sees"
LONG = 10 * 1024 * 1024


class Forge:
    """Its pull requests, what it was asked, and what is to go wrong next.

    `post` and `get` are each None or a function that gets the handler and answers in place of the forge; `post_after`
    opens the pull request first and then answers wrongly.
    """

    def __init__(self) -> None:
        self.pulls: list[dict[str, Any]] = []
        self.asked: list[tuple[str, str]] = []
        self.post = self.get = self.post_after = None
        self.url = ""

    def posts(self) -> int:
        return sum(method == "POST" for method, _ in self.asked)


class Handler(BaseHTTPRequestHandler):
    forge: Forge

    def do_GET(self) -> None:
        self.forge.asked.append(("GET", self.path))
        if self.forge.get:
            self.forge.get(self)
            return
        if not self.path.startswith("/api/repos/agency/website/pulls?"):
            say(404, {"message": "Not Found"})(self)
            return
        asked = parse_qs(urlsplit(self.path).query)
        matching = [
            pull
            for pull in self.forge.pulls
            if asked["head"] == [f"agency:{pull['head']}"] and asked["base"] == [pull["base"]]
        ]
        say(200, [pull for pull in matching if asked["state"] == ["all"] or pull["state"] == "open"])(self)

    def do_POST(self) -> None:
        self.forge.asked.append(("POST", self.path))
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.forge.post:
            self.forge.post(self)
            return
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            say(401, {"message": "Bad credentials"})(self)
            return
        twins = [pull for pull in self.forge.pulls if pull["state"] == "open" and pull["head"] == content["head"]]
        if twins:
            there = [{"message": "A pull request already exists for agency:opening-hours."}]
            say(422, {"message": "Validation Failed", "errors": there})(self)
            return
        number = len(self.forge.pulls) + 1
        html_url = f"https://forge.example.com/agency/website/pulls/{number}"
        self.forge.pulls.append({**content, "number": number, "html_url": html_url, "state": "open"})
        if self.forge.post_after:
            self.forge.post_after(self)
            return
        say(201, self.forge.pulls[-1])(self)

    def log_message(self, *args: Any) -> None:
        return None


def say(status: int, body: Any, **headers: str) -> Any:
    """An answer; `body` is sent as JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: Handler) -> None:
        handler.send_response(status)
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
    """A status, and half a body."""
    handler.send_response(201)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"html_url": "https://')
    handler.wfile.flush()
    cut(handler)


def slow(handler: Handler) -> None:
    time.sleep(2)
    with contextlib.suppress(OSError):
        say(200, {})(handler)


def dripping(handler: Handler) -> None:
    """An empty list, of which a blank arrives now and then for longer than anybody waits."""
    handler.send_response(200)
    handler.send_header("Content-Length", "22")
    handler.end_headers()
    with contextlib.suppress(OSError):
        for piece in [b" "] * 20 + [b"[]"]:
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.1)


@contextlib.contextmanager
def running_forge(settings: Any, monkeypatch: Any) -> Iterator[Forge]:
    """A forge that the settings name."""
    forge = Forge()
    handler = type("Handler", (Handler,), {"forge": forge})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    forge.url = settings.FORGE_URL = f"http://127.0.0.1:{server.server_port}/api"
    settings.FORGE_TOKEN = TOKEN
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
