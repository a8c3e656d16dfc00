"""Which addresses of schedulers are safe to talk to."""

from __future__ import annotations

import functools
import ipaddress
import logging

from distributed.comm.addressing import parse_address, parse_host_port

from skymosaic.errors import CampaignError

log = logging.getLogger(__name__)

_ENCRYPTED = {"tls", "wss", "inproc"}  # what stays in one process needs none


def require_private(address: str, *, insecure: bool) -> None:
    """Refuse an address at which others of the network can read along, and run what they like.

    Who reaches a Dask scheduler without TLS can run anything on its workers.

    Parameters
    ----------
    address : str
        The scheduler's, such as ``tls://10.0.0.1:8786``.
    insecure : bool
        Whether the user took that upon himself.

    Raises
    ------
    CampaignError
        It is neither of this host nor encrypted.
    """
    scheme, location = parse_address(address)
    if insecure or scheme in _ENCRYPTED or is_loopback(location):
        return
    raise CampaignError(
        f"compute.address {address} is on another host and not encrypted: anyone who can reach "
        "it can run any code on its workers. Start scheduler and workers with TLS (tls://, see "
        "docs/clusters.md). In a private network you can allow it with compute.insecure: true "
        "(--insecure)"
    )


@functools.cache
def warn_if_open(address: str) -> None:
    """Warn, once, of an address that is not encrypted: others can run what they like there.

    Parameters
    ----------
    address : str
        The scheduler's.
    """
    scheme, location = parse_address(address)
    if scheme not in _ENCRYPTED:
        log.warning(
            "the scheduler at %s is not encrypted: %s can run any code on its workers, as you. "
            "Start scheduler and workers with TLS (docs/clusters.md#tls)",
            address,
            "every user of this host" if is_loopback(location) else "anyone who can reach it",
        )


def is_loopback(location: str) -> bool:
    """Whether an address without its scheme, such as ``127.0.0.1:8786``, never leaves the host."""
    try:
        host, _port = parse_host_port(location, 0)
    except ValueError:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return host.rstrip(".").lower() == "localhost"
