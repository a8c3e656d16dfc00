"""Certificates for the connections of one run: who has the files may talk to its scheduler."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from distributed.security import Security

_ROLES = ("client", "scheduler", "worker")
CERTIFICATE, KEY = "certificate.pem", "key.pem"
# `Security.temporary` makes certificates that are valid from now on: a host whose clock is behind
# refuses them, and so does this one when its clock is set back.
_CLOCKS = timedelta(days=1)
_YEAR = timedelta(days=365)


def of_run(lasting: timedelta = _YEAR) -> Security:
    """Return a new key with its certificate, in memory, for all roles of one cluster.

    Hosts whose clocks differ by up to a day accept it.

    Parameters
    ----------
    lasting : timedelta
        How long the run may take.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "skymosaic")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS)
        .not_valid_after(now + lasting + _CLOCKS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = signed.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    return Security(
        require_encryption=True,
        tls_ca_file=certificate,
        **{f"tls_{role}_cert": certificate for role in _ROLES},
        **{f"tls_{role}_key": private for role in _ROLES},
    )


def files_of(security: Security) -> dict[str, str]:
    """Return the texts of the files that hold what `of_run` made, by their names."""
    return {CERTIFICATE: security.tls_ca_file, KEY: security.tls_client_key}


def write(folder: Path) -> None:
    """Write new certificates into a folder, for the user's eyes only."""
    for name, text in files_of(of_run()).items():
        with os.fdopen(
            os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
        ) as f:
            f.write(text)


def environment(folder: PurePath) -> dict[str, str]:
    """Return the variables by which Dask's programs talk by the certificates in a folder only.

    Parameters
    ----------
    folder : PurePath
        As those programs see it.
    """
    certificate, key = str(folder / CERTIFICATE), str(folder / KEY)
    comm = "DASK_DISTRIBUTED__COMM__"
    variables = {f"{comm}REQUIRE_ENCRYPTION": "True", f"{comm}TLS__CA_FILE": certificate}
    for role in _ROLES:
        variables[f"{comm}TLS__{role.upper()}__CERT"] = certificate
        variables[f"{comm}TLS__{role.upper()}__KEY"] = key
    return variables


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
