"""A line to Tidegate that carries only so many bytes a second, whatever goes through it.

Not every client can be told to be slow, and none needs to be: they all talk through one of these, and TLS does not notice.
What comes back is as fast as ever.
"""

import socket
import threading
import time

BLOCK = 16 * 1024
# Otherwise the kernel takes megabytes off the client's hands at once.
RECEIVE_BUFFER = 64 * 1024


class SlowLine:
    """Relays connections to a port of this machine; all of them share `bytes_per_second` on the way there."""

    def __init__(self, port: int, bytes_per_second: int) -> None:
        self._to = port
        self._pace = _Pace(bytes_per_second)
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port: int = self._listener.getsockname()[1]
        _background(self._accept)

    def close(self) -> None:
        """Takes no more connections; those that there are end with their client."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                client.close()
                continue
            _background(_relay, client, server, self._pace.wait)
            _background(_relay, server, client, lambda _: None)


class _Pace:
    """Makes whoever asks wait until its bytes are due."""

    def __init__(self, bytes_per_second: int) -> None:
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    def wait(self, size: int) -> None:
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self._rate
            due = self._free_at
        time.sleep(max(0.0, due - now))


def _relay(source: socket.socket, sink: socket.socket, wait) -> None:
    try:
        while block := source.recv(BLOCK):
            wait(len(block))
            sink.sendall(block)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # One side is gone: so is the line.
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def _background(run, *arguments: object) -> None:
    threading.Thread(target=run, args=arguments, daemon=True).start()
