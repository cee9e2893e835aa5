"""panva's `oidc-provider` on loopback, and the tokens it gives to the suite's workloads."""

import json
import secrets
import ssl
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from harness.certificates import CertificateAuthority
from harness.processes import Server

AUDIENCE = "https://s3.tidegate.test"
START_SECONDS = 60
SERVER_SCRIPT = Path(__file__).parents[1] / "idp" / "server.mjs"


@dataclass(frozen=True)
class Workload:
    """A client of the identity provider: it authenticates by its own secret."""

    name: str
    groups: list[str] = field(default_factory=list)
    # In its tokens in place of the provider's own; None leaves one out.
    claims: dict[str, object] = field(default_factory=dict)
    # How long its tokens are good, and the sessions that they are traded for; an hour if nothing is said.
    lifetime: int | None = None
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)


WORKLOADS = [
    Workload("etl"),
    Workload("backup"),
    Workload("spark"),
    Workload("team-a"),
    Workload("analyst", groups=["analysts"]),
    # Its sessions end while it transfers: a token has to be good for 60 s to be traded at all.
    Workload("nightly", lifetime=75),
]


class IdentityProvider:
    """The running provider. `issuer` is its address and the `iss` of its tokens."""

    def __init__(
        self,
        node: str,
        authority: CertificateAuthority,
        directory: Path,
        workloads: list[Workload] | None = None,
    ) -> None:
        workloads = workloads or WORKLOADS
        directory.mkdir(parents=True)
        certificate = authority.issue("idp", ["127.0.0.1", "localhost"])
        settings = {
            "certificate": str(certificate.certificate),
            "key": str(certificate.key),
            "audience": AUDIENCE,
            "clients": [_registration(workload) for workload in workloads],
        }
        settings_file = directory / "settings.json"
        settings_file.write_text(json.dumps(settings))
        self._tls = ssl.create_default_context(cafile=str(authority.bundle))
        self._secrets = {workload.name: workload.secret for workload in workloads}
        self._server = Server([node, str(SERVER_SCRIPT), str(settings_file)], directory / "idp.log", {}, directory)
        self.issuer = self._server.wait_for_line(r"(?m)^issuer (\S+)$", START_SECONDS)[1]
        discovery = self._fetch_json(f"{self.issuer}/.well-known/openid-configuration")
        self.jwks_uri: str = discovery["jwks_uri"]
        self._token_endpoint: str = discovery["token_endpoint"]

    def token(self, workload: str) -> str:
        """A fresh signed access token for `workload`."""
        form = {
            "grant_type": "client_credentials",
            "client_id": workload,
            "client_secret": self._secrets[workload],
        }
        return self._fetch_json(self._token_endpoint, urllib.parse.urlencode(form).encode())["access_token"]

    def stop(self) -> None:
        self._server.stop()

    def _fetch_json(self, url: str, body: bytes | None = None) -> dict[str, str]:
        with urllib.request.urlopen(url, data=body, context=self._tls, timeout=START_SECONDS) as response:
            return json.load(response)


def _registration(workload: Workload) -> dict:
    registration = {
        "id": workload.name,
        "secret": workload.secret,
        "groups": workload.groups,
        "claims": workload.claims,
    }
    return registration if workload.lifetime is None else registration | {"lifetime": workload.lifetime}
