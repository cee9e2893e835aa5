"""A line to Tidegate that breaks once, in the middle of what goes through it, and is whole ever after.

What it breaks off it resets, as a network does that went away: neither side is told that anything has ended.
"""

import contextlib
import socket
import struct
import threading

BLOCK = 64 * 1024
RESET = struct.pack("ii", 1, 0)


class BrokenLine:
    """Relays connections to a port of this machine until `after` bytes have gone there in all; then resets one of them."""

    def __init__(self, port: int, after: int) -> None:
        self._to = port
        self._left = after
        self._lock = threading.Lock()
        self.broken = False
        self._listener = socket.create_server(("127.0.0.1", 0))
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
            _background(self._relay, client, server, self._breaks)
            _background(self._relay, server, client, lambda _: False)

    def _breaks(self, size: int) -> bool:
        """Whether these bytes are those at which the line breaks."""
        with self._lock:
            self._left -= size
            breaks = self._left < 0 and not self.broken
            self.broken = self.broken or breaks
            return breaks

    def _relay(self, source: socket.socket, sink: socket.socket, breaks) -> None:
        try:
            while block := source.recv(BLOCK):
                if breaks(len(block)):
                    raise ConnectionResetError
                sink.sendall(block)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for end in (source, sink):
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                    # Wakes the thread of the other direction, which then closes with the reset.
                    end.shutdown(socket.SHUT_RD)
                    end.close()


def _background(run, *arguments: object) -> None:
    threading.Thread(target=run, args=arguments, daemon=True).start()
