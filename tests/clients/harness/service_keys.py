"""Service keys, made with the command line as an operator makes them."""

import json
from dataclasses import dataclass, field

from harness.gateway import REGION, Gateway, Secrets
from harness.processes import poll
from harness.tidegate import Tidegate

# A running Tidegate looks at its files twice a second, and waits until two looks find the same.
RELOAD_SECONDS = 10


@dataclass(frozen=True)
class ServiceKey:
    """The two strings that a tool is given."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    def environment(self, gateway: Gateway) -> dict[str, str]:
        """For clients that read the variables of the AWS SDKs: no session token among them."""
        return {
            "AWS_ENDPOINT_URL_S3": gateway.endpoint,
            "AWS_CA_BUNDLE": str(gateway.ca),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }


def create(tidegate: Tidegate, secrets: Secrets, principal: str, bucket: str, *more: str) -> ServiceKey:
    """A new key, as soon as Tidegate takes it."""
    return _taken(
        tidegate,
        secrets,
        tidegate.run("service-keys", "create", "--json", "--principal", principal, "--bucket", bucket, *more),
    )


def rotate(tidegate: Tidegate, secrets: Secrets, key: ServiceKey) -> ServiceKey:
    """Its successor, as soon as Tidegate takes it."""
    return _taken(tidegate, secrets, tidegate.run("service-keys", "rotate", key.access_key_id, "--json"))


def revoke(tidegate: Tidegate, key: ServiceKey) -> None:
    """Ends it, and waits until Tidegate knows."""
    tidegate.run("service-keys", "revoke", key.access_key_id)
    poll(lambda: tidegate.metric(_metric(key)) is None, RELOAD_SECONDS, "the end of a key")


def _taken(tidegate: Tidegate, secrets: Secrets, printed: str) -> ServiceKey:
    shown = json.loads(printed)
    key = ServiceKey(shown["access_key_id"], shown["secret_access_key"])
    secrets.add(f"the service key {key.access_key_id}", key.secret_access_key)
    poll(lambda: tidegate.metric(_metric(key)), RELOAD_SECONDS, "a new key")
    return key


def _metric(key: ServiceKey) -> str:
    return f'tidegate_service_key_expiry_seconds{{id="{key.access_key_id}"}}'
