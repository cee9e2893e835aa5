#!/usr/bin/env python3
"""One object of 1 GiB down and up, by gs:// (JSON API) and by s3://, through one Tidegate to one target.

    benches/gs.py TIDEGATE [--size 1024] [--rounds 3]

`tidegate dev` lends its identities; the Tidegate that is measured is a second process with the same configuration, whose
two targets are one origin without a disk (this script). The same token, the same policy, the same client (curl), so that
what differs is the dialect. Printed: CPU seconds of the proxy per GiB, user and system, and the most memory it held.
"""

import argparse
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

ZEROS = bytes(1 << 20)
TICKS = os.sysconf("SC_CLK_TCK")


class Origin:
    """Answers what either dialect asks of one object."""

    def __init__(self, size):
        self.size = size
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.until_closed, args=(connection,), daemon=True).start()

    def until_closed(self, connection):
        try:
            self.serve(connection)
        except OSError:
            pass  # The proxy ended first.

    def serve(self, connection):
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                piece = connection.recv(1 << 16)
                if not piece:
                    return
                buffer += piece
            head, buffer = buffer.split(b"\r\n\r\n", 1)
            line, *rest = head.decode("latin-1").split("\r\n")
            headers = dict((name.lower(), value.strip()) for name, value in (h.split(":", 1) for h in rest))
            method, target, _ = line.split(" ", 2)
            buffer = self.drain(connection, buffer, headers)
            self.answer(connection, method, target)

    def drain(self, connection, buffer, headers):
        if headers.get("transfer-encoding") == "chunked":
            raise SystemExit("a body without a length was not expected here")
        left = int(headers.get("content-length", 0)) - len(buffer)
        scratch = bytearray(1 << 20)
        while left > 0:
            read = connection.recv_into(scratch, min(left, len(scratch)))
            if not read:
                return b""
            left -= read
        return b""

    def answer(self, connection, method, target):
        if method == "GET":
            head = f"HTTP/1.1 200 OK\r\ncontent-length: {self.size}\r\ncontent-type: application/octet-stream\r\n"
            connection.sendall(f'{head}etag: "e"\r\n\r\n'.encode())
            left = self.size
            while left > 0:
                left -= connection.send(ZEROS[: min(left, len(ZEROS))])
            return
        body = b""
        if target.startswith("/upload/"):
            resource = {"kind": "storage#object", "bucket": "acme-models", "name": "bench/up", "size": str(self.size)}
            body = json.dumps(resource).encode()
        more = 'etag: "e"\r\n' if not body else "content-type: application/json\r\n"
        connection.sendall(f"HTTP/1.1 200 OK\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body)


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) / TICKS, int(fields[12]) / TICKS


def rss(pid, key="VmHWM"):
    return int(re.search(rf"{key}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def clear_peak(pid):
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def wait_for(condition, what):
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    sys.exit(f"{what} did not come up")


def reaches(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tidegate")
    parser.add_argument("--size", type=int, default=1024, help="MiB")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    size = arguments.size << 20
    origin = Origin(size)
    with tempfile.TemporaryDirectory(prefix="tidegate-gs-") as scratch:
        folder = pathlib.Path(scratch, "dev")
        log = open(pathlib.Path(scratch, "dev.log"), "wb")
        dev = subprocess.Popen(
            [arguments.tidegate, "dev", "--dir", folder, "--listen", "127.0.0.1:0"], stdout=log, stderr=log
        )
        try:
            measure(arguments, size, origin, folder, pathlib.Path(scratch))
        finally:
            dev.terminate()
            dev.wait()


def measure(arguments, size, origin, folder, scratch):
    token_file = folder / "tokens" / "etl.jwt"
    wait_for(lambda: token_file.exists() and "Ctrl-C" in (scratch / "dev.log").read_text(), "tidegate dev")
    port = free_port()
    text = (folder / "tidegate.toml").read_text()
    text = re.sub(r'(?m)^listen( +)= "127\.0\.0\.1:\d+"', lambda m: f'listen{m[1]}= "127.0.0.1:0"', text)
    text = text.replace('listen  = "127.0.0.1:0"', f'listen  = "127.0.0.1:{port}"', 1)
    text = re.sub(r'(?m)^endpoint = "http://127\.0\.0\.1:\d+"', f'endpoint = "http://127.0.0.1:{origin.port}"', text)
    text = text.replace('"audit/audit.jsonl"', f'"{scratch}/audit.jsonl"')
    (folder / "bench.toml").write_text(text)
    everything = "permit (principal, action, resource);\n"
    for name in ("lake", "models"):
        (folder / "policies" / f"{name}.cedar").write_text(everything)
    serve_log = open(scratch / "serve.log", "wb")
    proxy = subprocess.Popen(
        [arguments.tidegate, "serve", "--config", folder / "bench.toml"], stdout=serve_log, stderr=serve_log
    )
    try:
        wait_for(lambda: reaches(port), "tidegate serve")
        body = scratch / "body"
        with open(body, "wb") as file:
            file.truncate(size)
        base = f"https://localhost:{port}"
        objects = f"{base}/upload/storage/v1/b/models/o?name=bench%2Fup&uploadType=media"
        ways = {
            ("down", "gs"): [f"{base}/download/storage/v1/b/models/o/bench%2Fdown?alt=media"],
            ("down", "s3"): [f"{base}/lake/bench/down"],
            ("up", "gs"): ["-X", "POST", "-T", body, objects],
            ("up", "s3"): ["-T", body, f"{base}/lake/bench/up"],
        }
        figures = {}
        for _ in range(arguments.rounds):
            for way, options in ways.items():
                figures.setdefault(way, []).append(transfer(proxy.pid, folder, token_file, options))
        print(f"idle: {rss(proxy.pid, 'VmRSS'):.1f} MiB afterwards; {arguments.size} MiB, best of {arguments.rounds} rounds")
        print("| | user CPU s/GiB | system CPU s/GiB | both | most memory MiB |\n|---|---|---|---|---|")
        for (direction, dialect), rounds in figures.items():
            user, system, peak = min(rounds, key=lambda r: r[0] + r[1])
            scale = (1 << 30) / size
            print(
                f"| {direction}, {dialect}:// | {user * scale:.2f} | {system * scale:.2f} | {(user + system) * scale:.2f} |"
                f" {max(r[2] for r in rounds):.1f} |"
            )
    finally:
        proxy.terminate()
        proxy.wait()


def transfer(pid, folder, token_file, options):
    clear_peak(pid)
    before = cpu(pid)
    token = token_file.read_text().strip()
    command = ["curl", "-sS", "--fail-with-body", "--http1.1", "--cacert", folder / "ca" / "ca.pem", "-o", "/dev/null"]
    command += ["-H", f"Authorization: Bearer {token}", "-H", "Expect:", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{options}: {done.stdout} {done.stderr}")
    after = cpu(pid)
    return after[0] - before[0], after[1] - before[1], rss(pid)


if __name__ == "__main__":
    main()
