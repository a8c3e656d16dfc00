"""Which addresses of schedulers are safe to talk to."""

from __future__ import annotations

import ipaddress

from distributed.comm.addressing import parse_address, parse_host_port

from skymosaic.errors import CampaignError

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
        f"compute.address {address} is not of this host and not encrypted: whoever reaches it can "
        "run anything on its workers. Start scheduler and workers with TLS (tls://, see "
        "docs/clusters.md), or, in a network of your own, allow it by compute.insecure: true "
        "(--insecure)"
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
