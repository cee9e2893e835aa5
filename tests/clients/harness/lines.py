"""Lines to Tidegate that are worse than loopback: one that breaks, one that is slow.

Not every client can be told to be slow or to break off, and none needs to be: they all talk through one of these, and TLS does
not notice. What comes back is as fast as ever.
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable

BLOCK = 16 * 1024
# Otherwise the kernel takes megabytes off the client's hands at once.
RECEIVE_BUFFER = 64 * 1024
RESET = struct.pack("ii", 1, 0)


class _Line:
    """Relays connections to a port of this machine. What ends with an error is reset: nobody is told that it ended."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(64)
        self.port: int = self._listener.getsockname()[1]
        _background(self._accept)

    def close(self) -> None:
        """Takes no more connections; those that there are end with their client."""
        self._listener.close()

    def _carry(self, size: int) -> None:
        """Called before so many bytes go on to Tidegate."""
        raise NotImplementedError

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
            _background(_relay, client, server, self._carry)
            _background(_relay, server, client, lambda _: None)


class BrokenLine(_Line):
    """Breaks once, when `after` bytes have gone to Tidegate in all, and is whole ever after."""

    def __init__(self, port: int, after: int) -> None:
        self._left = after
        self._lock = threading.Lock()
        self.broken = False
        super().__init__(port)

    def _carry(self, size: int) -> None:
        with self._lock:
            self._left -= size
            if self._left < 0 and not self.broken:
                self.broken = True
                raise ConnectionResetError


class SlowLine(_Line):
    """All connections share `bytes_per_second` on the way to Tidegate."""

    def __init__(self, port: int, bytes_per_second: int) -> None:
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = time.monotonic()
        super().__init__(port)

    def _carry(self, size: int) -> None:
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now) + size / self._rate
            due = self._free_at
        time.sleep(max(0.0, due - now))


def _relay(source: socket.socket, sink: socket.socket, carry: Callable[[int], None]) -> None:
    try:
        while block := source.recv(BLOCK):
            carry(len(block))
            sink.sendall(block)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                # Wakes the thread of the other direction, which then closes with the reset.
                end.shutdown(socket.SHUT_RD)
                end.close()


def _background(run: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=run, args=arguments, daemon=True).start()
