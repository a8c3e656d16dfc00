"""Which values of drizzlepac's parameters can be right.

drizzlepac itself takes any number, and makes no mosaic of a wrong one, or a wrong mosaic.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Range:
    """Numbers from `least` (left out where `open_below`) to `most`."""

    least: float
    most: float | None = None
    open_below: bool = False

    def __str__(self) -> str:
        """Return it as it follows 'must be'."""
        low = f"above {self.least:g}" if self.open_below else f"at least {self.least:g}"
        return low if self.most is None else f"{low} and at most {self.most:g}"

    def holds(self, number: float) -> bool:
        """Tell whether a number lies in it."""
        above = number > self.least if self.open_below else number >= self.least
        return above and (self.most is None or number <= self.most)


_POSITIVE = Range(0, open_below=True)
_NOT_NEGATIVE = Range(0)
_COUNT = Range(1)
_SHARE = Range(0, 1, open_below=True)
_ANGLE = Range(-360, 360)  # degrees
# arcsec; the widest pixel of an imager has 0.2
_PIXEL = Range(0.001, 10)  # arcsec

RANGES: Mapping[str, Range] = MappingProxyType(
    {
        # AstroDrizzle
        "stepsize": _COUNT,
        "static_sig": _POSITIVE,
        "skywidth": _POSITIVE,
        "skyclip": _NOT_NEGATIVE,
        "skylsigma": _POSITIVE,
        "skyusigma": _POSITIVE,
        "driz_sep_pixfrac": Range(0, 1),
        "driz_sep_rot": _ANGLE,
        "driz_sep_scale": _PIXEL,
        "driz_sep_outnx": _COUNT,
        "driz_sep_outny": _COUNT,
        "driz_sep_ra": _ANGLE,
        "driz_sep_dec": Range(-90, 90),
        "combine_maskpt": Range(0, 1),
        "combine_nlow": _NOT_NEGATIVE,
        "combine_nhigh": _NOT_NEGATIVE,
        "combine_grow": _NOT_NEGATIVE,
        "combine_bufsize": _POSITIVE,
        "blot_sinscl": _POSITIVE,
        "driz_cr_grow": _NOT_NEGATIVE,
        "driz_cr_ctegrow": _NOT_NEGATIVE,
        "final_pixfrac": Range(0, 1),  # 0: kernel point, as drizzlepac's docs say
        "final_rot": _ANGLE,
        "final_scale": _PIXEL,
        "final_outnx": _COUNT,
        "final_outny": _COUNT,
        "final_ra": _ANGLE,
        "final_dec": Range(-90, 90),
        # TweakReg
        "nbright": _COUNT,
        "refnbright": _COUNT,
        "minobj": _COUNT,
        "searchrad": _POSITIVE,
        "separation": _NOT_NEGATIVE,
        "tolerance": _POSITIVE,
        "ylimit": _POSITIVE,
        "labelsize": _COUNT,
        "nclip": _NOT_NEGATIVE,
        "sigma": _POSITIVE,
        # imagefind
        "skysigma": _NOT_NEGATIVE,
        "conv_width": _POSITIVE,
        "threshold": _POSITIVE,
        "nsigma": _POSITIVE,
        "ratio": _SHARE,
        "theta": _ANGLE,
    }
)

ORDERED = (
    ("skylower", "skyupper"),
    ("combine_lthresh", "combine_hthresh"),
    ("peakmin", "peakmax"),
    ("fluxmin", "fluxmax"),
    ("sharplo", "sharphi"),
    ("roundlo", "roundhi"),
)
"""Pairs of which the first must be below the second. TweakReg's fluxes may be magnitudes."""


# No two runs of spaces stand side by side: there are many ways to share out a long one.
_FLAGS = r"\s*(?:~\s*)?(?:\(\s*)?([0-9]{1,10}(?:\s*[,+]\s*[0-9]{1,10})*)\s*(?:\)\s*)?"
_ALL = 0xFFFF
"""All flags that DQ has room for: its words have 16 bits."""


def _bits(text: str) -> bool:
    """Tell whether a text is flags of DQ, as astropy's ``interpret_bit_flags`` reads them."""
    if text.strip().upper() in ("", "NONE", "INDEF"):
        return True
    found = re.fullmatch(_FLAGS, text)
    flags = [int(flag) for flag in re.split(r"[,+]", found[1])] if found else []
    # A single number is a sum of flags; in a list each is a flag.
    single = len(flags) == 1
    return bool(flags) and all(0 <= f <= _ALL and (single or f.bit_count() == 1) for f in flags)


def _pair(text: str) -> bool:
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        return False
    return len(numbers) == 2 and all(0 < number < float("inf") for number in numbers)


def _number_or(*words: str) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            return text in words or 0 < float(text) < float("inf")
        except ValueError:
            return False

    return check


_BITS = (_bits, "flags of DQ, powers of 2 up to 32768, such as 64 or '64,512'")
_PAIR = (_pair, "two numbers above 0, such as '3.5 3.0'")
_WEIGHT = (_number_or("exptime", "expsq"), "exptime, expsq, or a number above 0")
_GIVEN = (_number_or("", "None", "INDEF"), "a number above 0")
TEXTS: Mapping[str, tuple[Callable[[str], bool], str]] = MappingProxyType(
    {
        **dict.fromkeys(("resetbits", "sky_bits", "driz_sep_bits", "final_bits", "dqbits"), _BITS),
        **dict.fromkeys(("combine_nsigma", "driz_cr_snr", "driz_cr_scale"), _PAIR),
        **dict.fromkeys(("driz_sep_wt_scl", "final_wt_scl"), _WEIGHT),
        **dict.fromkeys(("gain", "rdnoise", "exptime"), _GIVEN),
    }
)
"""For parameters that are text to drizzlepac: whether one is right, and what is."""


def wrong_with(name: str, value: object) -> str:
    """Return what is wrong with a parameter's value of the right type; empty where nothing is."""
    if name == "crbit" and isinstance(value, int):
        return (
            ""
            if 0 < value < 2**16 and value.bit_count() == 1
            else "must be a power of 2 up to 32768"
        )
    if name in RANGES and isinstance(value, (int, float)):
        return "" if RANGES[name].holds(value) else f"must be {RANGES[name]}"
    if name in TEXTS and isinstance(value, str):
        is_right, what = TEXTS[name]
        return "" if is_right(value) else f"must be {what}"
    return ""


def require_ordered(parameters: Mapping[str, object]) -> None:
    """Refuse limits of which the lower one is not below the upper one.

    Raises
    ------
    ValueError
        It names both.
    """
    for low, high in ORDERED:
        below, above = parameters.get(low), parameters.get(high)
        if isinstance(below, (int, float)) and isinstance(above, (int, float)) and below >= above:
            raise ValueError(f"{low} ({below:g}) must be below {high} ({above:g})")
