"""The outside world of the storm: a mail server and a forge that write down what they took, before they say so.

`python -m bench.sinks FOLDER` prints the two ports as JSON and serves until it is killed.
"""

import json
import os
import re
import socket
import sys
import threading
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import Envelope, Session

PULLS_PATH = re.compile(r"/repos/([^/]+/[^/]+)/pulls")


class AppendOnlyFile:
    """Lines that are on the disk before anybody is told of them."""

    def __init__(self, path: Path) -> None:
        self.file, self.lock = path.open("a"), threading.Lock()

    def write(self, line: str) -> None:
        with self.lock:
            self.file.write(line + "\n")
            self.file.flush()
            os.fsync(self.file.fileno())


class MailSink:
    """Takes every mail and writes down its Message-ID."""

    def __init__(self, log: AppendOnlyFile) -> None:
        self.log = log

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        self.log.write(message_from_bytes(envelope.content)["Message-ID"])
        return "250 taken"


class ForgeHandler(BaseHTTPRequestHandler):
    """Opens one pull request for each pair of branches, as forges do."""

    log: AppendOnlyFile
    pull_requests: dict[tuple[str, str, str], dict[str, Any]] = {}
    lock = threading.Lock()

    def do_POST(self) -> None:
        payload = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        repository = PULLS_PATH.fullmatch(urlsplit(self.path).path)[1]
        with self.lock:
            key = (repository, payload["head"], payload["base"])
            if key in self.pull_requests:
                self.answer(422, {"message": "A pull request already exists."})
                return
            number = len(self.pull_requests) + 1
            url = f"http://forge.example/{repository}/pull/{number}"
            self.pull_requests[key] = {**payload, "number": number, "html_url": url, "state": "open"}
            self.log.write(f"{repository} {payload['head']}")
        self.answer(201, self.pull_requests[key])

    def do_GET(self) -> None:
        split = urlsplit(self.path)
        repository, query = PULLS_PATH.fullmatch(split.path)[1], parse_qs(split.query)
        head = query.get("head", [""])[0].split(":")[-1]
        with self.lock:
            found = [
                row for (repo, branch, _), row in self.pull_requests.items() if repo == repository and branch == head
            ]
        self.answer(200, found)

    def answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        """The figures are in the book."""


def free_port() -> int:
    """One that nobody listens on; the controller wants to be told."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def main(folder: Path) -> None:
    port = free_port()
    mail = Controller(MailSink(AppendOnlyFile(folder / "mails")), hostname="127.0.0.1", port=port)
    mail.start()
    ForgeHandler.log = AppendOnlyFile(folder / "pulls")
    forge = ThreadingHTTPServer(("127.0.0.1", 0), ForgeHandler)
    sys.stdout.write(json.dumps({"mail": port, "forge": forge.server_address[1]}) + "\n")
    sys.stdout.flush()
    forge.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
