"""Backups: made, and restored."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from harness.payloads import random_file, sha256_of, small_file
from harness.postgres import Postgres
from pages.desk import SIZE, Desk

TABLE = "CREATE TABLE kept AS SELECT i, md5(i::text) AS hash FROM generate_series(1, 50000) i"
CHECKSUM = "SELECT count(*), sum(hashtext(hash)) FROM kept"


def restic(desk: Desk) -> None:
    source = desk.home / "source"
    source.mkdir()
    files = [small_file(source), random_file(source / "large.bin", SIZE)]
    desk.run(
        desk.snippet_with_token("restic"),
        "restic backup source",
        "restic check --read-data",
        "restic restore latest --target restored",
        RESTIC_PASSWORD="of the repository",
    )
    for file in files:
        assert sha256_of(next((desk.home / "restored").rglob(file.path.name))) == file.sha256


def duplicity(desk: Desk) -> None:
    source = desk.home / "source"
    source.mkdir()
    file = random_file(source / "large.bin", SIZE)
    there = "boto3+s3://backups/duplicity"
    # Its agent's sockets do not fit into the path of a home.
    with TemporaryDirectory(prefix="gnupg-") as gnupg:
        desk.run(
            # GnuPG leaves an agent behind, which nobody else ends.
            "trap 'gpgconf --kill gpg-agent' EXIT",
            desk.snippet_with_token("duplicity"),
            f"duplicity full --volsize 4 $S3 source {there}",
            f"duplicity restore $S3 {there} restored",
            PASSPHRASE="of the archive",
            GNUPGHOME=gnupg,
        )
    assert sha256_of(desk.home / "restored" / "large.bin") == file.sha256


def s3cmd(desk: Desk) -> None:
    configuration = desk.home / ".s3cfg"
    configuration.touch(mode=0o600)
    configuration.write_text(desk.snippet_with_key("s3cmd"))
    file = random_file(desk.home / "large.bin", SIZE)
    there = "s3://backups/s3cmd/large.bin"
    desk.run(f"s3cmd --no-progress put large.bin {there}", f"s3cmd --no-progress get {there} back.bin")
    assert sha256_of(desk.home / "back.bin") == file.sha256


def s3cmd_with_variables(desk: Desk) -> None:
    snippet = desk.snippet_with_token("s3cmd", "--door", "env")
    command = re.search(r"(?m)^(.* -- s3cmd) ls .*$", snippet)[1]
    file = random_file(desk.home / "large.bin", SIZE)
    there = "s3://backups/s3cmd-env/large.bin"
    desk.run(snippet, f"{command} --no-progress put large.bin {there}", f"{command} --no-progress get {there} back.bin")
    assert sha256_of(desk.home / "back.bin") == file.sha256


def barman(desk: Desk) -> None:
    with cluster(desk) as (postgres, desk):
        profile, commands = desk.snippet_with_token("barman").split("# Then, ")
        archive_command = re.search(r"archive_command = '(.*)'", commands)[1]
        backup = re.search(r"(?m)^barman-cloud-backup .*$", commands)[0]
        options = re.search(r"--endpoint-url \S+ --profile \S+ s3://\S+ main", backup)[0]
        desk.run(profile, user=postgres.user)
        # What PostgreSQL starts has its environment.
        postgres.start(archive_mode="on", archive_command=f"HOME={desk.home} {archive_command}")
        postgres.query(TABLE)
        wanted = postgres.query(CHECKSUM)
        connection = {"PGHOST": str(postgres.home), "PGUSER": "postgres"}
        desk.run(backup.replace(" s3:", " --immediate-checkpoint s3:"), user=postgres.user, **connection)
        postgres.lose()
        restored = desk.run(
            f"barman-cloud-backup-list --format json {options}",
            f"barman-cloud-restore {options} $(barman-cloud-backup-list --format json {options} | "
            f"python3 -c 'import json, sys; print(json.load(sys.stdin)[\"backups_list\"][0][\"backup_id\"])') {postgres.data}",
            f"chmod 0700 {postgres.data}",
            f"touch {postgres.data}/recovery.signal",
            user=postgres.user,
        )
        assert "backup_id" in restored.output
        fetch = f"HOME={desk.home} barman-cloud-wal-restore {options} %f %p"
        postgres.start(restore_command=fetch, recovery_target="immediate", recovery_target_action="promote")
        assert postgres.query(CHECKSUM) == wanted


def pgbackrest(desk: Desk) -> None:
    with cluster(desk) as (postgres, desk):
        configuration = desk.home / "pgbackrest.conf"
        configuration.write_text(desk.snippet_with_key("pgbackrest"))
        own = {
            "PGBACKREST_CONFIG": str(configuration),
            "PGBACKREST_LOCK_PATH": str(desk.home / "lock"),
            "PGBACKREST_LOG_LEVEL_FILE": "off",
            "PGBACKREST_PG1_PATH": str(postgres.data),
            "PGBACKREST_PG1_SOCKET_PATH": str(postgres.home),
            "PGBACKREST_PG1_USER": "postgres",
            "PGBACKREST_STANZA": "main",
        }
        settings = " ".join(f"{name}={value}" for name, value in own.items())
        postgres.start(archive_mode="on", archive_command=f"{settings} pgbackrest archive-push %p")
        postgres.query(TABLE)
        wanted = postgres.query(CHECKSUM)
        desk.run("pgbackrest stanza-create", "pgbackrest backup --type=full --start-fast", user=postgres.user, **own)
        postgres.lose()
        desk.run(f"mkdir -m 0700 {postgres.data}", "pgbackrest restore --type=immediate --target-action=promote", user=postgres.user, **own)
        # Restoring writes the command that fetches the log; ours would replace it.
        recovery = re.search(r"restore_command = '(.*)'", (postgres.data / "postgresql.auto.conf").read_text())[1]
        postgres.start(
            restore_command=f"{settings} {recovery}", recovery_target="immediate", recovery_target_action="promote"
        )
        assert postgres.query(CHECKSUM) == wanted


@contextmanager
def cluster(desk: Desk) -> Iterator[tuple[Postgres, Desk]]:
    """A cluster, and the machine with the home of the user that runs it."""
    postgres = Postgres()
    try:
        yield postgres, desk.moved(postgres.home)
    finally:
        postgres.clear()
