"""Certificates for the connections of one run: who has the files may talk to its scheduler."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from distributed.security import Security

CERTIFICATE, KEY = "certificate.pem", "key.pem"


def write(folder: Path) -> None:
    """Write new certificates into a folder, for the user's eyes only."""
    security = Security.temporary()
    for name, text in ((CERTIFICATE, security.tls_ca_file), (KEY, security.tls_client_key)):
        with os.fdopen(
            os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
        ) as f:
            f.write(text)


def security_of(folder: Path) -> Security:
    """Return what a client needs to talk to a scheduler whose certificates are in a folder."""
    certificate, key = str(folder / CERTIFICATE), str(folder / KEY)
    return Security(
        require_encryption=True,
        tls_ca_file=certificate,
        tls_client_cert=certificate,
        tls_client_key=key,
    )


if __name__ == "__main__":
    write(Path(sys.argv[1]))
