"""A loopback proxy that cuts connections, like a bad network."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Proxy:
    """Forwards to `target`; cuts a connection after `after` returned bytes (None: never)."""

    def __init__(self, target: int) -> None:
        self.target, self.cut_after_bytes, self.bytes_passed = target, None, 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.open: list[socket.socket] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            self.open += [near, far]
            threading.Thread(target=self.pump, args=(near, far, False), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near, True), daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket, is_response: bool) -> None:
        count = 0
        with contextlib.suppress(OSError):
            while data := source.recv(4_096):
                if is_response:
                    count += len(data)
                    self.bytes_passed += len(data)
                if is_response and self.cut_after_bytes is not None and count > self.cut_after_bytes:
                    break
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def stop(self) -> None:
        self.server.close()
        for one in self.open:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextlib.contextmanager
def cutting_proxy(target: int) -> Iterator[Proxy]:
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.stop()
