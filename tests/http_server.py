"""A loopback HTTP server for tests, with the faults of real servers."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Responder = Callable[[BaseHTTPRequestHandler], None]


@contextlib.contextmanager
def http_server(handler: type[BaseHTTPRequestHandler], **parts: Any) -> Iterator[str]:
    """Serve `handler` with `parts` as its attributes; yield its URL, `http://127.0.0.1:PORT`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), parts))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def respond_with(status: int, body: Any, **headers: str) -> Responder:
    """Answer with `status` and `body`, sent as JSON unless it is bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        with contextlib.suppress(OSError):
            handler.wfile.write(data)

    return answer


def cut_connection(handler: BaseHTTPRequestHandler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.close()


def cut_connection_after(status: int, beginning: bytes) -> Responder:
    """Send a status and the beginning of a body, then close the connection."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(beginning)
        handler.wfile.flush()
        cut_connection(handler)

    return answer


def respond_late(seconds: float, answer: Responder) -> Responder:
    """Give `answer` after `seconds`, if the client is still connected."""

    def wait(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        with contextlib.suppress(OSError):
            answer(handler)

    return wait


def respond_in_pieces(pieces: list[bytes], interval: float) -> Responder:
    """Answer piece by piece, so that no single read times out."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(sum(map(len, pieces))))
        handler.end_headers()
        with contextlib.suppress(OSError):
            for piece in pieces:
                handler.wfile.write(piece)
                handler.wfile.flush()
                time.sleep(interval)

    return answer
