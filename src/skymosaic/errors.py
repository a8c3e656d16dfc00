"""The one tree of errors. Each class has one exit code; the table in the docs is made from it.

A message names the file, the value, and what to do about it.
"""

from __future__ import annotations


class SkymosaicError(Exception):
    """Something went wrong that has no class of its own."""

    exit_code = 1


class CampaignError(SkymosaicError):
    """The campaign file (or an option that overrides it) is wrong; nothing was run."""

    exit_code = 3


class InputError(SkymosaicError):
    """An exposure or drizzled file is damaged, missing, doubled or unlike the rest."""

    exit_code = 4


class AlignmentError(SkymosaicError):
    """TweakReg or TweakBack failed, or a tile failed a gate; no aligned file was stored."""

    exit_code = 5


class DrizzleError(SkymosaicError):
    """AstroDrizzle failed, or the output would be too large to start."""

    exit_code = 6


class SkyError(SkymosaicError):
    """A sky value cannot be trusted: another method ran, records disagree, an invariant broke."""

    exit_code = 7


class InstallationError(SkymosaicError):
    """The installation gives wrong answers (``skymosaic doctor`` tells why); nothing was run."""

    exit_code = 8


class StoreError(SkymosaicError):
    """The store or the scratch folder is full, forbidden, or was changed by others."""

    exit_code = 9


class ComputeError(SkymosaicError):
    """The workers were lost, or never came; finished steps are kept, and a new run goes on."""

    exit_code = 10


def error_classes() -> list[type[SkymosaicError]]:
    """Return every class of the tree, by exit code."""
    found = [SkymosaicError]
    for cls in found:
        found.extend(cls.__subclasses__())
    return sorted(found, key=lambda cls: cls.exit_code)
