"""Which source a campaign file names; each is imported when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skymosaic import drizzlepac_process
from skymosaic.archive.base import Source
from skymosaic.config import DirectorySource, MastSource, SimulatedSource

if TYPE_CHECKING:
    from skymosaic.archive.mast.source import MastArchive


def open_source(
    source: SimulatedSource | DirectorySource | MastSource, *, mixed: bool = False
) -> Source:
    """Return the source that a campaign file names; `mixed`: of several instruments and filters."""
    if isinstance(source, MastSource):
        return open_mast(source, mixed=mixed)
    if isinstance(source, SimulatedSource):
        from skymosaic.archive.simulated.exposures import Simulation
        from skymosaic.archive.simulated.source import SimulatedArchive

        return SimulatedArchive(
            Simulation(source.seed, source.size, source.tiles, source.dithers, source.displace),
            drizzlepac_process.call,
        )
    from skymosaic.archive.directory import Directory

    return Directory(
        path=source.path,
        leave_out_bad=source.on_bad_file == "leave_out",
        filter=source.filter,
        detector=source.detector,
        allow_mixed=source.allow_mixed,
    )


def open_mast(source: MastSource, *, mixed: bool = False) -> MastArchive:
    """Return the archive with a campaign's query, and the places that its files come from."""
    # Only who asks the archive pays for importing astroquery and requests.
    from skymosaic.archive.mast.bucket import Bucket
    from skymosaic.archive.mast.http import Http
    from skymosaic.archive.mast.query import Query
    from skymosaic.archive.mast.source import MastArchive

    bucket = Bucket(source.bucket, source.bucket_endpoint_url)
    places = {"auto": (bucket, Http()), "bucket": (bucket,), "mast": (Http(),)}
    query = Query(**source.model_dump(include=set(Query.__dataclass_fields__)))
    return MastArchive(query, places[source.download], mixed)
