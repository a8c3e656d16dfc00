"""A bucket as source: which of its keys are taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from skymosaic.archive.bucket import Bucket, Entry
from skymosaic.archive.s3 import S3Folder
from skymosaic.errors import InputError


@dataclass(frozen=True)
class Keys(Bucket):
    """A bucket whose list is known."""

    keys: tuple[str, ...] = field(default=(), compare=False)

    def list(self, prefix: str) -> Iterator[Entry]:
        return (Entry(key, 9, '"e"') for key in self.keys if key.startswith(prefix))


def names(*keys: str, **options) -> list[str]:
    return [p.name for p in S3Folder(Keys("b", keys=keys), "a/", **options).parcels()]


def test_exposures_and_drizzled_images_below_the_folder() -> None:
    keys = ("a/x_flt.fits", "a/deep/er/y_drz.fits", "a/z_flc.fits", "a/x_raw.fits", "b/w_flt.fits",
            "a/", "a/notes")  # fmt: skip
    assert names(*keys) == ["x_flt", "y_drz", "z_flc"]
    assert names(*keys, "a/x_flc.fits") == ["x_flc", "y_drz", "z_flc"]
    assert names(*keys, kinds=("FLC",)) == ["z_flc"]
    assert names(*keys, "a/v_drw.fits") == ["v_drw", "x_flt", "y_drz", "z_flc"]


def test_patterns_of_rootnames() -> None:
    keys = ("a/ibxl54bgq_flt.fits", "a/ibxl51eoq_flt.fits")
    assert names(*keys, names=("ibxl54*",)) == ["ibxl54bgq_flt"]
    with pytest.raises(InputError, match="no calibrated exposures"):
        names(*keys, names=("ibxl54",))


@pytest.mark.parametrize("name", [".._flt.fits", "-x_flt.fits", "x y_flt.fits", "x\n_flt.fits"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="does not end in a file name"):
        names("a/x_flt.fits", f"a/{name}")


def test_one_name_in_two_folders_is_refused() -> None:
    with pytest.raises(InputError, match=r"twice, as a/1/x_flt\.fits and a/2/x_flt\.fits"):
        names("a/1/x_flt.fits", "a/2/x_flt.fits")
