"""Google Cloud's metadata server, as far as a node of Dataproc asks it: identity tokens, and the cluster's attributes.

And as far as Tidegate does: access tokens of the machine's service account.

As documented: every request needs `Metadata-Flavor: Google`, and every answer has it.
https://cloud.google.com/compute/docs/instances/verifying-instance-identity
"""

import json
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INSTANCE = "/computeMetadata/v1/instance/"
IDENTITY = f"{INSTANCE}service-accounts/default/identity"
ACCESS = f"{INSTANCE}service-accounts/default/token"
ATTRIBUTES = f"{INSTANCE}attributes/"


class MetadataServer:
    """`host` is what belongs into GCE_METADATA_HOST; `identity` gives the token for an audience.

    `access` gives access tokens, each good for `life` seconds; `asked` counts them.
    """

    def __init__(
        self,
        identity: Callable[[str], str],
        attributes: Mapping[str, str],
        access: Callable[[], str] | None = None,
        life: int = 3599,
    ) -> None:
        self.asked = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urllib.parse.urlsplit(self.path)
                audience = urllib.parse.parse_qs(url.query).get("audience", [""])[0]
                name = url.path.removeprefix(ATTRIBUTES)
                if self.headers.get("Metadata-Flavor") != "Google" or self.headers.get("X-Forwarded-For"):
                    self._answer(403, "Missing Metadata-Flavor:Google header.")
                elif url.path == IDENTITY and audience:
                    self._answer(200, identity(audience))
                elif url.path == IDENTITY:
                    self._answer(400, "non-empty audience parameter required")
                elif url.path == ACCESS and access:
                    server.asked += 1
                    token = {"access_token": access(), "expires_in": life, "token_type": "Bearer"}
                    self._answer(200, json.dumps(token), "application/json")
                elif name in attributes:
                    self._answer(200, attributes[name])
                else:
                    self._answer(404, "")

            def _answer(self, status: int, text: str, kind: str = "application/text") -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Metadata-Flavor", "Google")
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
