"""The one tree of errors. Each class has one exit code; the table in the docs is made from it.

A message names the file, the value, and what to do about it.
"""

from __future__ import annotations


class SkymosaicError(Exception):
    """Something went wrong that has no class of its own."""

    exit_code = 1
    passes_by_itself = False
    """Whether doing the same again, later or with more memory, can succeed."""


class CampaignError(SkymosaicError):
    """The campaign file (or an option that overrides it) is wrong; nothing was run."""

    exit_code = 3


class InputError(SkymosaicError):
    """An exposure or drizzled image is damaged, missing, duplicated, or of a different kind.

    Parameters
    ----------
    message : str
        What is wrong, and what to do.
    of_file : bool
        Whether one file is at fault, as it lies at its source: the others can do without it.
    """

    exit_code = 4

    def __init__(self, message: object = "", *, of_file: bool = False) -> None:
        super().__init__(message)
        self.of_file = of_file


class AlignmentError(SkymosaicError):
    """TweakReg or TweakBack failed, or a tile failed a gate; no aligned file was stored."""

    exit_code = 5


class DrizzleError(SkymosaicError):
    """AstroDrizzle failed, or the mosaic would be too large to begin."""

    exit_code = 6


class SkyError(SkymosaicError):
    """A sky value cannot be trusted: another method ran, records disagree, an invariant fails."""

    exit_code = 7


class InstallationError(SkymosaicError):
    """The installation lacks something, gives wrong results, or differs from the workers'."""

    exit_code = 8


class StoreError(SkymosaicError):
    """The store or the scratch folder is full, cannot be used, or was changed by others."""

    exit_code = 9


class ComputeError(SkymosaicError):
    """The workers were lost, or did not start. Finished steps are kept; a new run resumes."""

    exit_code = 10
    passes_by_itself = True


class OutOfMemoryError(SkymosaicError):
    """drizzlepac ran out of memory, even with all the memory that its host could give it."""

    exit_code = 11
    passes_by_itself = True


class UnreachableError(StoreError):
    """The store did not answer, or was too busy, until the waiting time was over."""

    exit_code = 12
    passes_by_itself = True


class LockedError(SkymosaicError):
    """Another run of this campaign is working in this store, or has replaced this one."""

    exit_code = 13
    passes_by_itself = True


class MissingError(StoreError, FileNotFoundError):
    """Something that should be in the store is not there."""

    exit_code = 14


class ForbiddenError(StoreError, PermissionError):
    """The store or a folder may not be read or written with these permissions or credentials."""

    exit_code = 15


class DamagedError(StoreError):
    """A product or record in the store is damaged; repair: ``skymosaic verify-store --repair``."""

    exit_code = 16


class PartialError(SkymosaicError):
    """Some groups of a program failed; the others are finished."""

    exit_code = 17


class CancelledError(SkymosaicError):
    """The run was stopped by ``skymosaic cancel``; ``skymosaic restart`` resumes it."""

    exit_code = 18


class WalltimeError(SkymosaicError):
    """The job reached its time limit in the batch system. Finished steps are kept; resume it."""

    exit_code = 19
    passes_by_itself = True


def exit_code_table() -> list[tuple[int, str, str, bool]]:
    """Return every exit code, its name, its meaning, whether it can pass by itself; in order."""
    ours = [
        (cls.exit_code, cls.__name__, str(cls.__doc__).split("\n")[0], cls.passes_by_itself)
        for cls in error_classes()
    ]
    others = [
        (0, "", "Done.", False),
        (2, "", "Wrong usage of the command line.", False),
        (129, "", "The terminal was closed (SIGHUP); run the same command again to resume.", True),
        (130, "", "Interrupted (Ctrl-C); run the same command again to resume.", True),
        (143, "", "Terminated (SIGTERM); run the same command again to resume.", True),
    ]
    return sorted(ours + others)


def exit_code_markdown() -> str:
    """Return the page of the documentation that lists the exit codes."""
    rows = [
        f"| {code} | {f'`{name}`' if name else ''} | {meaning} | {'yes' if again else ''} |"
        for code, name, meaning, again in exit_code_table()
    ]
    head = ["# Exit codes", "", "Made by `scripts/write-exit-codes` from `skymosaic.errors`.", ""]
    columns = ["| Code | Error | Meaning | May succeed if run again |", "|---|---|---|---|"]
    return "\n".join([*head, *columns, *rows]) + "\n"


def error_classes() -> list[type[SkymosaicError]]:
    """Return every class of the tree that users meet, by exit code."""
    found = [SkymosaicError]
    for cls in found:
        found.extend(sub for sub in cls.__subclasses__() if sub.__module__ == __name__)
    return sorted(found, key=lambda cls: cls.exit_code)
