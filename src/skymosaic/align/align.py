"""Align exposures: TweakReg on their drizzled images, gates, TweakBack, and the proof."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from skymosaic.align import tweakreg
from skymosaic.align.finding import FinderSettings, advice, choose_finding
from skymosaic.align.gates import Criterion, TileFit, check_gates
from skymosaic.align.order import choose_order, overlap_shares
from skymosaic.align.proof import read_wcs, unlike_motion
from skymosaic.align.tweakreg import REFERENCE_WCS
from skymosaic.align.tweakreg_files import name_original, unused_name
from skymosaic.align.vectors import read_vectors
from skymosaic.config import Align
from skymosaic.drizzlepac_calls import process
from skymosaic.drizzlepac_calls.process import DrizzlepacError
from skymosaic.errors import AlignmentError, CampaignError
from skymosaic.host.counting import counted
from skymosaic.hst.exposure import Exposure

log_ = logging.getLogger(__name__)

MAX_UNLIKE_MOTION = 1.0  # mas; an exposure that moved otherwise was not moved by TweakBack


@dataclass(frozen=True)
class Alignment:
    """What the alignment did."""

    order: list[str]
    """Drizzled images in the order that was asked for; the first is the reference."""
    fits: list[TileFit]
    """TweakReg's results, in the order of `order`."""
    criteria: list[Criterion]
    dropped: list[str]
    """Tiles that failed a gate and were left out of the mosaic."""
    kept: list[str]
    """Tiles that failed a gate and stay with the WCS they came with."""
    members: dict[str, list[str]]
    """Exposures of each tile."""
    unlike_motion: dict[str, float]
    """By exposure: how its motion differs from its drizzled image's, mas."""
    finding: FinderSettings | None = None
    """How sources were found, and why so; older versions did not tell."""

    def uses(self, rootname: str) -> bool:
        """Tell whether an exposure goes on to the mosaic."""
        return not any(rootname in self.members[tile] for tile in self.dropped)

    @property
    def used(self) -> dict[str, list[str]]:
        """The exposures of each tile that goes on to the mosaic."""
        return {tile: its for tile, its in self.members.items() if tile not in self.dropped}

    def table(self) -> Table:
        """Return TweakReg's results with units, a row a tile, in the order asked for."""
        table = Table(rows=[asdict(fit) for fit in self.fits])
        table.rename_column("place", "order")
        if self.finding is not None:
            table.meta["imagefind"] = self.finding.parameters
            table.meta["finding"] = self.finding.why
        table["status"] = [self.status(fit) for fit in self.fits]
        for name, unit in UNITS.items():
            table[name].unit = unit
        return table

    def status(self, fit: TileFit) -> str:
        """Return what became of a tile: reference, aligned, not aligned, or dropped."""
        if fit.tile in self.dropped:
            return "dropped"
        if fit.tile in self.kept:
            return "not aligned"
        return "reference" if fit.reference else "aligned"


UNITS = {
    "dx": "pix",
    "dy": "pix",
    "rotation": "deg",
    "rms_ra": "mas",
    "rms_dec": "mas",
    "shift": "arcsec",
}


@dataclass
class _Work:
    """The files and the log of one alignment."""

    folder: Path
    log: Path
    drizzled: dict[str, Exposure]
    exposures: Sequence[Exposure]
    settings: Align
    finding: FinderSettings
    catalogue: Path | None = None
    """Sources that all tiles are aligned to; None: the first tile is the reference."""
    peak_memory: int = 0
    excluded: list[str] = field(default_factory=list)

    @property
    def needed(self) -> int:
        """How many tiles an alignment needs at least."""
        return 1 if self.catalogue or self.settings.tweakreg.get("refcat") else 2

    def call(self, function: str, arguments: dict[str, Any]) -> Any:
        try:
            done = process.call(function, self.folder, arguments, self.log)
        except DrizzlepacError as error:
            raise AlignmentError(str(error)) from None
        self.peak_memory = max(self.peak_memory, done.peak_memory)
        return done.value


