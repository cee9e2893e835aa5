#!/usr/bin/env python3
"""Makes a CloudTrail and an audit log of any size, compares them, and says what it took.

    benches/reconcile.py TIDEGATE FOLDER [--entries 2500000]

One in a hundred thousand entries is somebody who went around the proxy, one in a hundred thousand carries a stamp that is
not its own, and one in a hundred thousand of our requests is not logged: the numbers that come out are checked. The log is
delivered as CloudTrail delivers it: documents on one line, entries in no order, some of them twice.
"""

import argparse
import json
import pathlib
import random
import subprocess
import sys
import time

CONFIG = """
[server]
listen = "127.0.0.1:0"
domains = ["localhost"]
tls = { certificate = "a.pem", key = "a.key" }
[admin]
listen = "127.0.0.1:0"
[sessions]
keys = "keys.toml"
[audit]
file = "audit/audit.jsonl"
[[issuers]]
name = "idp"
issuer = "https://idp.test"
audiences = ["https://s3.test"]
kind = "workload"
[targets.store]
kind = "s3"
endpoint = "https://s3.eu-west-2.amazonaws.com"
region = "eu-west-2"
credentials = { kind = "static", access_key_id = "env:A", secret_access_key = "env:B" }
[buckets.lake]
target = "store"
bucket = "acme-lake-prod"
"""

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BEGIN = 1795341600  # 2026-11-22T10:00:00Z
RARE = 100_000


def ulid(n):
    number = (BEGIN * 1000 << 80) | n
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def moment(n, entries, style):
    # A day, whatever the number.
    at = BEGIN + n * 86400 // entries
    return time.strftime(style, time.gmtime(at))


def request_id(n):
    return f"{n * 2654435761 % 2**64:016X}"


def event(n, entries, agent, id):
    read = n % 4 != 0
    name, key = ("GetObject" if read else "PutObject"), f"raw/year=2026/month=11/part-{n % 100_000:05}.parquet"
    return {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole", "principalId": "AROAEXAMPLEEXAMPLE:tidegate",
            "arn": "arn:aws:sts::111122223333:assumed-role/tidegate-lake/tidegate", "accountId": "111122223333",
            "accessKeyId": "ASIAEXAMPLEEXAMPLE",
            "sessionContext": {
                "sessionIssuer": {
                    "type": "Role", "principalId": "AROAEXAMPLEEXAMPLE",
                    "arn": "arn:aws:iam::111122223333:role/tidegate-lake", "accountId": "111122223333", "userName": "tidegate-lake",
                },
                "attributes": {"creationDate": "2026-11-22T09:00:00Z", "mfaAuthenticated": "false"},
            },
        },
        "eventTime": moment(n, entries, "%Y-%m-%dT%H:%M:%SZ"), "eventSource": "s3.amazonaws.com", "eventName": name,
        "awsRegion": "eu-west-2", "sourceIPAddress": "192.0.2.10", "userAgent": f"[{agent}]",
        "requestParameters": {"bucketName": "acme-lake-prod", "Host": "acme-lake-prod.s3.eu-west-2.amazonaws.com", "key": key},
        "responseElements": None,
        "additionalEventData": {
            "SignatureVersion": "SigV4", "CipherSuite": "TLS_AES_128_GCM_SHA256", "bytesTransferredIn": 0,
            "AuthenticationMethod": "AuthHeader", "x-amz-id-2": "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234=",
            "bytesTransferredOut": 1048576,
        },
        "requestID": id, "eventID": f"{n:08x}-0000-4000-8000-000000000000", "readOnly": read,
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::acme-lake-prod/{key}"},
            {"accountId": "111122223333", "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::acme-lake-prod"},
        ],
        "eventType": "AwsApiCall", "managementEvent": False, "recipientAccountId": "111122223333", "eventCategory": "Data",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader": "acme-lake-prod.s3.eu-west-2.amazonaws.com"},
    }


