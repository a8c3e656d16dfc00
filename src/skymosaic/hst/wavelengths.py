"""What the names of filters tell of their wavelengths."""

from __future__ import annotations

import re

_FILTER = re.compile(r"FQ?(\d{3,4})(?:W|M|N|LP|X)?\b")
_NEAR_INFRARED = ("WFC3/IR", "NICMOS")


def wavelength_of(filter_: str, instrument: str) -> float | None:
    """Return about which wavelength a filter passes, by its name, micrometre.

    The digits of a filter's name are its wavelength in nm; in those of WFC3/IR and NICMOS, in
    10 nm (WFC3 Instrument Handbook, section 6.5; NICMOS Instrument Handbook, section 4.3).

    Parameters
    ----------
    filter_ : str
        Such as ``F160W``; of crossed filters, such as ``CLEAR1L;F814W``, the first that tells one.
    instrument : str
        Instrument and detector, such as ``WFC3/IR``.

    Returns
    -------
    float or None
        None where the name does not tell it, as that of a filter without digits.
    """
    found = _FILTER.search(filter_.upper())
    if found is None:
        return None
    unit = 0.01 if instrument.upper().startswith(_NEAR_INFRARED) else 0.001
    return round(int(found[1]) * unit, 6)
