"""The outside systems of the storm: a mail server and a forge that log each request before they confirm it.

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
    """Lines that are on disk before they are confirmed."""

    def __init__(self, path: Path) -> None:
        self.file, self.lock = path.open("a"), threading.Lock()

    def write(self, line: str) -> None:
        with self.lock:
            self.file.write(line + "\n")
            self.file.flush()
            os.fsync(self.file.fileno())


class MailSink:
    """Accepts every email and logs its Message-ID."""

    def __init__(self, log: AppendOnlyFile) -> None:
        self.log = log

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        self.log.write(message_from_bytes(envelope.content)["Message-ID"])
        return "250 taken"


class ForgeHandler(BaseHTTPRequestHandler):
    """Opens one pull request for each pair of branches, like a forge."""

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
        """Log nothing; the file has the figures."""


def free_port() -> int:
    """Return a free port; the controller needs a number."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def main(folder: Path) -> None:
    port = free_port()
    mail = Controller(MailSink(AppendOnlyFile(folder / "emails")), hostname="127.0.0.1", port=port)
    mail.start()
    ForgeHandler.log = AppendOnlyFile(folder / "pulls")
    forge = ThreadingHTTPServer(("127.0.0.1", 0), ForgeHandler)
    sys.stdout.write(json.dumps({"mail": port, "forge": forge.server_address[1]}) + "\n")
    sys.stdout.flush()
    forge.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
