"""TweakReg's growing catalogue without the numbers that double with each image.

`drizzlepac.imgclasses.RefImage.append_not_matched_sources` numbers the sources that an image adds:
as many numbers as the catalogue has, not as the image adds. So the list of numbers, which nobody
reads, is twice as long after each image. Seen with 600 sources in an image: 21 GB at the 23rd.
"""

from __future__ import annotations

from typing import Any


def keep_numbers_short() -> None:
    """Make `RefImage` of this process number each source of its catalogue once."""
    import numpy as np
    from drizzlepac import imgclasses

    append = imgclasses.RefImage.append_not_matched_sources
    if getattr(append, "numbers_once", False):
        return

    def append_not_matched_sources(self: Any, image: Any) -> None:
        self.all_radec[3] = self.all_radec[3][-1:]
        append(self, image)
        self.all_radec[3] = np.arange(len(self.all_radec[0]))

    append_not_matched_sources.numbers_once = True  # type: ignore[attr-defined]
    imgclasses.RefImage.append_not_matched_sources = append_not_matched_sources
