"""Which page is tested with what, through which door."""

from collections.abc import Callable
from dataclasses import dataclass

from pages import backups, google, jobs, objects
from pages.desk import Desk

NIGHTLY = "idp:nightly"


@dataclass(frozen=True)
class Trial:
    """A client set up as its page says, and a transfer with it: everything below `prefix` in `bucket`."""

    client: str
    door: str
    transfer: Callable[[Desk], None]
    bucket: str
    prefix: str
    actor: str = NIGHTLY
    # Whether its sessions end in the middle. A service key does not, and of variables there is one session.
    refreshes: bool = True

    @property
    def name(self) -> str:
        return f"{self.client}-{self.door}"


TRIALS = [
    Trial("aws", "credential-process", objects.awscli, "lake", "awscli/"),
    Trial("aws", "web-identity", objects.boto3, "lake", "boto3/"),
    Trial("aws", "container", objects.javascript, "lake", "javascript/"),
    Trial("aws", "env", objects.awscli_with_variables, "lake", "env/", refreshes=False),
    Trial("spark", "credential-process", jobs.spark, "lake", "jobs/spark/"),
    Trial("rclone", "credential-process", objects.rclone_with_process, "lake", "rclone-process/"),
    Trial("rclone", "web-identity", objects.rclone_with_web_identity, "lake", "rclone-token/"),
    Trial("duckdb", "credential-process", jobs.duckdb, "lake", "jobs/duckdb/"),
    Trial("pyarrow", "credential-process", jobs.pyarrow, "lake", "jobs/pyarrow/"),
    Trial("terraform", "credential-process", objects.terraform_with_process, "infra", "terraform/"),
    Trial("terraform", "web-identity", objects.terraform_with_web_identity, "lake", "terraform/"),
    Trial("restic", "credential-process", backups.restic, "backups", "restic/"),
    Trial("barman", "credential-process", backups.barman, "backups", "barman/"),
    Trial("duplicity", "credential-process", backups.duplicity, "backups", "duplicity/"),
    Trial("pgbackrest", "service-key", backups.pgbackrest, "backups", "pgbackrest/", "backup:pgbackrest", False),
    Trial("s3cmd", "env", backups.s3cmd_with_variables, "backups", "s3cmd-env/", refreshes=False),
    Trial("s3cmd", "service-key", backups.s3cmd, "backups", "s3cmd/", "backup:s3cmd", False),
    Trial("gcs-python", "token-exchange", google.python, "models", "gcs-python/"),
    Trial("gcsfs", "token-exchange", google.gcsfs, "models", "gcsfs/"),
    Trial("gcloud", "token-exchange", google.gcloud, "models", "gcloud/"),
    Trial("gcs-node", "token-exchange", google.node, "models", "gcs-node/"),
    Trial("gcs-rclone", "token-exchange", google.rclone, "models", "gcs-rclone/"),
]
