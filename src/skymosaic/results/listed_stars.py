"""Whether the stars that a store holds are those that the campaign file asks for."""

from __future__ import annotations

from skymosaic.config.align import Align
from skymosaic.config.reference import TileReference
from skymosaic.pipeline.align_results import REFERENCE
from skymosaic.pipeline.reference import settings_of
from skymosaic.steps.manifests import recorded_parameters
from skymosaic.steps.place import Place


def are_current(place: Place, settings: Align) -> bool:
    """Tell whether stars were listed by what the campaign file says of them now.

    What a file or a server has now is not looked at.
    """
    choice = settings.reference
    recorded = recorded_parameters(place, REFERENCE.step().name)
    if recorded is None or isinstance(choice, TileReference):
        return False
    return all(recorded.get(name) == value for name, value in settings_of(choice).items())
