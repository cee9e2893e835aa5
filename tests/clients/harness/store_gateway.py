"""The control run: the same clients against SeaweedFS's own endpoint, STS and roles.

It tells a client or a test that does not work from a proxy that does not. The roles say in IAM's words what
`policies/*.cedar` say in Cedar's.
"""

import base64
import secrets
from pathlib import Path

from harness.gateway import TARGET_BUCKETS, Gateway
from harness.identity_provider import AUDIENCE, IdentityProvider

LAKE = f"arn:aws:s3:::{TARGET_BUCKETS['lake']}"
VAULT = f"arn:aws:s3:::{TARGET_BUCKETS['vault']}"
LIST = ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"]
READ = ["s3:GetObject"]
WRITE = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
DELETE = ["s3:DeleteObject"]
# Workload to what it may do, as pairs of actions and resources.
GRANTS = {
    "etl": [(LIST, LAKE), (READ + WRITE, f"{LAKE}/*"), (DELETE, f"{LAKE}/tmp/*")],
    "analyst": [(LIST, LAKE), (READ, f"{LAKE}/published/*")],
    "backup": [(LIST, VAULT), (READ + WRITE, f"{VAULT}/*"), (DELETE, f"{VAULT}/restic/*/locks/*")],
    "spark": [(LIST, LAKE), (READ, f"{LAKE}/*"), (WRITE + DELETE, f"{LAKE}/warehouse/*")],
    "team-a": [
        (LIST, LAKE),
        (READ + WRITE + DELETE, f"{LAKE}/team-a/*"),
        (READ + WRITE + DELETE, f"{LAKE}/tenants/team-a/*"),
    ],
}


def store_gateway(endpoint_port: int, ca: Path) -> Gateway:
    return Gateway(
        endpoint=f"https://localhost:{endpoint_port}",
        ca=ca,
        bucket_names=TARGET_BUCKETS,
        role_arn_template="arn:aws:iam::role/{workload}",
        refusal_template="Access Denied.",
    )


def iam_config(provider: IdentityProvider) -> dict:
    """SeaweedFS's `-s3.iam.config`: it verifies the provider's tokens and gives one role to each workload of `GRANTS`."""
    return {
        "sts": {
            "tokenDuration": "1h",
            "maxSessionLength": "12h",
            "issuer": "store",
            "signingKey": base64.b64encode(secrets.token_bytes(32)).decode(),
        },
        "providers": [
            {
                "name": "idp",
                "type": "oidc",
                "enabled": True,
                "config": {"issuer": provider.issuer, "clientId": AUDIENCE, "jwksUri": provider.jwks_uri},
            }
        ],
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "roles": [_role(workload) for workload in GRANTS],
        "policies": [_policy(workload) for workload in GRANTS],
    }


def _role(workload: str) -> dict:
    return {
        "roleName": workload,
        "roleArn": f"arn:aws:iam::role/{workload}",
        "trustPolicy": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Federated": "idp"},
                    "Action": ["sts:AssumeRoleWithWebIdentity"],
                }
            ],
        },
        "attachedPolicies": [workload],
    }


def _policy(workload: str) -> dict:
    statements = [
        {"Effect": "Allow", "Action": actions, "Resource": [resource]} for actions, resource in GRANTS[workload]
    ]
    return {"name": workload, "document": {"Version": "2012-10-17", "Statement": statements}}
