"""A PostgreSQL cluster of one's own, to be backed up and restored."""

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from harness.programs import missing

START_SECONDS = 60


class Postgres:
    """A cluster in a directory that belongs to the user who runs it: PostgreSQL refuses to be run by root.

    `home` has the cluster in `data` and its socket; `user` is None where this process is not root.
    """

    def __init__(self) -> None:
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        if not found:
            missing("PostgreSQL is not installed: run tests/clients/run, which installs it")
        self._programs = Path(found[-1])
        self.user = "postgres" if os.geteuid() == 0 else None
        # Not below pytest's directory, which only its owner enters.
        self.home = Path(tempfile.mkdtemp(prefix="tidegate-postgres-"))
        self.data = self.home / "data"
        if self.user:
            shutil.chown(self.home, self.user, pwd.getpwnam(self.user).pw_gid)
        self._run("initdb", "--auth=trust", "--username=postgres", "--no-sync", f"--pgdata={self.data}")

    def start(self, **settings: str) -> None:
        """With the socket in `home`, and no port at all."""
        all_settings = {"listen_addresses": "", "unix_socket_directories": str(self.home), "fsync": "off", **settings}
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in all_settings.items()]
        (self.data / "postgresql.auto.conf").write_text("".join(lines))
        self._run("pg_ctl", "start", "--wait", f"--pgdata={self.data}", f"--log={self.home / 'postgres.log'}")

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--wait", "--mode=fast", f"--pgdata={self.data}")

    def lose(self) -> None:
        """What a backup is for."""
        self.stop()
        shutil.rmtree(self.data)

    def query(self, statement: str) -> str:
        host = f"--host={self.home}"
        return self._run("psql", host, "--username=postgres", "--tuples-only", "--no-align", "--command", statement).strip()

    def clear(self) -> None:
        """Stops the server, if it runs, and removes everything."""
        if (self.data / "postmaster.pid").exists():
            subprocess.run(self._as_user(["pg_ctl", "stop", "--mode=immediate", f"--pgdata={self.data}"]), check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> str:
        # What `pg_ctl` starts keeps its output open, so that goes to a file.
        with tempfile.TemporaryFile() as output:
            ended = subprocess.run(
                self._as_user([program, *arguments]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": str(self.home)},
                timeout=START_SECONDS,
            )
            output.seek(0)
            said = output.read().decode(errors="replace")
        assert ended.returncode == 0, f"{program} ended with {ended.returncode}\n{said}\n{self._log()}"
        return said

    def _as_user(self, command: list[str]) -> list[str]:
        program = [str(self._programs / command[0]), *command[1:]]
        return ["runuser", f"--user={self.user}", "--", *program] if self.user else program

    def _log(self) -> str:
        log = self.home / "postgres.log"
        return log.read_text(errors="replace") if log.exists() else ""
