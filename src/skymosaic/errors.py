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


def exit_code_table() -> list[tuple[int, str, str]]:
    """Return every exit code with its name and its meaning, in order."""
    ours = [
        (cls.exit_code, cls.__name__, str(cls.__doc__).split("\n")[0]) for cls in error_classes()
    ]
    others = [
        (0, "", "Done."),
        (2, "", "Wrong usage of the command line."),
        (130, "", "Interrupted (Ctrl-C); run the same command again to go on."),
        (143, "", "Terminated (SIGTERM); run the same command again to go on."),
    ]
    return sorted(ours + others)


def exit_code_markdown() -> str:
    """Return the page of the documentation that lists the exit codes."""
    rows = [
        f"| {code} | {f'`{name}`' if name else ''} | {meaning} |"
        for code, name, meaning in exit_code_table()
    ]
    head = ["# Exit codes", "", "Made by `scripts/write-exit-codes` from `skymosaic.errors`.", ""]
    return "\n".join([*head, "| Code | Error | Meaning |", "|---|---|---|", *rows]) + "\n"


def error_classes() -> list[type[SkymosaicError]]:
    """Return every class of the tree that users meet, by exit code."""
    found = [SkymosaicError]
    for cls in found:
        found.extend(sub for sub in cls.__subclasses__() if sub.__module__ == __name__)
    return sorted(found, key=lambda cls: cls.exit_code)
