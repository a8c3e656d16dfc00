"""Make the S3 server's key, where there is none: its own file, and one in AWS's format.

``python make_credentials.py FOLDER`` writes FOLDER/s3.json and FOLDER/aws, for this user's eyes only.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from pathlib import Path


def _write(path: Path, text: str) -> None:
    new = path.with_name(path.name + ".new")
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400), "w") as file:
        file.write(text)
    new.rename(path)


def main() -> None:
    """Write the files into the folder that is named on the command line."""
    server, client = (Path(sys.argv[1]) / name for name in ("s3.json", "aws"))
    if server.exists() and client.exists():
        return
    key, secret = secrets.token_hex(10), secrets.token_urlsafe(32)
    actions = ["Admin", "Read", "List", "Tagging", "Write"]
    identity = {
        "name": "skymosaic",
        "credentials": [{"accessKey": key, "secretKey": secret}],
        "actions": actions,
    }
    _write(
        client, f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    )
    _write(server, json.dumps({"identities": [identity]}))


if __name__ == "__main__":
    main()
