"""What drizzlepac calls the mosaics of sky cells: run as a program, for its imports take long.

``python -m tests.skycell_names_witness < JSON``: a list of [cell, instrument, detector, filters
joined by ``;``, scale, suffix].
"""

from __future__ import annotations

import json
import sys

from skymosaic.drizzlepac_calls.skypac_polygons import give_back


def main() -> None:
    """Answer what standard input asks."""
    give_back()
    from drizzlepac.haputils.poller_utils import determine_filter_name
    from drizzlepac.haputils.product import SkyCellProduct

    rows = json.load(sys.stdin)
    filters = [determine_filter_name(one[3]) for one in rows]
    files = [
        SkyCellProduct(
            "0", "0", instrument.lower(), detector.lower(), "empty_aperture", cell,
            (name, scale, "all"), suffix, 50,
        ).drizzle_filename
        for (cell, instrument, detector, _, scale, suffix), name in zip(rows, filters, strict=True)
    ]  # fmt: skip
    print(json.dumps({"files": files, "filters": filters}))


if __name__ == "__main__":
    main()
