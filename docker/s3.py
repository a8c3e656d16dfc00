"""What compose.yaml needs of and for its S3 server, run inside its containers.

``python s3.py credentials FOLDER``
    makes the server's key, where there is none, as FOLDER/s3.json and, in AWS's format, FOLDER/aws,
    and the certificate of Dask's connections, where there is none or it is old, as certificate.pem
    and key.pem there; for this user's eyes only.
``python s3.py bucket NAME``
    makes a bucket, where there is none.
``python s3.py fetch BUCKET/PREFIX``
    writes what is stored there to standard output, as a tar archive.
"""

from __future__ import annotations

import json
import secrets
import sys
import tarfile
import tempfile
import time
from pathlib import Path

_OLD = 300 * 86400  # s; a certificate is valid for a year


def _write(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    new.touch(mode=0o600, exist_ok=False)
    new.write_text(text)
    new.rename(path)


def credentials(folder: str) -> None:
    """Write the files of the key, and of the certificate, into a folder."""
    certificate(folder)
    server, client = (Path(folder) / name for name in ("s3.json", "aws"))
    if server.exists() and client.exists():
        return
    key, secret = secrets.token_hex(10), secrets.token_urlsafe(32)
    identity = {
        "name": "skymosaic",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    _write(server, json.dumps({"identities": [identity]}))
    _write(client, f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n")


def certificate(folder: str) -> None:
    """Write the certificate and the key of Dask's connections into a folder."""
    from skymosaic.clusters import certificates

    files = [Path(folder) / name for name in (certificates.CERTIFICATE, certificates.KEY)]
    if all(file.exists() and time.time() - file.stat().st_mtime < _OLD for file in files):
        return
    for file in files:
        file.unlink(missing_ok=True)
    certificates.write(Path(folder))


def bucket(name: str) -> None:
    """Make a bucket."""
    import boto3

    client = boto3.client("s3")
    if name not in [found["Name"] for found in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket=name)


def fetch(where: str) -> None:
    """Write what is stored below BUCKET/PREFIX to standard output, as a tar archive."""
    import boto3

    client = boto3.client("s3")
    name, _, prefix = where.partition("/")
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix):
            for found in page.get("Contents", ()):
                with tempfile.TemporaryFile() as file:
                    client.download_fileobj(name, found["Key"], file)
                    entry = tarfile.TarInfo(found["Key"])
                    entry.size = file.tell()
                    file.seek(0)
                    archive.addfile(entry, file)


if __name__ == "__main__":
    {"credentials": credentials, "bucket": bucket, "fetch": fetch}[sys.argv[1]](sys.argv[2])
