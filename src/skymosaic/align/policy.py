"""What becomes of drizzled images that fail a gate: the campaign stops, or goes on without them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from skymosaic.align.gates import TileFit, check_gates
from skymosaic.config import Align
from skymosaic.errors import AlignmentError
from skymosaic.host.counting import counted


class Excluding:
    """The images that are left out, as the campaign says.

    Parameters
    ----------
    settings : Align
        The campaign's.
    advice : callable
        Returns what might help images of these rootnames, for people.
    """

    def __init__(self, settings: Align, advice: Callable[[Sequence[str]], str]) -> None:
        self.excluded: list[str] = []
        """Rootnames, in the order in which they failed."""
        self._settings, self._advice = settings, advice

    def apply(self, failed: Sequence[TileFit]) -> None:
        """Leave images out that failed a gate.

        Raises
        ------
        AlignmentError
            The campaign says that it stops then.
        """
        if not failed:
            return
        if self._settings.on_failure == "stop":
            table = check_gates(failed, self._settings.gates, self._settings.min_sources)
            broken = [f"{c.name} ({c.asks}): {', '.join(c.failed)}" for c in table if c.failed]
            raise AlignmentError(
                f"gates of the alignment failed: {'; '.join(broken)}. "
                f"Found: {_listed(failed)}. {self._advice([fit.tile for fit in failed])}; or set "
                "align.on_failure to drop or keep"
            )
        self.excluded += [fit.tile for fit in failed]

    def require(self, needed: int, left: int, fits: Mapping[str, TileFit]) -> None:
        """Refuse an alignment of too few images.

        Parameters
        ----------
        needed, left : int
            How many there must be, and how many there are.
        fits : mapping of str to TileFit
            Of all images, by rootname.

        Raises
        ------
        AlignmentError
            There are fewer.
        """
        if left < needed:
            raise AlignmentError(
                f"{left} of {counted(len(fits), 'drizzled image')} can be aligned, at least "
                f"{needed} {'is' if needed == 1 else 'are'} needed "
                f"({_listed(list(fits.values()))}). {self._advice(self.excluded or list(fits))}; "
                "or set `align: none`"
            )


def unfitted(tile: str, sources: int) -> TileFit:
    """Return the record of a drizzled image that nothing was fitted to."""
    nan = math.nan
    return TileFit(tile, -1, sources, nan, nan, nan, nan, 0, nan, nan, nan)


def _listed(fits: Sequence[TileFit]) -> str:
    return "; ".join(
        f"{fit.tile} {counted(fit.sources, 'source')}, {fit.matches} matched, rms {fit.rms_ra:.1f} "
        f"{fit.rms_dec:.1f} mas, shift {fit.shift:.3f} arcsec, dx {fit.dx:.3f} dy {fit.dy:.3f}"
        for fit in fits
    )
