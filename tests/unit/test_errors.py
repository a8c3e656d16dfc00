"""The tree of errors: one exit code a class, and messages that survive the way from a worker."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
from pathlib import Path

import pytest

import skymosaic
from skymosaic import errors
from skymosaic.drizzlepac_calls.process import DrizzlepacError
from skymosaic.errors import SkymosaicError, error_classes, exit_code_markdown
from skymosaic.journal.runs import states_markdown
from skymosaic.steps.manifests import NotFinishedError

EXIT_CODES = {
    "SkymosaicError": 1,
    "CampaignError": 3,
    "InputError": 4,
    "AlignmentError": 5,
    "DrizzleError": 6,
    "SkyError": 7,
    "InstallationError": 8,
    "StoreError": 9,
    "ComputeError": 10,
    "OutOfMemoryError": 11,
    "UnreachableError": 12,
    "LockedError": 13,
    "MissingError": 14,
    "ForbiddenError": 15,
    "DamagedError": 16,
    "PartialError": 17,
    "CancelledError": 18,
    "WalltimeError": 19,
}
MET_BY_USERS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, SkymosaicError)
]


def every_class() -> list[type[SkymosaicError]]:
    """Return the whole tree, after importing every module that could add to it."""
    for module in pkgutil.walk_packages(skymosaic.__path__, "skymosaic."):
        importlib.import_module(module.name)
    return error_classes()


def test_exit_codes_are_those_that_scripts_rely_on() -> None:
    assert {cls.__name__: cls.exit_code for cls in MET_BY_USERS} == EXIT_CODES


def test_each_class_has_a_code_of_its_own() -> None:
    codes = [cls.exit_code for cls in MET_BY_USERS]
    assert len(set(codes)) == len(codes)


def test_codes_mean_nothing_else() -> None:
    """2 is click's wrong usage, 126 and more are the shell's; 130 is an interruption."""
    for cls in MET_BY_USERS:
        if cls is not SkymosaicError:
            assert 2 < cls.exit_code < 126


def test_what_modules_add_is_turned_into_one_of_these() -> None:
    """An error of drizzlepac has no code of its own: its caller gives it one."""
    assert DrizzlepacError in SkymosaicError.__subclasses__()
    assert set(every_class()) == set(MET_BY_USERS)


def test_the_tree_is_listed_by_exit_code() -> None:
    classes = every_class()
    assert [cls.exit_code for cls in classes] == sorted(cls.exit_code for cls in classes)
    assert classes[0] is SkymosaicError
    assert len(set(classes)) == len(classes)


def test_each_class_says_what_it_means() -> None:
    texts = [cls.__doc__ for cls in every_class()]
    assert all(texts)
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("cls", [*MET_BY_USERS, DrizzlepacError, NotFinishedError])
@pytest.mark.parametrize("message", ["a_flt.fits: 2 of 3 µ-values {wrong}; do this", ""])
def test_it_travels_from_a_worker_with_its_message(cls, message) -> None:
    arrived = pickle.loads(pickle.dumps(cls(message)))
    assert type(arrived) is cls
    assert str(arrived) == message


def test_the_page_of_exit_codes_is_current() -> None:
    page = (Path(__file__).parents[2] / "docs" / "exit-codes.md").read_text()
    assert page == exit_code_markdown() + states_markdown()
