"""Run a campaign, and write down what was told of it meanwhile.

``python -m tests.watched FILE STORE OUTPUT.json``
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prometheus_client import generate_latest

from skymosaic.config import load_campaign
from skymosaic.errors import SkymosaicError
from skymosaic.journal.metrics import Metrics
from skymosaic.runs import running
from skymosaic.steps.progress import Event


def main() -> None:
    """Run the campaign of the command line."""
    file, store, output = sys.argv[1:]
    campaign = load_campaign(Path(file), {"store.uri": store, "compute.workers": 2})
    measured, events = Metrics(campaign.name), list[dict[str, Any]]()

    def tell(event: Event) -> None:
        events.append(asdict(event))
        measured.tell(event)

    error = None
    try:
        running.run(campaign, tell, measured.expect)
    except SkymosaicError as raised:
        error = type(raised).__name__
    written = {"events": events, "metrics": generate_latest(measured.registry).decode()}
    Path(output).write_text(json.dumps({**written, "error": error}))


if __name__ == "__main__":
    main()
