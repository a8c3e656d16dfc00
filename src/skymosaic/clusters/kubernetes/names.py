"""Names of objects, made from any text, that Kubernetes takes."""

from __future__ import annotations

import hashlib
import re

PREFIX = "skymosaic"
INSTANCE = "app.kubernetes.io/instance"
"""Label of all objects of a campaign, its pods too: the name that `object_name` gives."""
STORE = "skymosaic/store"
"""Label with what `store_label` makes of the campaign's store; annotation with its address."""
_SLUG = 24  # characters of the text that a name keeps, for people
_HASH = 10  # hexadecimal digits that tell texts apart that look alike then


def object_name(text: str) -> str:
    """Return a name for the objects of a campaign: a DNS-1035 label of at most 45 characters.

    What Kubernetes appends to it still fits into the 63 characters of a label. Different texts
    have different names: what had to be changed or shortened gets a hash of the text.

    Parameters
    ----------
    text : str
        Anything, such as a campaign's name.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_SLUG].strip("-")
    # Something that looks like a hash at its end could be the name that another text gets.
    if slug == text != "" and not re.search(rf"-[0-9a-f]{{{_HASH}}}$", slug):
        return f"{PREFIX}-{slug}"
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:_HASH]
    return "-".join(part for part in (PREFIX, slug, digest) if part)


def store_label(store: str) -> str:
    """Return what the labels of a campaign's objects hold of its store.

    Two stores may have campaigns of one name; a label takes no address.

    Parameters
    ----------
    store : str
        Its address.
    """
    return hashlib.sha256(store.rstrip("/").encode(errors="surrogatepass")).hexdigest()[:_HASH]


def service_variable(service: str, what: str) -> str:
    """Return the environment variable that tells the pods of a namespace about a Service.

    Parameters
    ----------
    service : str
        Its name.
    what : str
        ``HOST`` or ``PORT``.
    """
    return f"{service.upper().replace('-', '_')}_SERVICE_{what}"
