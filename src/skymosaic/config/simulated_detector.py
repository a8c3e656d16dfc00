"""The section `source.detector` of simulated exposures."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from skymosaic.archive.simulated.names import LARGEST_ORDER
from skymosaic.config.fields import Count, Number
from skymosaic.config.sections import OptionalSection

Size = Annotated[Number, Field(ge=0.0, lt=1e6)]


class SimulatedDetector(OptionalSection):
    """What a real detector adds to simulated exposures: sizes; 0: it does not."""

    flat: Size = Field(
        default=0.0,
        description="What is left of the flat field: rms over the frame, as a fraction.",
    )
    flat_order: Annotated[Count, Field(le=LARGEST_ORDER)] = Field(
        default=3, description="Half waves across the frame of its finest pattern (count)."
    )
    blob: Size = Field(
        default=0.0, description="Depth of one round blob of less sensitivity, as a fraction."
    )
    amplifiers: Size = Field(
        default=0.0,
        description="Offset of the part of a frame that an amplifier reads, rms (electrons/s).",
    )
    chips: Size = Field(
        default=0.0, description="CCDs only: offset of each chip, rms (electrons/s)."
    )
    stripes: Size = Field(default=0.0, description="Offset of each row, rms (electrons/s).")
    gradient: Size = Field(
        default=0.0,
        description=(
            "Largest difference of the sky across a frame, as a fraction of it: the Earth's limb."
        ),
    )
    helium: Size = Field(
        default=0.0,
        description=(
            "WFC3/IR only: airglow that changes within an exposure (He I at 1083 nm): the largest "
            "mean that it adds, as a fraction of the sky."
        ),
    )
    persistence: Size = Field(
        default=0.0,
        description=(
            "WFC3/IR only: what a pixel that was full in the exposure before gives in the next one "
            "of the visit (electrons/s)."
        ),
    )
    trail: Size = Field(
        default=0.0,
        description="Brightness of a satellite's trail, in one exposure a visit (electrons/s).",
    )