def record(n, entries):
    read = n % 4 != 0
    return {
        "v": 1, "type": "request", "time": moment(n, entries, "%Y-%m-%dT%H:%M:%S.123Z"), "duration_ms": 31, "upstream_ttfb_ms": 12,
        "request_id": ulid(n), "event_id": ulid(n), "instance": "01KA000000000000000000000A", "seq": n + 1,
        "actor": {
            "kind": "workload", "id": "idp:etl", "issuer": "https://idp.test", "sub": "etl", "session_id": "6d1e0f3c5a7b49d2a1f08e3c4b5d6a7f",
            "session_issued": "2026-11-22T09:00:00Z", "session_expires": "2026-11-22T21:00:00Z", "access_key_id": "TGIAEXAMPLE",
        },
        "client": {"ip": "203.0.113.9", "port": 50123, "user_agent": "aws-sdk-java/2.20", "tls": "TLSv1.3", "auth": "sigv4-header", "payload": "literal"},
        "api": {"protocol": "s3", "operation": "GetObject" if read else "PutObject", "read_only": read},
        "resource": {"bucket": "lake", "key": f"raw/year=2026/month=11/part-{n % 100_000:05}.parquet"},
        "request": {"method": "GET" if read else "PUT"},
        "decision": {"effect": "allow", "reason": "permit", "policies": ["etl-reads"], "policy_version": "sha256:9f2c", "us": 19},
        "generation": "7f3a", "response": {"status": 200, "bytes_in": 0, "bytes_out": 1048576, "aborted": False, "end_reason": "complete"},
        "target": {
            "name": "store", "endpoint": "s3.eu-west-2.amazonaws.com", "region": "eu-west-2", "status": 200, "request_id": request_id(n),
            "extended_id": "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234=", "attribution": "idp=etl",
        },
    }


def make(folder, entries):
    """Writes both logs; gives what must be found, and how large they are."""
    (folder / "audit").mkdir(parents=True)
    (folder / "log").mkdir()
    (folder / "tidegate.toml").write_text(CONFIG)
    found = {"unrecorded": 0, "forged_stamp": 0, "unlogged": 0}
    compact = {"separators": (",", ":")}
    chance = random.Random(7)
    document, pending = None, []

    def deliver():
        chance.shuffle(pending)
        name = folder / "log" / f"111122223333_CloudTrail_eu-west-2_{deliver.count:05}.json"
        name.write_text('{"Records":[' + ",".join(pending) + "]}")
        deliver.count += 1
        pending.clear()

    deliver.count = 0
    with open(folder / "audit/audit.jsonl", "w") as audit:
        for n in range(entries):
            audit.write(json.dumps(record(n, entries), **compact) + "\n")
            stamp = f"tidegate/0.1.0 tidegate-request/{ulid(n)}"
            # At the end of the day nothing is expected to be delivered yet.
            if n % RARE == 1 and n < entries * 9 // 10:
                found["unlogged"] += 1
            else:
                pending.append(json.dumps(event(n, entries, stamp, request_id(n)), **compact))
            if n % 1000 == 2:
                pending.append(pending[-1])
            if n % RARE == 3:
                found["unrecorded"] += 1
                pending.append(json.dumps(event(n, entries, "aws-cli/2", f"DIRECT{n:010}") | {"eventID": f"d{n}"}, **compact))
            if n % RARE == 4:
                found["forged_stamp"] += 1
                pending.append(json.dumps(event(n, entries, stamp, f"FORGED{n:010}") | {"eventID": f"f{n}"}, **compact))
            if len(pending) >= 50_000:
                deliver()
    deliver()
    size = lambda part: sum(file.stat().st_size for file in (folder / part).iterdir())
    return found, size("log"), size("audit")


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("tidegate")
    words.add_argument("folder", type=pathlib.Path)
    words.add_argument("--entries", type=int, default=2_500_000)
    args = words.parse_args()
    if not (args.folder / "tidegate.toml").exists():
        found, log, audit = make(args.folder, args.entries)
        (args.folder / "expected.json").write_text(json.dumps({"found": found, "log": log, "audit": audit}))
    expected = json.loads((args.folder / "expected.json").read_text())
    print(f"log {expected['log'] / 1e9:.2f} GB, records {expected['audit'] / 1e9:.2f} GB")
    work = args.folder / "work"
    work.mkdir(exist_ok=True)
    command = [
        args.tidegate, "audit", "reconcile", "--config", args.folder / "tidegate.toml", "--cloudtrail", args.folder / "log",
        "--work-dir", work, "--json",
    ]
    began = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = child.stdout.read().splitlines()
    _, status, used = __import__("os").wait4(child.pid, 0)
    took = time.monotonic() - began
    summary = json.loads(lines[-1])["summary"]
    counts = summary["log"] | summary["records"]
    print(f"{took:.0f} s, of which {used.ru_utime:.0f} s user and {used.ru_stime:.0f} s system; peak RSS {used.ru_maxrss / 1024:.0f} MiB")
    print({name: counts[name] for name in ("entries", "matched", "duplicates", *expected["found"])})
    wrong = {name: (counts[name], count) for name, count in expected["found"].items() if counts[name] != count}
    if wrong or len(lines) - 1 != sum(expected["found"].values()):
        sys.exit(f"found, expected: {wrong}")


if __name__ == "__main__":
    main()
