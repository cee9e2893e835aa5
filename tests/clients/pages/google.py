"""Clients that speak Google's protocols, and trade a token in a file for sessions."""

from pathlib import Path

from pages.desk import Desk
from pages.objects import transfer

MODULES = Path(__file__).parents[1] / "drivers" / "node_modules"
PYTHON = """
from google.cloud import storage
client = storage.Client(client_options={{"api_endpoint": "{endpoint}"}})
blob = client.bucket("models").blob("gcs-python/large.bin", chunk_size=5 << 20)
blob.upload_from_filename("large.bin")
blob.download_to_filename("back.bin")
"""
# In chunks, as larger files are by default.
GCSFS = """
import fsspec
files = fsspec.filesystem("gs")
files.put_file("large.bin", "models/gcsfs/large.bin", chunksize=5 << 20)
files.get_file("models/gcsfs/large.bin", "back.bin")
"""
NODE = """
import { storage } from './tidegate.mjs';
const bucket = storage.bucket('models');
await bucket.upload('large.bin', { destination: 'gcs-node/large.bin', chunkSize: 5 << 20 });
await bucket.file('gcs-node/large.bin').download({ destination: 'back.bin' });
"""


def python(desk: Desk) -> None:
    script = PYTHON.format(endpoint=desk.endpoint)
    transfer(desk, desk.snippet_with_token("gcs-python"), f"python3 - <<'PYTHON'{script}PYTHON")


def gcsfs(desk: Desk) -> None:
    transfer(desk, desk.snippet_with_token("gcsfs"), f"python3 - <<'PYTHON'{GCSFS}PYTHON")


def gcloud(desk: Desk) -> None:
    there = "gs://models/gcloud/large.bin"
    copies = [f"gcloud storage cp large.bin {there}", f"gcloud storage cp {there} back.bin"]
    transfer(desk, desk.snippet_with_token("gcloud"), *copies)


def node(desk: Desk) -> None:
    (desk.home / "node_modules").symlink_to(MODULES)
    (desk.home / "carry.mjs").write_text(NODE)
    transfer(desk, desk.snippet_with_token("gcs-node"), "node carry.mjs")


def rclone(desk: Desk) -> None:
    there = "tidegate:models/gcs-rclone/large.bin"
    copies = [f"rclone copyto large.bin {there}", f"rclone copyto {there} back.bin"]
    transfer(desk, desk.snippet_with_token("gcs-rclone"), *copies)
