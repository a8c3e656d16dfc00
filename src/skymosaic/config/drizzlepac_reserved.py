"""The drizzlepac parameters that a campaign cannot set, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_COPIES = "each call works on private copies of the exposures in a folder of its own"
_PRODUCTS = "the names and the form of the products are fixed, so that they can be checked"
_LOG = "the log is kept with the run"
_ONE_SET = "all parameters of a run are in the campaign file, none in other files"
_NO_WINDOWS = "workers have no screen"
_WCS_UPDATE = "it would replace the WCS of the aligned exposures"
_HEADERLET = "the aligned exposures carry the solution themselves, no headerlet is written"
_NAME_LISTS = "it names a list of further files, which the private folder of a call does not have"
_SKY_GIVEN = "the sky is computed by each of sky.methods; one given by hand would replace all four"

RESERVED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "astrodrizzle": MappingProxyType(
            {
                "input": "the exposures come from source",
                "output": _PRODUCTS,
                "build": _PRODUCTS,
                "driz_combine": "the final drizzle is the product of the run",
                "runfile": _LOG,
                "configobj": _ONE_SET,
                "editpars": _NO_WINDOWS,
                "mdriztab": "the MDRIZTAB of an exposure could replace parameters of the campaign",
                "skymethod": "one run is made for each of sky.methods",
                "skysub": "a run without sky subtraction has no sky method to compare",
                "skyfile": _SKY_GIVEN,
                "skyuser": _SKY_GIVEN,
                "skymask_cat": _NAME_LISTS,
                "num_cores": "the parallel work is arranged by compute.workers",
                "in_memory": "a run must not hold all of its exposures in memory",
                "restore": _COPIES,
                "preserve": _COPIES,
                "overwrite": _COPIES,
                "clean": _COPIES,
                "updatewcs": _WCS_UPDATE,
                "wcskey": "the exposures are drizzled with the WCS that the alignment left primary",
                "group": "every chip of every exposure is drizzled",
                "final_wcs": "it is always true: without it AstroDrizzle ignores final_*",
            }
        ),
        "tweakreg": MappingProxyType(
            {
                "input": "the drizzled tiles come from source",
                "refimage": "the reference is the first of align.order",
                "runfile": _LOG,
                "configobj": _ONE_SET,
                "imagefindcfg": "its parameters go under align.imagefind",
                "refimagefindcfg": "its parameters go under align.imagefind",
                "editpars": _NO_WINDOWS,
                "interactive": _NO_WINDOWS,
                "see2dplot": _NO_WINDOWS,
                "residplot": _NO_WINDOWS,
                "updatewcs": _WCS_UPDATE,
                "updatehdr": "private copies are updated, and kept only when the gates are passed",
                "wcsname": "the name must be known to carry the solution over to the exposures",
                "reusename": "the solution gets a name that no file has yet",
                "shiftfile": "the shift file is always written: the gates read it",
                "outshifts": _PRODUCTS,
                "outwcs": _PRODUCTS,
                "writecat": "the catalogues are always written: the gates count their sources",
                "clean": _COPIES,
                "catfile": _NAME_LISTS,
                "exclusions": _NAME_LISTS,
                "headerlet": _HEADERLET,
                "attach": _HEADERLET,
                "hdrfile": _HEADERLET,
                "hdrname": _HEADERLET,
                "clobber": _HEADERLET,
                "author": _HEADERLET,
                "descrip": _HEADERLET,
                "catalog": _HEADERLET,
                "history": _HEADERLET,
            }
        ),
        "imagefind": MappingProxyType({}),
    }
)
