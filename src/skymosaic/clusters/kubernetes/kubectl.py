"""kubectl, by which a cluster is spoken to: it knows the user's clusters, and how to log in."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skymosaic.errors import ComputeError, InstallationError

_PATIENCE = 60.0  # s for one request
_LIMIT = 600.0  # s for a command, which may ask for several things, or wait for a login
_REASON = re.compile(r"^Error from server \(([A-Za-z]+)\)", re.MULTILINE)
_REFUSED = re.compile(r'cannot ([a-z]+) resource "([a-z]+)"')
_INVALID = re.compile(r'The [A-Za-z]+ "[^"]*" is invalid:')
_LOG = re.compile(r"[IWEF]\d{4} ")
_QUOTED = re.compile(r'"[^"]*"')
_LOOKING = 'from server for: "STDIN": '
_NO_LOGIN = "error: EOF"  # it asked for a user, on a standard input that has ended
_LONGEST = 1000  # characters of what kubectl says that are repeated
_LONGEST_SHOWN = 60  # characters of what it printed in place of objects


@dataclass(frozen=True)
class Answer:
    """What kubectl did."""

    verb: str
    code: int
    """Its exit code."""
    printed: str
    errors: str
    """What it wrote to standard error: warnings, too."""

    @property
    def failed(self) -> bool:
        """Whether it did not do all that it was given."""
        return self.code != 0

    @property
    def reasons(self) -> set[str]:
        """Words of the API server for why it refused, such as ``Forbidden``; it need not say."""
        return set(_REASON.findall(self.errors)) if self.failed else set()

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The objects that it printed as JSON.

        Raises
        ------
        ComputeError
            It printed something else.
        """
        if not self.printed.strip():
            return []
        try:
            found = json.loads(self.printed)
            objects = found.get("items", [found])
            return [one for one in objects if one["metadata"] is not None]
        except (ValueError, AttributeError, KeyError, TypeError):
            raise ComputeError(
                f"kubectl {self.verb} printed no objects as JSON, but "
                f"{self.printed.strip()[:_LONGEST_SHOWN]!r}. Is the `kubectl` on the PATH the one "
                "of Kubernetes, without a wrapper that prints text of its own?"
            ) from None

    def error(self) -> ComputeError:
        """Return the error that says why it failed, and what to do."""
        reasons = _reasons(self.errors)
        text = "; ".join(reasons)[:_LONGEST]
        if not text:
            text = f"it was ended by signal {-self.code}" if self.code < 0 else "it said nothing"
        return ComputeError(f"kubectl {self.verb} failed: {text}. {_remedy(reasons)}")


def answer_of(
    *arguments: str, given: str = "", patience: float = _PATIENCE, limit: float = _LIMIT
) -> Answer:
    """Run kubectl with the user's own configuration; return what came of it.

    Parameters
    ----------
    *arguments : str
        Its arguments.
    given : str
        Its standard input.
    patience : float
        Seconds for one request.
    limit : float
        Seconds for all of it, such as several tries to find the server, or a plugin that logs in.

    Raises
    ------
    InstallationError
        There is no kubectl, or it is none for this machine.
    """
    command = ["kubectl", *arguments, f"--request-timeout={patience:.0f}s"]
    try:
        done = subprocess.run(
            command,
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        return Answer(arguments[0], 1, "", f"error: timeout: no answer within {limit:g} s")
    except FileNotFoundError:
        raise InstallationError(
            "kubectl is not on the PATH; install it (https://kubernetes.io/docs/tasks/tools/), "
            "or apply what `skymosaic prepare` prints with another tool"
        ) from None
    except OSError as error:
        raise InstallationError(
            f"kubectl cannot be started ({error.strerror}); install it for this machine "
            "(https://kubernetes.io/docs/tasks/tools/)"
        ) from None
    return Answer(arguments[0], done.returncode, done.stdout, done.stderr)


def kubectl(*arguments: str, given: str = "") -> None:
    """Run kubectl as `answer_of` does, for what it does.

    Raises
    ------
    InstallationError
        There is no kubectl.
    ComputeError
        It failed.
    """
    answer = answer_of(*arguments, given=given)
    if answer.failed:
        raise answer.error()


def objects_of(
    *arguments: str, given: str = "", patience: float = _PATIENCE, limit: float = _LIMIT
) -> list[dict[str, Any]]:
    """Run kubectl as `answer_of` does; return the objects that it prints.

    Raises
    ------
    InstallationError
        There is no kubectl.
    ComputeError
        It failed, or printed something else.
    """
    answer = answer_of(*arguments, "--output=json", given=given, patience=patience, limit=limit)
    if answer.failed:
        raise answer.error()
    return answer.objects


def _reasons(said: str) -> list[str]:
    """Return the lines of what kubectl says that tell why it failed, each once."""
    # Its log of retries and its warnings come first, what stopped it last.
    lines = [line for line in said.strip().splitlines() if line and not _LOG.match(line)]
    # `apply` says in four lines that it may not look at an object: the last of them says so.
    errors = [
        line.removeprefix(_LOOKING)
        for line in lines
        if line.startswith(_LOOKING)
        or (line.lower().startswith("error") and not line.endswith("configuration of:"))
    ]
    # Of one object it says what is wrong with each field, a line each.
    about = [number for number, line in enumerate(lines) if _INVALID.match(line)]
    rest = [" ".join(lines[about[-1] :])] if about else lines[-1:]
    return list(dict.fromkeys(errors or rest))


def _remedy(reasons: Sequence[str]) -> str:
    reason = "; ".join(reasons)
    # The names of objects are in quotes: a campaign may be called "refused".
    lower = _QUOTED.sub("", reason).lower()
    if "namespaces" in lower and "not found" in lower:
        return (
            "An administrator makes the namespace once, from namespace.yaml (`skymosaic prepare "
            "CONFIG --document namespace.yaml`); or set compute.kubernetes.namespace to yours"
        )
    if "forbidden" in lower:
        what = " ".join(refused.groups()) if (refused := _REFUSED.search(reason)) else "create jobs"
        return (
            "Your account has no permission for this: docs/kubernetes.md lists the "
            "permissions that it needs; or set compute.kubernetes.namespace to one in which it "
            f"has them (test it with `kubectl auth can-i {what} --namespace NAME`)"
        )
    if _NO_LOGIN in reasons or any(
        word in lower for word in ("unauthorized", "logged in", "credentials", "password")
    ):
        return "Log in to the cluster again, then repeat"
    if any(word in lower for word in ("refused", "timeout", "timed out", "no such host")):
        return "Is the cluster up? `kubectl config current-context` tells which one is asked"
    if "immutable" in lower or "already exists" in lower:
        return "An object of that name exists already: `skymosaic cancel` it, then repeat"
    return "`kubectl config current-context` tells which cluster was asked"
