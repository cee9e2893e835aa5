"""Clients that put and get objects, and keep a state file."""

import re
from pathlib import Path

from harness.payloads import random_file, sha256_of
from pages.desk import SESSION_SECONDS, SIZE, Desk

JAVASCRIPT = Path(__file__).parents[1] / "drivers" / "page.mjs"
BOTO3 = """
import boto3
boto3.client("s3").upload_file("large.bin", "lake", "boto3/large.bin")
boto3.client("s3").download_file("lake", "boto3/large.bin", "back.bin")
"""
# Longer than a session: the state is written by another one than that which took the lock.
TERRAFORM = f"""
resource "terraform_data" "slow" {{
  provisioner "local-exec" {{
    command = "sleep {SESSION_SECONDS + 10}"
  }}
}}
"""


def awscli(desk: Desk) -> None:
    snippet = desk.snippet_with_token("aws")
    transfer(desk, snippet, "aws s3 cp large.bin s3://lake/awscli/large.bin", "aws s3 cp s3://lake/awscli/large.bin back.bin")


def awscli_with_variables(desk: Desk) -> None:
    snippet = desk.snippet_with_token("aws", "--door", "env")
    transfer(desk, snippet, "aws s3 cp large.bin s3://lake/env/large.bin", "aws s3 cp s3://lake/env/large.bin back.bin")


def boto3(desk: Desk) -> None:
    snippet = desk.snippet_with_token("aws", "--door", "web-identity")
    transfer(desk, snippet, f"python3 - <<'PYTHON'{BOTO3}PYTHON")


def javascript(desk: Desk) -> None:
    # boto3 takes no private authority at this door.
    snippet = desk.snippet_with_token("aws", "--door", "container")
    transfer(desk, snippet, f"node {JAVASCRIPT} large.bin lake javascript/large.bin back.bin")


def rclone_with_process(desk: Desk) -> None:
    rclone(desk, "credential-process", "rclone-process")


def rclone_with_web_identity(desk: Desk) -> None:
    rclone(desk, "web-identity", "rclone-token")


def rclone(desk: Desk, door: str, folder: str) -> None:
    snippet = desk.snippet_with_token("rclone", "--door", door)
    there = f"tidegate:lake/{folder}/large.bin"
    # One part after the other, as over a slow line it is on the default settings with a larger file.
    options = "--s3-upload-concurrency 1 --s3-chunk-size 5Mi --s3-upload-cutoff 5Mi"
    transfer(desk, snippet, f"rclone copyto {options} large.bin {there}", f"rclone copyto {there} back.bin")


def transfer(desk: Desk, *script: str) -> None:
    """Carries `large.bin` there and comes back with it."""
    file = random_file(desk.home / "large.bin", SIZE)
    desk.run(*script)
    assert sha256_of(desk.home / "back.bin") == file.sha256


def terraform_with_process(desk: Desk) -> None:
    profile, backend = desk.snippet_with_token("terraform").split("# backend.tf\n")
    terraform(desk, profile, backend)


def terraform_with_web_identity(desk: Desk) -> None:
    terraform(desk, "", desk.snippet_with_token("terraform", "--door", "web-identity", "--bucket", "lake"))


def terraform(desk: Desk, profile: str, backend: str) -> None:
    (desk.home / "backend.tf").write_text(backend)
    (desk.home / "main.tf").write_text(TERRAFORM)
    own = {"CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"}
    finished = desk.run(
        profile,
        "terraform init -input=false -no-color",
        "terraform apply -auto-approve -input=false -no-color",
        "terraform state list",
        **own,
    )
    assert re.search(r"(?m)^terraform_data\.slow$", finished.output), finished.text
