"""What is logged, for people or as JSON lines."""

from __future__ import annotations

import json
import logging


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def log_to_stderr(verbose: int, quiet: bool, as_json: bool) -> None:
    """Let the project's log go to standard error.

    Parameters
    ----------
    verbose : int
        0: warnings; 1: what is done, too; 2: everything.
    quiet : bool
        Errors only.
    as_json : bool
        A JSON object a line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(
        _JsonLines() if as_json else logging.Formatter("%(levelname)s: %(message)s")
    )
    level = (
        logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    )
    if verbose < 2:
        # Dask tells of its own workings; what matters to users comes as events and errors.
        handler.addFilter(lambda record: not record.name.startswith("distributed"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("skymosaic").setLevel(level)
