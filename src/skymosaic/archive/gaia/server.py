"""Ask a TAP server for stars of the Gaia catalogue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from astropy.table import Table

from skymosaic.archive.gaia.answers import read_answer
from skymosaic.archive.gaia.selection import COLUMNS, Selection, distinct
from skymosaic.errors import InputError, UnreachableError
from skymosaic.host.counting import counted

_PATIENCE = 60.0  # s in which a server answers, or goes on to


def ask(
    url: str,
    table: str,
    selection: Selection,
    folder: Path,
    log: Path,
    wait: float,
    patience: float = _PATIENCE,
) -> Table:
    """Return the stars of a server's table that are wanted, each once.

    Parameters
    ----------
    url : str
        Of the TAP service, such as ``https://gea.esac.esa.int/tap-server/tap``.
    table : str
        Such as ``gaiadr3.gaia_source``.
    selection : Selection
    folder : Path
        Is made; the answers go there.
    log : Path
        What astroquery prints is added to it.
    wait : float
        Longest time for all, s.
    patience : float
        Longest time in which the server sends nothing, s.

    Raises
    ------
    UnreachableError
        The server does not answer, or sends answers that are not whole.
    InputError
        It refuses a query, or cuts an answer.
    """
    folder.mkdir(parents=True)
    order = {
        "parent": os.getpid(),
        "url": url,
        "queries": selection.queries(table),
        "folder": str(folder),
        "patience": patience,
    }
    done = _run(order, log, url, wait)
    if "refused" in done:
        raise InputError(
            f"{url} refuses the query for {table}: {done['refused']}; see align.reference.url and "
            "table"
        )
    if "failed" in done:
        raise UnreachableError(
            f"{url} does not answer as it should ({done['failed']}); try again later, or give a "
            "copy of the catalogue in align.reference.path"
        )
    return distinct(_tables(folder, url, table, selection))


def _tables(folder: Path, url: str, table: str, selection: Selection) -> list[Table]:
    """Return the answers, once it is sure that none of them was cut."""
    tables = []
    for number in range(len(selection.circles)):
        answer = read_answer(folder / f"{number}.vot")
        selection.require_few(len(answer.table), f"{table} at {url}")
        _require_columns(answer.table, url, table)
        if answer.overflowed:
            raise InputError(
                f"{url} cuts its answer after {counted(len(answer.table), 'row')}, so that stars "
                "are missing: set align.reference.max_mag to a brighter magnitude, or give a copy "
                "of the catalogue in align.reference.path"
            )
        tables.append(answer.table)
    return tables


def _run(order: dict[str, Any], log: Path, url: str, wait: float) -> dict[str, str]:
    """Run the process that asks, and return what it tells."""
    with log.open("ab") as output:
        try:
            done = subprocess.run(
                [sys.executable, "-m", "skymosaic.archive.gaia.asking"],
                input=json.dumps(order).encode(),
                stdout=subprocess.PIPE,
                stderr=output,
                timeout=wait,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UnreachableError(
                f"{url} took longer than {wait:g} s (align.reference.wait); allow it more, set "
                "align.reference.max_mag to a brighter magnitude, or try again later"
            ) from None
    try:
        answer: dict[str, str] = json.loads(done.stdout)
    except ValueError:
        raise UnreachableError(
            f"the process that asked {url} ended with status {done.returncode}; {log.name} among "
            "the logs tells more"
        ) from None
    return answer


def _require_columns(answer: Table, url: str, table: str) -> None:
    if missing := [name for name in COLUMNS if name not in answer.colnames]:
        raise InputError(
            f"{url} answers without the column {missing[0]}: {table} is no table like "
            "gaiadr3.gaia_source (align.reference.table)"
        )
