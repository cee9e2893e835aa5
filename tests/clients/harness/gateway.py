"""Where clients point: at Tidegate, or for a control run at the store itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

# Made up on purpose: for names of real regions boto3 falls back to SigV2 when it presigns.
REGION = "gateway"
# What callers call a bucket, and its name at the store.
TARGET_BUCKETS = {"lake": "acme-lake-prod", "vault": "acme-vault-prod"}
# The same for the Tidegate of the pages.
PAGE_BUCKETS = {"lake": "acme-pages-lake", "backups": "acme-pages-backups", "infra": "acme-pages-infra"}


def host_names(buckets: Iterable[str]) -> list[str]:
    """The names a certificate needs for `localhost` in both addressing styles.

    OpenSSL does not match a wildcard right under a top-level name, so `*.localhost` would not do.
    """
    return ["localhost", "127.0.0.1", *(f"{bucket}.localhost" for bucket in buckets)]


@dataclass(frozen=True)
class Gateway:
    """An S3 and STS endpoint, and how it names buckets and roles and words its refusals."""

    endpoint: str
    ca: Path
    # How this endpoint names the buckets of `TARGET_BUCKETS`.
    bucket_names: dict[str, str]
    role_arn_template: str
    refusal_template: str

    def bucket(self, name: str) -> str:
        return self.bucket_names[name]

    def role_arn(self, workload: str) -> str:
        return self.role_arn_template.format(workload=workload)

    def refusal(self, workload: str, action: str, resource: str) -> str:
        """What a caller is told, with the code AccessDenied, when no policy allows `action` on `resource`."""
        return self.refusal_template.format(workload=workload, action=action, resource=resource)


@dataclass
class Secrets:
    """Every secret of the run, each with what it is: none may be found in a log or audit record."""

    values: dict[str, str] = field(default_factory=dict, repr=False)

    def add(self, what: str, value: str) -> None:
        self.values[value] = what

    def found_in(self, text: str) -> list[str]:
        return sorted({what for value, what in self.values.items() if value in text})
