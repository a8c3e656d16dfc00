"""Where an answer may send its reader: not into the reader's own host or network."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urljoin, urlsplit

from skymosaic.errors import InputError


def followed(url: str, target: str, name: str) -> str:
    """Return where a redirect leads: to the same host, or elsewhere on the public internet.

    Parameters
    ----------
    url : str
        The address that was asked.
    target : str
        The address that its answer names; it may be relative.
    name : str
        The file that was asked for.

    Raises
    ------
    InputError
        It leads to another kind of address than HTTP's, from TLS to none, or to a host that only
        the reader's own network knows.
    """
    origin = urlsplit(url)
    try:
        to = urlsplit(urljoin(url, target))
        host, _port = to.hostname, to.port
    except ValueError:
        raise _refused(name, target, "it is not an address") from None
    if to.scheme not in ("http", "https"):
        raise _refused(name, target, "it is not HTTP")
    if (origin.scheme, to.scheme) == ("https", "http"):
        raise _refused(name, target, "it has no TLS")
    if not host or to.username or to.password:
        raise _refused(name, target, "it is not an address")
    if host != origin.hostname and not _is_public(host):
        raise _refused(name, target, "only this host or its own network can know that address")
    return to.geturl()


def _is_public(host: str) -> bool:
    """Whether a host is not one of this host's own network; one that is not known is."""
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        # A proxy may know it, and this host does not reach it.
        return not host.rstrip(".").endswith("localhost")
    return all(ipaddress.ip_address(str(one).partition("%")[0]).is_global for one in found)


def _refused(name: str, target: str, why: str) -> InputError:
    return InputError(
        f"{name}: MAST redirects to {target[:200]!r}, which is not followed: {why}. Is there a "
        "proxy, or is another server named in astroquery's configuration ([mast] server)? "
        "`source.download: bucket` takes the public bucket instead"
    )
