"""Which images a campaign takes: what its file says, and what is refused or left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from skymosaic.config import AnySource
from skymosaic.drizzle.order import Detector, flags_ignored
from skymosaic.errors import InputError
from skymosaic.hst.exposure import Exposure
from skymosaic.hst.health import Ignored
from skymosaic.hst.usable import Allowed, left_out, require_engine, require_usable, why_refused


@dataclass(frozen=True)
class Rules:
    """What a campaign file says of the exposures that it takes."""

    mixed: bool = False
    """There may be several detectors and filters."""
    allowed: Allowed = field(default_factory=Allowed)
    needs: str | None = None
    """What in the file needs exposures that the one-pass engine takes; None: nothing."""
    leave_out: bool = False
    """Images that cannot be used are left out, and not refused."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """AstroDrizzle's parameters that the file sets: they tell which flags of DQ are ignored."""

    def ignored(self, image: Exposure) -> Ignored:
        """Return the flags of DQ that do not make a pixel of an exposure bad."""
        return flags_ignored((image.instrument, image.detector), self.parameters)

    def ignored_by(self, images: Sequence[Exposure]) -> dict[Detector, Ignored]:
        """Return the same of each detector that exposures are of."""
        first: dict[Detector, Exposure] = {}
        for image in images:
            if not image.drizzled:
                first.setdefault((image.instrument, image.detector), image)
        return {detector: self.ignored(image) for detector, image in sorted(first.items())}


@dataclass(frozen=True)
class Judgement:
    """Which images are taken."""

    taken: Sequence[Exposure]
    left_out: Sequence[str]
    """A line for each image that is not, with its reason."""
    refused: InputError | None
    """Why they are refused all together; None: they are taken."""


def judge(images: Sequence[Exposure], rules: Rules, unread: Sequence[str] = ()) -> Judgement:
    """Return which images are taken, and which are refused or left out.

    Parameters
    ----------
    images : sequence of Exposure
        What was retrieved.
    rules : Rules
        What the campaign file says.
    unread : sequence of str
        Why files were left out that could not be read.
    """
    unusable: dict[str, str] = {}
    if rules.leave_out:
        for image in images:
            if (why := why_refused(image, rules.allowed)) is not None:
                unusable[image.name] = why
    taken = [image for image in images if image.name not in unusable]
    refused = find_refusal(taken, rules)
    reasons = [*unread, *unusable.values()]
    if reasons and not any(not image.drizzled for image in taken):
        refused = InputError(f"every exposure was left out; the first because {reasons[0]}")
    return Judgement(taken, [left_out(why) for why in reasons], refused)


def find_refusal(images: Sequence[Exposure], rules: Rules) -> InputError | None:
    """Return why images are refused; None: they are taken."""
    try:
        require_usable(images, rules.allowed)
    except InputError as error:
        return InputError(f"{error} (or set source.on_bad_file: leave_out)")
    try:
        require_engine(images, rules.needs)
        if not rules.mixed:
            require_one_kind(images)
    except InputError as error:
        return error
    return None


def require_one_kind(images: Sequence[Exposure]) -> None:
    """Refuse images of several detectors or filters: a mosaic of them means nothing.

    Raises
    ------
    InputError
        There are several. The message names an image of each.
    """
    kinds: dict[str, str] = {}
    for image in images:
        kind = f"{image.instrument}/{image.detector} {image.filter}"
        kinds.setdefault(kind, image.name)
    if len(kinds) > 1:
        found = ", ".join(f"{kind} ({name})" for kind, name in sorted(kinds.items()))
        raise InputError(
            f"these images are of {len(kinds)} kinds: {found}; choose those of one, or set "
            "source.allow_mixed: true where the source has it"
        )


def allowed_by(source: AnySource) -> Allowed:
    """Return what a source takes that is refused otherwise."""
    return Allowed(
        getattr(source, "allow_untried", False), getattr(source, "allow_non_imaging", False)
    )
