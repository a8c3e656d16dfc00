"""kubectl, by which a cluster is spoken to: it knows the user's clusters, and how to log in."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

from skymosaic.errors import ComputeError, InstallationError

_PATIENCE = "60s"  # for one request
_REFUSED = re.compile(r'cannot ([a-z]+) resource "([a-z]+)"')
_LOG = re.compile(r"[IWEF]\d{4} ")
_QUOTED = re.compile(r'"[^"]*"')
_LOOKING = 'from server for: "STDIN": '
_LONGEST = 1000  # characters of what kubectl says that are repeated


def kubectl(*arguments: str, given: str = "") -> str:
    """Run kubectl with the user's own configuration; return what it prints.

    Parameters
    ----------
    *arguments : str
        Its arguments.
    given : str
        Its standard input.

    Raises
    ------
    InstallationError
        There is no kubectl.
    ComputeError
        It failed.
    """
    # Whoever waits for a deletion has one request open all the time.
    patience = [] if arguments[0] == "delete" else [f"--request-timeout={_PATIENCE}"]
    command = ["kubectl", *arguments, *patience]
    try:
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise InstallationError(
            "kubectl is not on the PATH; install it (https://kubernetes.io/docs/tasks/tools/), "
            "or apply what `skymosaic prepare` prints with another tool"
        ) from None
    if done.returncode != 0:
        raise _as_error(arguments[0], done.stderr)
    return done.stdout


def kubectl_json(*arguments: str, given: str = "") -> dict[str, Any]:
    """Run kubectl and return the objects that it prints; empty where it prints none."""
    printed = kubectl(*arguments, "--output=json", given=given)
    found: dict[str, Any] = json.loads(printed) if printed.strip() else {}
    return found


def _as_error(verb: str, said: str) -> ComputeError:
    reasons = _reasons(said)
    text = "; ".join(reasons)[:_LONGEST] or "it said nothing"
    return ComputeError(f"kubectl {verb} failed: {text}. {_remedy('; '.join(reasons))}")


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
    return list(dict.fromkeys(errors or lines[-1:]))


def _remedy(reason: str) -> str:
    # The names of objects are in quotes: a campaign may be called "refused".
    lower = _QUOTED.sub("", reason).lower()
    if "namespaces" in lower and "not found" in lower:
        return (
            "An administrator makes the namespace once, from namespace.yaml as `skymosaic prepare` "
            "prints it; or set compute.kubernetes.namespace to yours"
        )
    if "forbidden" in lower:
        what = " ".join(refused.groups()) if (refused := _REFUSED.search(reason)) else "create jobs"
        return (
            "Your account has no permission for this: docs/kubernetes.md lists the "
            "permissions that it needs; or set compute.kubernetes.namespace to one in which it "
            f"has them (test it with `kubectl auth can-i {what} --namespace NAME`)"
        )
    if any(word in lower for word in ("unauthorized", "logged in", "credentials", "password")):
        return "Log in to the cluster again, then repeat"
    if any(word in lower for word in ("refused", "timeout", "timed out", "no such host")):
        return "Is the cluster up? `kubectl config current-context` tells which one is asked"
    if "immutable" in lower or "already exists" in lower:
        return "An object of that name exists already: `skymosaic cancel` it, then repeat"
    return "`kubectl config current-context` tells which cluster was asked"
