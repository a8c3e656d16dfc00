"""Alignments that older versions made in one step: they are read, and not made anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skymosaic.align.catalogue import FILE
from skymosaic.config import Align
from skymosaic.pipeline.images import select
from skymosaic.pipeline.results import ALIGN, AlignResult, CatalogueResult, InspectionResult
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished, forget, recorded_parameters
from skymosaic.steps.place import Place
from skymosaic.steps.step import key_of
from skymosaic.versions import versions

ALL_FITTED = "all_are_fitted"
"""Part of the step's key that is none of its settings."""
PARTS = "parts"
"""The parameter by which the step says that others did the work."""
_SETTINGS = frozenset(
    {"method", "order", "tweakreg", "imagefind", "gates", "min_sources", "on_failure"}
)
"""What could be set of an alignment that was one step."""


def all_fitted(settings: Align, listed: Mapping[str, Any]) -> dict[str, bool]:
    """Return what the key of an alignment to a catalogue has beside its settings."""
    # Older versions left the first image where it was, whatever a catalogue told of it.
    return {ALL_FITTED: True} if listed or settings.tweakreg.get("refcat") else {}


def find_earlier(
    place: Place,
    settings: Align,
    inspected: Finished[InspectionResult],
    catalogue: Finished[CatalogueResult] | None = None,
) -> Finished[AlignResult] | None:
    """Return the alignment that an older version made of the same; None where there is none.

    Parameters as of `align.align`.
    """
    recorded = recorded_parameters(place, ALIGN.step().name)
    if recorded is None or PARTS in recorded:
        return None
    key_of_settings = settings.as_key()
    if key_of_settings.keys() - _SETTINGS:
        return None
    listed = {} if catalogue is None else {FILE: catalogue.products[FILE]}
    exposures = select(inspected.result.exposures, inspected.products)
    drizzled = select(inspected.result.drizzled, inspected.products)
    key = key_of(
        ALIGN.step().name,
        {**exposures.products, **drizzled.products, **listed},
        {**key_of_settings, **all_fitted(settings, listed)},
        versions(),
    )
    done = finished(place, ALIGN.step())
    return done if done is not None and done.key == key else None


def forget_earlier(place: Place) -> None:
    """Let an alignment of an older version count as not finished, as its files are replaced.

    The exposures in ``aligned/`` are then no longer those that it tells of, whatever their sizes
    are, and a run that is killed before it is done must not leave them to it.
    """
    recorded = recorded_parameters(place, ALIGN.step().name)
    if recorded is not None and PARTS not in recorded:
        forget(place, ALIGN.step().name)
