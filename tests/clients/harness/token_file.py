"""A file with an identity token that is always fresh, as a kubelet or an agent on the machine keeps one."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

# Far below the lifetime of any token of the suite: a session takes what is left of it, and needs 60 s.
RENEWED_EVERY_SECONDS = 3


class KeptToken:
    """`path` has a token of `fetch` that is never older than a few seconds. It is replaced and never half written."""

    def __init__(self, path: Path, fetch: Callable[[], str]) -> None:
        self.path = path
        self._fetch = fetch
        self._stopped = threading.Event()
        self._renew()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._stopped.wait(RENEWED_EVERY_SECONDS):
            try:
                self._renew()
            except OSError:
                # The provider is busy; the token of before is good for a while.
                continue

    def _renew(self) -> None:
        partial = self.path.with_suffix(".new")
        partial.write_text(self._fetch())
        os.replace(partial, self.path)
