"""A cloud that trusts Tidegate: SeaweedFS with a token service that fetches Tidegate's keys to verify its tokens.

There are several roles, each for the tokens of one target. Only the trust of the first one fits.
"""

import base64
import secrets
from dataclasses import dataclass
from pathlib import Path

from harness.certificates import CertificateAuthority
from harness.gateway import TARGET_BUCKETS
from harness.processes import free_ports
from harness.store import Store
from harness.tidegate import BUCKET, Served

# One of Tidegate's domains. Its documents are fetched by another name of the same host.
ISSUER = "https://s3.tidegate.test"
AUDIENCE = "sts.amazonaws.com"
STORED = TARGET_BUCKETS["lake"]
TARGET = """
[targets.{name}]
kind       = "s3"
endpoint   = "{endpoint}"
region     = "us-east-1"
addressing = "path"
ca         = "{ca}"
[targets.{name}.credentials]
kind         = "aws-web-identity"
role_arn     = "{role_arn}"
sts_endpoint = "{endpoint}"
sts_ca       = "{ca}"
"""
OWN_ISSUER = f"""
[issuer]
url  = "{ISSUER}"
keys = "secrets/issuer-keys.toml"
"""


@dataclass(frozen=True)
class Trust:
    """Whose tokens a role is given for."""

    audience: str = AUDIENCE
    subject: str = "target/trusted"


# By target. `per-principal` has the callers' own tokens.
TRUSTS = {
    "trusted": Trust(),
    "per-principal": Trust(subject="idp:etl"),
    "other-audience": Trust(audience="somebody-else", subject="target/other-audience"),
    "other-subject": Trust(subject="target/another"),
}


class Cloud:
    """The store, with the port that Tidegate must listen on for it."""

    def __init__(self, weed: str, authority: CertificateAuthority, directory: Path, reachable: bool = True) -> None:
        self.port, elsewhere = free_ports(2)
        config = _iam_config(self.port if reachable else elsewhere)
        self.store = Store(weed, authority, directory, [STORED], config, f"cloud-{self.port}")
        self._authority = authority

    def served(self) -> Served:
        """A bucket for each role, all of them the same one."""
        tables = [OWN_ISSUER]
        for name in TRUSTS:
            tables.append(
                TARGET.format(
                    name=name, endpoint=self.store.endpoint, role_arn=role_arn(name), ca=self._authority.bundle
                )
            )
            if name == "per-principal":
                tables.append('attribution = "per-principal"\n')
            tables.append(BUCKET.format(name=name, target=name, bucket=STORED, policy="lake"))
        return Served("".join(tables), list(TRUSTS), {}, self.port, is_issuer=True)

    def stop(self) -> None:
        self.store.stop()


def role_arn(name: str) -> str:
    return f"arn:aws:iam::000000000000:role/tidegate-{name}"


def _iam_config(port: int) -> dict:
    return {
        "sts": {
            "tokenDuration": "1h",
            "maxSessionLength": "12h",
            "issuer": "cloud",
            "signingKey": base64.b64encode(secrets.token_bytes(32)).decode(),
        },
        "providers": [
            {
                "name": "tidegate",
                "type": "oidc",
                "enabled": True,
                "config": {
                    "issuer": ISSUER,
                    "clientId": AUDIENCE,
                    "jwksUri": f"https://localhost:{port}/.well-known/jwks.json",
                },
            }
        ],
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "roles": [_role(name, trust) for name, trust in TRUSTS.items()],
        "policies": [
            {
                "name": "lake",
                "document": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
                            "Resource": [f"arn:aws:s3:::{STORED}", f"arn:aws:s3:::{STORED}/*"],
                        }
                    ],
                },
            }
        ],
    }


def _role(name: str, trust: Trust) -> dict:
    return {
        "roleName": f"tidegate-{name}",
        "roleArn": role_arn(name),
        "trustPolicy": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Federated": "tidegate"},
                    "Action": ["sts:AssumeRoleWithWebIdentity"],
                    "Condition": {"StringEquals": {"oidc:aud": trust.audience, "oidc:sub": trust.subject}},
                }
            ],
        },
        "attachedPolicies": ["lake"],
    }
