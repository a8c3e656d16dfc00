"""The VOTables in which TAP servers answer."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from astropy.io import votable
from astropy.io.votable.exceptions import VOWarning
from astropy.table import Table
from astropy.units import UnitsWarning

from skymosaic.archive.votables import own_data


@dataclass(frozen=True)
class Answer:
    """What a server answers."""

    table: Table
    """Without rows where it tells of an error."""
    overflowed: bool
    """Whether the server cut it."""
    error: str = ""
    """What the server says went wrong; empty for nothing."""


def read_answer(path: Path) -> Answer:
    """Read an answer; raises what astropy does where it is no whole VOTable with data in it."""
    with path.open("rb") as file:
        data = own_data(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnitsWarning)
        warnings.simplefilter("ignore", VOWarning)
        document = votable.parse(io.BytesIO(data), verify="ignore")
    # TAP 1.1, section 3.3: what became of a query stands in an INFO before its table, and behind
    # the table where that was cut.
    infos = [info for resource in document.resources for info in resource.infos]
    status = {str(one.value).upper(): str(one.content or "") for one in infos if _is_status(one)}
    if "ERROR" in status:
        return Answer(Table(), False, " ".join(status["ERROR"].split())[:300] or "an error")
    table = document.get_first_table().to_table(use_names_over_ids=True)
    return Answer(table, "OVERFLOW" in status)


def _is_status(info: votable.tree.Info) -> bool:
    return str(info.name).upper() == "QUERY_STATUS"
