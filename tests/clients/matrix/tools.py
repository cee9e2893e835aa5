"""Programs whose operations are their own: a backup and a state file, not puts and gets."""

import json

from harness.gateway import REGION
from harness.payloads import sha256_of
from harness.programs import Client
from matrix.cell import Cell

TERRAFORM = """\
terraform {{
  backend "s3" {{
    bucket           = "{bucket}"
    key              = "{key}"
    region           = "{region}"
    use_path_style   = true
    use_lockfile     = true
    custom_ca_bundle = "{ca}"
    endpoints        = {{ s3 = "{endpoint}", sts = "{endpoint}" }}
    # What only Amazon answers.
    skip_credentials_validation = true
    skip_metadata_api_check     = true
    skip_region_validation      = true
    skip_requesting_account_id  = true
    max_retries                 = 1
  }}
}}
resource "terraform_data" "proof" {{
  input = "kept"
}}
"""


class Restic:
    """restic: a repository in the bucket, with session keys."""

    STEPS = ["init", "back up", "check", "restore", "forget"]

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        environment = cell.environment | {
            "RESTIC_REPOSITORY": f"s3:{cell.endpoint}/{cell.bucket}/{cell.prefix}repository",
            "RESTIC_PASSWORD": "of the repository",
            "RESTIC_CACHE_DIR": str(cell.home / "cache"),
        }
        options = ["--cacert", cell.ca, "--option", f"s3.region={REGION}"]
        self._restic = Client("restic", cell.home, environment, options)

    def operations(self) -> list[str]:
        return self.STEPS

    def perform(self, step: str) -> None:
        source = [self._cell.files.small.path, self._cell.files.large.path]
        match step:
            case "init":
                self._restic.succeeds("init")
            case "back up":
                self._restic.succeeds("backup", *source)
            case "check":
                self._restic.succeeds("check", "--read-data")
            case "restore":
                target = self._cell.home / "restored"
                self._restic.succeeds("restore", "latest", "--target", target)
                back = [sha256_of(target / path.relative_to("/")) for path in source]
                assert back == [self._cell.files.small.sha256, self._cell.files.large.sha256]
            case "forget":
                self._restic.succeeds("forget", "latest", "--prune")


class Terraform:
    """Terraform's S3 backend: a state file, and a lock that two runs cannot both hold."""

    STEPS = ["init", "apply", "refuse a second lock", "read the state", "destroy"]

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._key = cell.key("terraform.tfstate")
        backend = TERRAFORM.format(bucket=cell.bucket, key=self._key, region=REGION, ca=cell.ca, endpoint=cell.endpoint)
        (cell.home / "main.tf").write_text(backend)
        own = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
        self._terraform = Client("terraform", cell.home, cell.web_identity | own)

    def operations(self) -> list[str]:
        return self.STEPS

    def perform(self, step: str) -> None:
        match step:
            case "init":
                self._terraform.succeeds("init", "-input=false", "-no-color")
            case "apply":
                self._terraform.succeeds("apply", "-auto-approve", "-input=false", "-no-color")
            case "refuse a second lock":
                self._cell.view.put(f"{self._key}.tflock", b'{"ID":"another run"}')
                refused = self._terraform.fails("apply", "-auto-approve", "-input=false", "-no-color")
                assert "PreconditionFailed" in refused.text, refused.text
                self._cell.view.delete(f"{self._key}.tflock")
            case "read the state":
                state = json.loads(self._terraform.succeeds("state", "pull").output)
                assert state["resources"][0]["instances"][0]["attributes"]["input"]["value"] == "kept"
            case "destroy":
                self._terraform.succeeds("destroy", "-auto-approve", "-input=false", "-no-color")
