"""Trials on real services: each is tried, once more where it failed, and told of in a table."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Sequence


class TrialError(AssertionError):
    """Something was not as it must be."""


class NotTriedError(Exception):
    """It cannot be tried on this host."""


def play(
    names: Iterable[str], words: Sequence[str], attempt: Callable[[str, int], str], tries: int = 2
) -> int:
    """Try what words choose; print a line for each attempt; return 1 if something failed, else 0.

    Parameters
    ----------
    names : iterable of str
        All trials, in their order.
    words : sequence of str
        Trials whose names hold one of these; none: all.
    attempt : callable
        Gets a trial's name and the number of the attempt; returns what came of it.
    tries : int
        How often to try what fails: a host's first starts are slow, and a busy one's always.
    """
    chosen = [name for name in names if not words or any(word in name for word in words)]
    if not chosen:
        print(f"no trial is called like {' or '.join(words)}")
        return 1
    width, failed, late = max(map(len, chosen)), [], []
    print(f"{'trial':<{width}} {'time':>6}  outcome", flush=True)
    for name in chosen:
        for number in range(1, tries + 1):
            started = time.monotonic()
            good, outcome = _try(name, number, attempt)
            print(f"{name:<{width}} {time.monotonic() - started:5.0f}s  {outcome}", flush=True)
            if good:
                late += [name] if number > 1 else []
                break
        else:
            failed.append(name)
    again = f", only at the second try: {', '.join(late)}" if late else ""
    print(f"{len(chosen)} trials, {len(failed)} failed{again}", flush=True)
    return 1 if failed else 0


def words_and_size(arguments: Sequence[str]) -> tuple[list[str], str]:
    """Return what a command line says: words of trials, and the size of the demo's frames.

    ``--full`` asks for frames of full size. The trials look at services, which see no pixels.
    """
    words = [word for word in arguments if word != "--full"]
    return words, "small" if len(words) == len(arguments) else "full"


def _try(name: str, number: int, attempt: Callable[[str, int], str]) -> tuple[bool, str]:
    try:
        return True, attempt(name, number)
    except NotTriedError as why:
        return True, f"NOT TRIED: {why}"
    except TrialError as why:
        return False, f"FAILED: {why}"
    except Exception as why:  # whatever it was, the others are still to be tried
        traceback.print_exc()
        return False, f"FAILED: {type(why).__name__}: {why}"
