"""Whether what lies in a store is what was made: every product against its manifest, and repair."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from skymosaic.errors import CampaignError, DamagedError, LockedError, MissingError
from skymosaic.host.counting import counted
from skymosaic.journal.runs import campaign_lock
from skymosaic.results.housekeeping import is_manifest, require_idle, require_idle_shares
from skymosaic.results.reading import find_run
from skymosaic.steps.manifests import manifest_at
from skymosaic.steps.place import Place
from skymosaic.store import Product, Store, lease

log = logging.getLogger(__name__)

_AT_ONCE = 4  # files that are read at once

Progress = Callable[[int, int], None]
"""Gets the bytes that were read so far, and how many there are in all."""


@dataclass(frozen=True)
class Flaw:
    """A file that is not what was made."""

    key: str
    """The file: a product, or a manifest that cannot be read."""
    manifest: str
    """Key of the manifest of the step that made it."""
    why: str
    product: Product | None = None
    """None where it is the manifest itself."""


@dataclass(frozen=True)
class Verified:
    """What was compared, and what was found."""

    place: Place
    steps: int
    """Manifests that were read."""
    files: int
    """Products that were read."""
    size: int
    """Bytes of them."""
    unsealed: int
    """Manifests of older versions, which have no checksum of their own."""
    others: int
    """Files that no manifest names, so that nothing is known of what they should be."""
    flaws: Sequence[Flaw]

    def require_whole(self) -> None:
        """Refuse a campaign with flaws.

        Raises
        ------
        DamagedError
            It names the first, and the remedy.
        """
        if not self.flaws:
            return
        address = self.place.store.address(self.place.campaign)
        first, count = self.flaws[0], len(self.flaws)
        more = f" and {count - 1} more" if count > 1 else ""
        raise DamagedError(
            f"{first.key}{more} of {address}: {first.why}; `skymosaic verify-store --repair "
            f"{_runnable(self.place)}` makes the damaged products again"
        )


def _runnable(place: Place) -> str:
    """Return where the campaign is that can be run: of a group, its program."""
    return place.store.address(place.campaign.split("/")[0])


def verify_store(
    uri: str,
    s3: Mapping[str, Any] | None = None,
    tell: Progress = lambda _done, _all: None,
) -> Verified:
    """Compare every product of a campaign, or of a program, with what its manifest says of it.

    Every byte is read. Of what a step left beside its products, such as logs of failed steps and
    records of runs, no manifest tells.

    Parameters
    ----------
    uri, s3
        As for `reading.find_run`.
    tell : callable
        Gets the progress, from any thread.

    Raises
    ------
    LockedError
        A run is at work, which replaces products, or was meanwhile.
    MissingError
        There is no campaign.
    StoreError
        The store cannot be read.
    """
    place = find_run(uri, s3)
    store = place.store
    number = require_idle(store, place, "verify it")
    keys = store.list(place.campaign)
    products: dict[str, tuple[str, Product]] = {}
    flaws, unsealed = list[Flaw](), 0
    manifests = [key for key in keys if is_manifest(key)]
    for key in manifests:
        try:
            manifest = manifest_at(store, key)
        except DamagedError as error:
            flaws.append(Flaw(key, key, str(error)))
            continue
        if manifest is None:
            continue
        unsealed += not manifest.get("checksum")
        products |= {one.key: (key, one) for one in manifest["products"].values()}
    whole = sum(product.size for _, product in products.values())
    done = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        checked = pool.map(lambda one: _flaw_of(store, *one), products.values())
        for (_, product), flaw in zip(products.values(), checked, strict=True):
            done += product.size
            tell(done, whole)
            if flaw is not None:
                flaws.append(flaw)
    if flaws and require_idle(store, place, "verify it") != number:
        raise LockedError(
            f"{store.address(place.campaign)} was run in the meantime; verify it again"
        )
    others = len(set(keys) - set(products) - set(manifests))
    return Verified(place, len(manifests), len(products), whole, unsealed, others, flaws)


def _flaw_of(store: Store, manifest: str, product: Product) -> Flaw | None:
    if not store.has(product):
        gone = store.age(product.key) is None
        why = (
            "it is missing"
            if gone
            else "its size is not the "
            f"{counted(product.size, 'byte that was', 'bytes that were')} written"
        )
        return Flaw(product.key, manifest, why, product)
    try:
        # A second look: what came wrong may have been changed on its way.
        if any(store.sha256_of(product.key) == product.sha256 for _ in range(2)):
            return None
    except MissingError:
        return Flaw(product.key, manifest, "it is missing", product)
    return Flaw(product.key, manifest, "its content is not what was written", product)


def take_away(verified: Verified) -> None:
    """Take away what is damaged, so that the next run makes it anew; products are put aside.

    Raises
    ------
    CampaignError
        It is a group: only its program can be run.
    LockedError
        A run is at work.
    StoreError
        The store cannot be written.
    """
    place, store = verified.place, verified.place.store
    if "/" in place.campaign:
        raise CampaignError(
            f"{place.campaign} is a group of a program; repair the program: `skymosaic "
            f"verify-store --repair {_runnable(place)}`"
        )
    with lease.held(store, campaign_lock(place), "verify-store"):
        require_idle_shares(store, place, "repair it")
        # A run may have come and gone since, and have made anew what was damaged.
        flaws = [flaw for flaw in verified.flaws if _is_still(store, flaw)]
        for flaw in flaws:
            if flaw.product is not None and store.age(flaw.key) is not None:
                # Beside the products of its own campaign, which may be a group's.
                own = replace(place, campaign=flaw.manifest.split("/manifests/")[0])
                own.put_aside(flaw.product)
            log.info("%s is removed: %s", flaw.key, flaw.why)
        for key in sorted({flaw.manifest for flaw in flaws}):
            # A plan that is damaged still tells by which rule the campaign's static mask began.
            if not key.endswith("/manifests/plan.json"):
                store.delete(key)


def _is_still(store: Store, flaw: Flaw) -> bool:
    try:
        manifest = manifest_at(store, flaw.manifest)
    except DamagedError:
        return True
    one = flaw.product
    if one is None or manifest is None or one not in manifest["products"].values():
        return False
    return _flaw_of(store, flaw.manifest, one) is not None