def align(
    folder: Path,
    log: Path,
    exposures: Sequence[Exposure],
    drizzled: Sequence[Exposure],
    settings: Align,
    catalogue: Path | None = None,
) -> tuple[Alignment, Table, int]:
    """Align the exposures in `folder`, in place.

    Parameters
    ----------
    folder : Path
        Holds private copies of all files, named as `Exposure.name`.
    log : Path
        File for what drizzlepac prints.
    exposures, drizzled : sequence of Exposure
        The calibrated exposures, and the drizzled images of their associations.
    settings : Align
        The campaign's.
    catalogue : Path or None
        Sources of another group's aligned images, as `tweakreg.write_catalogue` leaves them: what
        all images are aligned to. None: `settings` says what they are aligned to.

    Returns
    -------
    alignment : Alignment
    vectors : Table
        Where matched sources lie relative to the reference; see `vectors.read_vectors`.
    peak_memory : int
        Largest resident set of a drizzlepac process, bytes.

    Raises
    ------
    AlignmentError
        A tile failed a gate and the policy is to stop, fewer than two tiles are left (with a
        catalogue: none), or an exposure did not move as its tile did.
    """
    members = {tile.rootname: members_of(tile, exposures) for tile in drizzled}
    _check_members(exposures, members)
    order = _order(drizzled, settings, catalogue)
    by_name = {tile.rootname: tile for tile in drizzled}
    paths = {name: folder / by_name[name].name for name in order}
    finding = _finding(paths, by_name, order, settings, catalogue)
    work = _Work(folder, log, by_name, exposures, settings, finding, catalogue)
    original_names = {name: name_original(path) for name, path in paths.items()}
    wcsname = unused_name([folder / image.name for image in (*drizzled, *exposures)], "TWEAK")
    tweaked, fits, criteria = _fit_until_gates_hold(work, order, wcsname)
    unlike: dict[str, float] = {}
    for fit in tweaked.fits:
        if not fit.reference:
            unlike |= _move_members(
                work, tweaked.folder, fit.tile, members, original_names, wcsname
            )
    drop = settings.on_failure == "drop"
    alignment = Alignment(
        order=order,
        fits=fits,
        criteria=criteria,
        dropped=work.excluded if drop else [],
        kept=[] if drop else work.excluded,
        members={tile: [e.rootname for e in its] for tile, its in members.items()},
        unlike_motion=unlike,
        finding=finding,
    )
    vectors = read_vectors(tweaked.folder, [fit.tile for fit in tweaked.fits], REFERENCE_WCS)
    return alignment, vectors, work.peak_memory


def _order(drizzled: Sequence[Exposure], settings: Align, catalogue: Path | None) -> list[str]:
    """Return the rootnames of the drizzled images in the order in which they are fitted."""
    if len(drizzled) == 1 and not (catalogue or settings.tweakreg.get("refcat")):
        raise AlignmentError(
            f"{drizzled[0].name} is the only drizzled image, so there is nothing to align it "
            "with. Set `align: none` to use its exposures with the WCS that they have (of one "
            "group: groups.parameters: {NAME OF THE GROUP: {align: none}}), or add the DRZ/DRC and "
            "exposures of other visits to the source"
        )
    try:
        return choose_order({tile.rootname: tile.polygons for tile in drizzled}, settings.order)
    except CampaignError as error:  # found when files had been retrieved already
        raise AlignmentError(str(error)) from None


def _finding(
    paths: Mapping[str, Path],
    drizzled: Mapping[str, Exposure],
    order: Sequence[str],
    settings: Align,
    catalogue: Path | None,
) -> FinderSettings:
    """Return how sources are found in the drizzled images."""
    # The catalogue that all are matched with shows all of the field.
    shares = (
        dict.fromkeys(order, 1.0)
        if catalogue
        else overlap_shares({name: drizzled[name].polygons for name in order}, order)
    )
    finding = choose_finding(paths, list(drizzled.values()), shares, settings.imagefind)
    log_.info(finding.why)
    return finding


def members_of(tile: Exposure, exposures: Sequence[Exposure]) -> list[Exposure]:
    """Return the exposures that a drizzled image was made from: those it names, else by ASN_ID."""
    if tile.members:
        return [exposure for exposure in exposures if exposure.rootname in tile.members]
    return [exposure for exposure in exposures if tile.asn_id and exposure.asn_id == tile.asn_id]


def _check_members(exposures: Sequence[Exposure], members: dict[str, list[Exposure]]) -> None:
    owners: dict[str, list[str]] = {exposure.rootname: [] for exposure in exposures}
    for tile, its in members.items():
        for exposure in its:
            owners[exposure.rootname].append(tile)
    lost = [name for name, tiles in owners.items() if not tiles]
    if lost:
        raise AlignmentError(
            f"no drizzled image was made from {', '.join(lost)}: TweakReg aligns drizzled images; "
            "add the DRZ/DRC files of these exposures to the source, or set `align: none`"
        )
    shared = {name: tiles for name, tiles in owners.items() if len(tiles) > 1}
    if shared:
        name, tiles = next(iter(shared.items()))
        raise AlignmentError(
            f"{name} is part of several drizzled images ({', '.join(tiles)}) and cannot follow "
            "them all; keep one of them in the source"
        )


