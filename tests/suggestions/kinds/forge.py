"""A forge on loopback, with the faults that forges have."""

import contextlib
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.http_server import cut_connection_after, http_server, respond_in_pieces, respond_late, respond_with

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
            respond_with(404, {"message": "Not Found"})(self)
            return
        asked = parse_qs(urlsplit(self.path).query)
        matching = [
            pull
            for pull in self.forge.pulls
            if asked["head"] == [f"agency:{pull['head']}"] and asked["base"] == [pull["base"]]
        ]
        respond_with(200, [pull for pull in matching if asked["state"] == ["all"] or pull["state"] == "open"])(self)

    def do_POST(self) -> None:
        self.forge.asked.append(("POST", self.path))
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.forge.post:
            self.forge.post(self)
            return
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            respond_with(401, {"message": "Bad credentials"})(self)
            return
        twins = [pull for pull in self.forge.pulls if pull["state"] == "open" and pull["head"] == content["head"]]
        if twins:
            there = [{"message": "A pull request already exists for agency:opening-hours."}]
            respond_with(422, {"message": "Validation Failed", "errors": there})(self)
            return
        number = len(self.forge.pulls) + 1
        html_url = f"https://forge.example.com/agency/website/pulls/{number}"
        self.forge.pulls.append({**content, "number": number, "html_url": html_url, "state": "open"})
        if self.forge.post_after:
            self.forge.post_after(self)
            return
        respond_with(201, self.forge.pulls[-1])(self)

    def log_message(self, *args: Any) -> None:
        return None


# A status, and half a body.
cut_in_the_middle = cut_connection_after(201, b'{"html_url": "https://')
slow = respond_late(2, respond_with(200, {}))
# An empty list that arrives blank by blank, for longer than any client waits.
drip = respond_in_pieces([b" "] * 20 + [b"[]"], 0.1)


@contextlib.contextmanager
def running_forge(settings: Any, monkeypatch: Any) -> Iterator[Forge]:
    """A forge that the settings name."""
    forge = Forge()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http_server(Handler, forge=forge) as url:
        forge.url = settings.FORGE_URL = f"{url}/api"
        settings.FORGE_TOKEN = TOKEN
        yield forge
