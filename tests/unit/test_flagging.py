"""A flag of DQ is set whatever whole numbers DQ is made of, and is there when it is read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from skymosaic.hst.flagging import cleared, free_flag, set_flag


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "uint16", "int32", "int64"])
@pytest.mark.parametrize("flag", [1, 128, 256, 32768])
def test_a_flag_is_read_back_and_no_other_changes(tmp_path: Path, kind: str, flag: int) -> None:
    before = np.array([[0, 64], [2, 68]])
    path = tmp_path / "dq.fits"
    fits.ImageHDU(before.astype(kind), name="DQ").writeto(path)
    mask = np.array([[True, False], [False, True]])
    with fits.open(path, mode="update", memmap=False) as hdus:
        set_flag(hdus["DQ"], mask, flag)
    after = fits.getdata(path, "DQ").astype(np.int64) & 0xFFFF
    np.testing.assert_array_equal(after, np.where(mask, before | flag, before))


@pytest.mark.parametrize("kind", ["uint8", ">i2", "uint16", "int32", "int64"])
@pytest.mark.parametrize("bits", [0, 64, 4096, 32768, 65535, 65536])
def test_any_flags_are_cleared(kind: str, bits: int) -> None:
    before = np.array([0, 64, 4 + 64, 4 + 4096 + 32768])
    flags = before.astype("uint16").astype(kind)
    after = cleared(flags, bits)
    assert after.dtype == flags.dtype.newbyteorder("=")
    np.testing.assert_array_equal(
        after.astype(np.int64) & 0xFFFF, flags.astype(np.int64) & 0xFFFF & ~bits
    )


def test_a_flag_that_is_free_is_found_among_all_sixteen() -> None:
    assert free_flag(0) == 32768
    assert free_flag(32768 | 16384 | 64) == 8192
    assert free_flag(0xFFFF & ~1) == 1
    assert free_flag(0xFFFF) is None
    assert free_flag(~64) == 64  # as flags are read that a parameter names by what they are not
