"""Which detectors a campaign file itself names: defaults differ between them."""

from __future__ import annotations

from skymosaic.config.sources import AnySource, DirectorySource, MastSource, SimulatedSource
from skymosaic.hst.imagers import imagers_named


def named_detectors(source: AnySource) -> list[tuple[str, str]]:
    """Return INSTRUME and DETECTOR of the exposures that a source names; none where it may be any.

    The file of a folder or a bucket does not tell what lies there.
    """
    if isinstance(source, SimulatedSource):
        instrument, _, detector = source.instrument.upper().partition("-")
        return [(instrument, detector)]
    if isinstance(source, MastSource):
        meant = [imager for name in source.instrument for imager in imagers_named(name)]
        return list(dict.fromkeys((one.instrument, one.detectors[0]) for one in meant))
    if isinstance(source, DirectorySource) and (source.detector or "").upper() == "IR":
        return [("WFC3", "IR")]  # no other instrument has a detector of that name
    return []
