"""Which detectors a campaign file itself names: defaults differ between them."""

from __future__ import annotations

from skymosaic.config.sources import AnySource, DirectorySource, MastSource, SimulatedSource


def named_detectors(source: AnySource) -> list[tuple[str, str]]:
    """Return INSTRUME and DETECTOR of the exposures that a source names; none where it may be any.

    The file of a folder or a bucket does not tell what lies there.
    """
    if isinstance(source, SimulatedSource):
        return [_pair(source.instrument.upper(), "-")]
    if isinstance(source, MastSource):
        plain = all("/" in name and "*" not in name for name in source.instrument)
        return [_pair(name.upper(), "/") for name in source.instrument] if plain else []
    if isinstance(source, DirectorySource) and (source.detector or "").upper() == "IR":
        return [("WFC3", "IR")]  # no other instrument has a detector of that name
    return []


def _pair(name: str, between: str) -> tuple[str, str]:
    instrument, _, detector = name.partition(between)
    return instrument, detector
