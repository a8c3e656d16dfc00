"""Values of headers as drizzlepac's blending asks for them, against the headers it reads itself."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

pytest.importorskip("drizzlepac")


def samples(tmp_path: Path) -> list[Path]:
    """Return files with headers of real exposures, and one with what else a header may have."""
    found = find_spec("drizzlepac")
    assert found is not None and found.origin is not None
    sites = Path(found.origin).parents[1]
    real = sorted(sites.glob("tests/hap/sample_*_flc.fits"))
    odd = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((3, 5), "f4"), name="SCI", ver=2)])
    for header in (odd[0].header, odd[1].header):
        header["ROOTNAME"], header["INSTRUME"] = "abc", "WFC3"
        header["QUOTED"], header["BLANKS"], header["EMPTY"] = "it's  ", "  x  ", ""
        header["HALF"], header["TINY"], header["MANY"] = 0.5, -1.25e-30, 12345678901234
        header["YES"], header["NOTHING"], header["LONG"] = True, None, "a b " * 40
        header["COLON"] = "EXTVER: 1.0"
        header["COMMENT"] = "of it"
        header.append(fits.Card.fromstring("DEXP    = 1.5D3 / with a D"))
    odd.writeto(tmp_path / "odd_flt.fits")
    return [tmp_path / "odd_flt.fits", *real]


def test_values_are_those_of_drizzlepacs_own_headers(tmp_path: Path) -> None:
    from fitsblender import blendheaders

    from skymosaic.drizzlepac_calls.quick_headers import QuickTemplates

    for path in samples(tmp_path):
        with fits.open(path) as hdus:
            chips = [hdu.ver for hdu in hdus if hdu.name == "SCI"]
        templates = QuickTemplates()
        templates.template(f"{path}[sci,{chips[0]}]")  # the first of its instrument is whole
        templates._firsts.clear()
        templates._firsts.update(dict.fromkeys(("WFC3", "ACS"), "another"))
        for chip in chips:
            name = f"{path}[sci,{chip}]"
            ours, theirs = templates.template(name), blendheaders.getSingleTemplate(name)
            both = templates.concatenate(*ours[:2]), blendheaders.cat_headers(*theirs[:2])
            for quick, whole in zip((*ours, both[0]), (*theirs, both[1]), strict=True):
                assert "NOTTHERE" not in quick
                for keyword in set(whole) - {"", "COMMENT", "HISTORY"}:
                    assert keyword in quick
                    value = quick[keyword]
                    assert type(value) is type(whole[keyword]), keyword
                    assert value == whole[keyword], keyword


def test_blended_values_are_those_of_fitsblender() -> None:
    from fitsblender import blender, blendheaders

    from skymosaic.drizzlepac_calls.quick_headers import QuickHeader, blended

    random = np.random.default_rng(3)
    names = ("TEXT", "WHOLE", "REAL", "FLAG", "MIXED", "BIG", "NONE", "SOME")

    def values(number: int) -> dict[str, object]:
        found: dict[str, object] = {
            "TEXT": f"of {number}",
            "WHOLE": number,
            "REAL": float(random.normal()),
            "FLAG": bool(number % 2),
            "MIXED": number if number % 3 else "text",
            "BIG": number * 10**9,
        }
        return {**found, **({"SOME": 0.25 * number} if number % 2 else {})}

    every = [values(number) for number in range(7)]
    functions = blendheaders.blender_funcs.values()
    rules = [
        *((name.lower() if name == "REAL" else name, name) for name in names),
        *((name, f"{name[:4]}{n}", one, "ignore") for name in ("WHOLE", "REAL", "SOME", "NONE")
          for n, one in enumerate(functions)),
    ]  # fmt: skip
    quick = [fits.Header(every[0]), *map(QuickHeader, every[1:])]
    ours, table = blended(quick, rules)
    theirs, their_table = blender.fitsblender([fits.Header(one) for one in every], rules)
    assert ours == theirs
    assert table.dtype == their_table.dtype
    np.testing.assert_array_equal(table.mask, their_table.mask)
    for name in names:
        kept = ~np.asarray(table.mask[name])
        np.testing.assert_array_equal(table.data[name][kept], their_table.data[name][kept])
