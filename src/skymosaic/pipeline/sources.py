"""Sources of exposures: the one that a campaign file names, what MAST has, simulated ones.

Each is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from skymosaic.archive.base import Source
from skymosaic.config import AnySource, Campaign, MastSource, S3Source, SimulatedSource
from skymosaic.drizzlepac_calls import process
from skymosaic.errors import CampaignError
from skymosaic.host import scratch
from skymosaic.host.counting import counted
from skymosaic.pipeline.known_images import KnownImages
from skymosaic.pipeline.rules import allowed_by
from skymosaic.steps.place import Place

if TYPE_CHECKING:
    from skymosaic.archive.mast.query import Found
    from skymosaic.archive.mast.source import MastArchive
    from skymosaic.archive.simulated.exposures import Simulation


def open_source(source: AnySource, *, mixed: bool = False, place: Place | None = None) -> Source:
    """Return the source that a campaign file names.

    Parameters
    ----------
    source : model
        As the file names it.
    mixed : bool
        Whether it is of several instruments and filters.
    place : Place or None
        Where a campaign of one mosaic lives, which may know files of a folder already.
    """
    if isinstance(source, MastSource):
        return open_mast(source, mixed=mixed)
    if isinstance(source, SimulatedSource):
        from skymosaic.archive.simulated.source import SimulatedArchive

        return SimulatedArchive(simulations_of(source), process.call, mixed)
    if isinstance(source, S3Source):
        return _open_s3(source, mixed)
    from skymosaic.archive.directory import Directory

    return Directory(
        path=source.path,
        leave_out_bad=source.on_bad_file == "leave_out",
        filter=source.filter,
        detector=source.detector,
        allow_mixed=source.allow_mixed,
        allowed=allowed_by(source),
        mixed=mixed,
        known=None if place is None or mixed else KnownImages.of(place),
    )


def simulations_of(source: SimulatedSource) -> list[Simulation]:
    """Return what a source simulates, one simulation a filter.

    Raises
    ------
    CampaignError
        There is no such tile.
    """
    from skymosaic.archive.simulated.effects import Effects
    from skymosaic.archive.simulated.simulation import Simulation

    common = source.model_dump(exclude={"kind", "filters", "detector"})
    common["detector"] = Effects(**source.detector.model_dump())
    if not source.filters:
        return [Simulation(**common)]
    simulations = []
    for name, tiles in source.filters.items():
        own = {"filter": name, "tiles": tiles or source.tiles}
        try:
            simulations.append(Simulation(**{**common, **own}))
        except CampaignError as error:
            raise CampaignError(f"source.filters.{name}: {error}") from None
    return simulations


def open_mast(source: MastSource, *, mixed: bool = False) -> MastArchive:
    """Return the archive with a campaign's query, and the places that its files come from."""
    # Only who asks the archive pays for importing astroquery and requests.
    from skymosaic.archive.bucket import Bucket
    from skymosaic.archive.mast.http import Http
    from skymosaic.archive.mast.query import Query, server
    from skymosaic.archive.mast.source import MastArchive

    bucket, mast = Bucket(source.bucket, source.bucket_endpoint_url), Http(server())
    places = {"auto": (bucket, mast), "bucket": (bucket,), "mast": (mast,)}
    query = Query(**source.model_dump(include=set(Query.__dataclass_fields__)))
    return MastArchive(query, places[source.download], mixed)


def _open_s3(source: S3Source, mixed: bool) -> Source:
    from skymosaic.archive.bucket import Bucket
    from skymosaic.archive.s3 import S3Folder

    name, _, prefix = source.uri.removeprefix("s3://").partition("/")
    bucket = Bucket(name, source.endpoint_url, source.region, source.profile, source.unsigned)
    folder = prefix and f"{prefix}/"
    return S3Folder(bucket, folder, source.names, source.kinds, source.max_files, mixed)


def query(campaign: Campaign) -> Found:
    """Return what the archive has of what a campaign asks for; nothing is fetched.

    Raises
    ------
    CampaignError
        The campaign's source is not the archive.
    InputError, UnreachableError
        The archive has nothing, or too much; it does not answer.
    """
    if not isinstance(campaign.source, MastSource):
        raise CampaignError(
            f"source.kind is {campaign.source.kind}: only `kind: mast` has a query to show; "
            "`skymosaic prepare` lists the groups of any source"
        )
    from skymosaic.archive.mast.query import find

    return find(open_mast(campaign.source).query)


def write_gaia(path: Path, simulation: Simulation, say: Callable[[str], None]) -> None:
    """Write what Gaia would have of the stars of a simulation.

    Parameters
    ----------
    path : Path
        A file, replaced if there; its end tells the format.
    simulation : Simulation
        Whose stars.
    say : callable
        Gets a line of it.

    Raises
    ------
    InputError
        The end of the name tells no format.
    CampaignError
        The format has no units.
    """
    from skymosaic.align.reference_files import format_of
    from skymosaic.archive.simulated.gaia import gaia_catalogue

    kind = format_of(path.name, "--gaia")
    if kind == "ascii":
        raise CampaignError(f"--gaia {path}: units need .ecsv, .fits or .vot; name it so")
    table = gaia_catalogue([simulation])
    path.parent.mkdir(parents=True, exist_ok=True)
    table.write(path, format=kind, overwrite=True)
    say(f"{path}: {counted(len(table), 'star')}")


def simulate(
    folder: Path,
    simulation: Simulation,
    say: Callable[[str], None],
) -> None:
    """Write simulated exposures, their drizzled images and the truth into a folder.

    Parameters
    ----------
    folder : Path
        Made if absent; files of the same names are replaced.
    simulation : Simulation
        What to make.
    say : callable
        Gets a line for each visit.

    Raises
    ------
    SkymosaicError
        The simulation asks for what is not there, or AstroDrizzle failed.
    """
    from skymosaic.archive.simulated.source import SimulatedArchive

    source = SimulatedArchive([simulation], process.call)
    folder.mkdir(parents=True, exist_ok=True)
    for parcel in source.parcels():
        with scratch.folder(None, "simulate") as work:
            source.fetch(parcel, folder, work / "simulate.log")
        say(f"{parcel.name}: {', '.join(sorted(p.name for p in folder.glob(parcel.name + '*')))}")
