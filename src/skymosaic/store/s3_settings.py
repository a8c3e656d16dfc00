"""How to reach S3: what a campaign file says of it. Nothing of boto3 is imported for it."""

from __future__ import annotations

from dataclasses import dataclass, field

_ATTEMPTS = 4  # of one request, by botocore, before we wait ourselves


@dataclass(frozen=True)
class S3Settings:
    """How to reach S3, beyond what AWS's own configuration says."""

    profile: str | None = None
    """Profile of ``~/.aws``."""
    region: str | None = None
    endpoint_url: str | None = None
    """Address of a server other than AWS's."""
    unsigned: bool = False
    """Read a public bucket without credentials."""
    encryption: str | None = None
    """Server-side encryption of what is written: ``AES256`` or ``aws:kms``."""
    kms_key: str | None = None
    """Key of ``aws:kms``, if not the bucket's."""
    patience: float = field(default=120.0, compare=False)
    """How long to wait for a server that does not answer, s."""
    window: float = 30.0
    """Time in which an answer begins, and then goes on, s."""
    attempts: int | None = _ATTEMPTS
    """Of one request, by botocore, before we wait ourselves; None: what AWS's settings say."""
    their_checksums: bool = False
    """Whether what is read is compared with the server's checksums, where it has any."""
    counted: bool = True
    """Whether bytes count in `traffic`, which is that of stores."""

    def encryption_arguments(self) -> dict[str, str]:
        """Return the arguments of each request that writes."""
        given = {"ServerSideEncryption": self.encryption, "SSEKMSKeyId": self.kms_key}
        return {name: value for name, value in given.items() if value}