def _fit_until_gates_hold(
    work: _Work, order: list[str], wcsname: str
) -> tuple[tweakreg.Tweaked, list[TileFit], list[Criterion]]:
    """Run TweakReg, without the tiles that fail a gate if the policy allows, until all pass.

    A tile that failed had already put its sources into the catalogue that later tiles were matched
    with, so the rest is fitted again without it.
    """
    settings = work.settings
    sources = work.call(
        "count_sources",
        {
            "files": [work.drizzled[name].name for name in order],
            "parameters": {},
            "imagefind": work.finding.parameters,
        },
    )
    counts = {name: sources[work.drizzled[name].name] for name in order}
    fits = {name: _unfitted(name, counts[name]) for name in order}
    tiles = [name for name in order if counts[name] >= settings.min_sources]
    _apply_policy(work, [fits[name] for name in order if name not in tiles])
    while True:
        if len(tiles) < work.needed:
            raise AlignmentError(
                f"{len(tiles)} of {counted(len(order), 'drizzled image')} can be aligned, at least "
                f"{work.needed} {'is' if work.needed == 1 else 'are'} needed "
                f"({_table(list(fits.values()))}). {_advice(work, work.excluded)}; or "
                "set `align: none`"
            )
        tweaked = _tweakreg(work, tiles, counts, wcsname)
        fits.update({fit.tile: fit for fit in tweaked.fits})
        table = check_gates([fits[name] for name in order], settings.gates, settings.min_sources)
        failed = {name for criterion in table for name in criterion.failed} & set(tiles)
        if not failed:
            return tweaked, [fits[name] for name in order], table
        _apply_policy(work, [fits[name] for name in tiles if name in failed])
        tiles = [name for name in tiles if name not in failed]


def _tweakreg(
    work: _Work, tiles: list[str], counts: dict[str, int], wcsname: str
) -> tweakreg.Tweaked:
    try:
        tweaked = tweakreg.run_tweakreg(
            work.folder / f"tweakreg{len(tiles)}",
            {name: work.folder / work.drizzled[name].name for name in tiles},
            [work.drizzled[name] for name in tiles],
            counts,
            {
                "minobj": work.settings.gates.min_matches,
                **work.finding.tweakreg,
                **work.settings.tweakreg,
            },
            work.finding.parameters,
            wcsname,
            work.log,
            work.catalogue,
        )
    except DrizzlepacError as error:
        raise AlignmentError(str(error)) from None
    work.peak_memory = max(work.peak_memory, tweaked.peak_memory)
    return tweaked


def _apply_policy(work: _Work, failed: list[TileFit]) -> None:
    if not failed:
        return
    if work.settings.on_failure == "stop":
        table = check_gates(failed, work.settings.gates, work.settings.min_sources)
        broken = [f"{c.name} ({c.asks}): {', '.join(c.failed)}" for c in table if c.failed]
        raise AlignmentError(
            f"gates of the alignment failed: {'; '.join(broken)}. "
            f"Found: {_table(failed)}. {_advice(work, [fit.tile for fit in failed])}; or set "
            "align.on_failure to drop or keep"
        )
    work.excluded += [fit.tile for fit in failed]


def _advice(work: _Work, tiles: Sequence[str]) -> str:
    images = {name: work.folder / tile.name for name, tile in work.drizzled.items()}
    return advice(work.finding, images, tiles or list(images))


def _unfitted(tile: str, sources: int) -> TileFit:
    nan = float("nan")
    return TileFit(tile, -1, sources, nan, nan, nan, nan, 0, nan, nan, nan)


def _table(fits: Sequence[TileFit]) -> str:
    return "; ".join(
        f"{fit.tile} {counted(fit.sources, 'source')}, {fit.matches} matched, rms {fit.rms_ra:.1f} "
        f"{fit.rms_dec:.1f} mas, shift {fit.shift:.3f} arcsec, dx {fit.dx:.3f} dy {fit.dy:.3f}"
        for fit in fits
    )


def _move_members(
    work: _Work,
    tweaked: Path,
    tile: str,
    members: dict[str, list[Exposure]],
    original_names: dict[str, str],
    wcsname: str,
) -> dict[str, float]:
    """TweakBack the exposures of a tile, and prove that each moved as the tile did (mas)."""
    name = work.drizzled[tile].name
    paths = {exposure: work.folder / exposure.name for exposure in members[tile]}
    before = {exposure: read_wcs(path) for exposure, path in paths.items()}
    work.call(
        "tweakback",
        {
            "drizzled": f"{tweaked.name}/{name}",
            "files": [exposure.name for exposure in members[tile]],
            "original": original_names[tile],
            "wcsname": wcsname,
        },
    )
    [drizzled_before] = read_wcs(work.folder / name).values()
    [drizzled_after] = read_wcs(tweaked / name).values()
    unlike = {}
    for exposure, path in paths.items():
        after = read_wcs(path)
        # Of all chips; numpy's maximum, because that of Python can lose a NaN.
        unlike[exposure.rootname] = float(
            np.max(
                [
                    unlike_motion(
                        (drizzled_before, drizzled_after), (before[exposure][v], after[v])
                    )
                    for v in after
                ]
            )
        )
        if not unlike[exposure.rootname] <= MAX_UNLIKE_MOTION:
            raise AlignmentError(
                f"{exposure.name} moved {unlike[exposure.rootname]:.2f} mas differently from "
                f"{name} (at most {MAX_UNLIKE_MOTION:g} is allowed). Was the image drizzled with "
                "another WCS than the exposure has now? Fetch both files again"
            )
    return unlike
