"""All images in one solution, against the truth: random campaigns of catalogues.

    python -m benchmarks.astrometry --first 10000 --campaigns 190 [--rival]
    python -m benchmarks.astrometry --growth 125 1000 4000

prints a line a campaign, what failed and why, and how far aligned images are from the truth: of
each image the rms over its area of the length of the offset, in mas. `silently wrong` is an image
that is aligned by its own account and off by more than 5 mas and by more than 5 of its standard
errors (tweakwcs states none), or that had no right place at all. With `--rival` the same catalogues
are aligned by tweakwcs' align_wcs as well. The last line is one JSON object.

Seeds from 0 to 999 were used while the solution was written; claims are made on seeds from 10000.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.astrometry_fields import Field, make_field
from skymosaic.align.joint import Request, solve_images
from skymosaic.align.moves import ARCSEC, Move, bases
from skymosaic.align.together_records import Together
from skymosaic.config import Gates

Floats = NDArray[np.float64]
MAS = ARCSEC * 1000.0
MATCHES = 10
"""Images with so many are those of the claim."""
LIMIT = 5.0
REQUEST = Request(gates=Gates(max_rms_mas=40.0), min_sources=5)


def grid(field: Field, number: int) -> Floats:
    """Return places all over an image as its header has them, unit vectors, shape (n, 3)."""
    corners = field.images[number].corners
    a, b = np.meshgrid(np.linspace(0, 1, 7), np.linspace(0, 1, 7))
    weights = np.stack([(1 - a) * (1 - b), a * (1 - b), a * b, (1 - a) * b], axis=-1)
    places = weights.reshape(-1, 4) @ corners
    return np.asarray(places / np.linalg.norm(places, axis=1, keepdims=True))


def offsets(field: Field, number: int, move: Move, frame: Floats) -> Floats:
    """Return where an image was put against where it belongs: east, north, mas, shape (n, 2)."""
    places = grid(field, number)
    right = field.truth[number].apply(places) @ frame.T
    return np.einsum("nkx,nx->nk", bases(right)[:, :2], move.apply(places) - right) * MAS


def frame_of(field: Field, moves: dict[int, Move], held: int | None) -> Floats:
    """Return the rotation from the true sky to that in which the held image stays where it is."""
    if held is None:
        return np.eye(3)
    return np.asarray(moves[held].matrix @ field.truth[held].matrix.T)


def measure(field: Field, solved: Together) -> dict[str, Any]:
    """Return how far each image is off, and what failed."""
    moves = {n: one.move for n, one in enumerate(solved.images) if one.move is not None}
    held = next((n for n in moves if solved.images[n].fit.reference), None)
    frame = frame_of(field, moves, held)
    rows, wrong = [], []
    away = {n: offsets(field, n, move, frame) for n, move in moves.items()}
    for n, one in enumerate(solved.images):
        if n not in moves or n == held:
            continue
        rms = float(np.sqrt((away[n] ** 2).sum(axis=1).mean()))
        frame_is = "reference" if held is None else "one image"
        if held is not None and abs(field.images[n].epoch - field.images[held].epoch) > 1:
            frame_is = "one image, ten years away"
        error = float(one.error * np.sqrt(2))
        rows.append((rms, error, one.fit.matches, field.images[n].kind, frame_is))
        impossible = field.special.get(n) in ("no sources", "ghost of a field", "doubled name")
        if impossible or (rms > LIMIT and not rms <= 5 * error):
            wrong.append({"image": one.name, "rms": rms, "error": one.error})
    failed = [
        {
            "why": one.why,
            "special": field.special.get(n, ""),
            "stars": field.true_counts[n],
            "kind": field.images[n].kind,
        }
        for n, one in enumerate(solved.images)
        if one.move is None
    ]
    return {
        "rows": rows,
        "wrong": wrong,
        "failed": failed,
        "filters": between_filters(field, away, solved),
        "reference": held is None,
    }


def between_filters(
    field: Field, away: dict[int, Floats], solved: Together
) -> list[tuple[float, float]]:
    """Return how far images of two filters lie apart that overlap: mas, and years between them."""
    found = []
    numbers = [n for n in away if solved.images[n].fit.matches >= MATCHES]
    for a in numbers:
        for b in numbers:
            one, two = field.images[a], field.images[b]
            near = one.centre @ two.centre > np.cos(60.0 / ARCSEC)
            if a < b and one.kind != two.kind and near:
                # The mean offset of each is that of its middle.
                apart = away[a].mean(axis=0) - away[b].mean(axis=0)
                found.append((float(np.hypot(*apart)), abs(one.epoch - two.epoch)))
    return found


def summary(name: str, results: list[dict[str, Any]]) -> dict[str, Any]:
    """Print and return what all campaigns together say."""
    rows = [row for result in results for row in result["rows"]]
    rms, error, matches = (np.array([row[k] for row in rows], dtype=float) for k in range(3))
    enough = matches >= MATCHES
    if not rows:
        print(f"== {name}: nothing is aligned")
        return {"aligned": 0, "seconds": float(sum(result["seconds"] for result in results))}
    pull = rms / np.maximum(error, 1e-9)
    found: dict[str, Any] = {"aligned": len(rows), "with_enough": int(enough.sum())}
    frames = np.array([row[4] for row in rows])
    for detector in ("IR", "WFC"):
        kind = np.array([row[3].startswith(detector) for row in rows], dtype=bool)
        for frame in ("reference", "one image", "one image, ten years away"):
            mine = enough & kind & (frames == frame)
            if mine.any():
                found[f"{detector}, to {frame}"] = _spread(rms[mine])
    found["fewer_matches"] = _spread(rms[~enough]) if (~enough).any() else None
    found["stated_error"] = {"median_ratio": float(np.median(pull)), "largest": float(pull.max())}
    for name_, least, most in (("same epoch", 0, 1), ("ten years apart", 1, 99)):
        for frame, known in (("reference", True), ("one image", False)):
            apart = [
                one
                for result in results
                for one, years in result["filters"]
                if least <= years < most and result["reference"] == known
            ]
            if apart:
                found[f"filters, {name_}, to {frame}"] = _spread(np.array(apart))
    found["silently_wrong"] = [one for result in results for one in result["wrong"]]
    found["seconds"] = float(sum(result["seconds"] for result in results))
    print(f"== {name}")
    for key, value in found.items():
        print(f"{key:40} {value}")
    return found


def _spread(values: Floats) -> dict[str, float]:
    return {
        "number": len(values),
        "rms": round(float(np.sqrt((values**2).mean())), 3),
        "median": round(float(np.median(values)), 3),
        "p95": round(float(np.percentile(values, 95)), 3),
        "largest": round(float(values.max()), 3),
        "within": round(float((values <= LIMIT).mean()), 4),
    }


def run(seed: int, rival: bool) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Make one campaign and solve it."""
    field = make_field(seed)
    start = time.process_time()
    solved = solve_images(field.images, field.reference, REQUEST)
    result = {**measure(field, solved), "seconds": time.process_time() - start}
    rows = result["rows"]
    worst = max((row[0] for row in rows if row[2] >= MATCHES), default=0.0)
    pull = max((row[0] / row[1] for row in rows), default=0.0)
    print(
        f"seed {seed}: {len(field.images)} images, reference {field.reference is not None}, "
        f"{len(rows)} aligned, worst {worst:.2f} mas and {pull:.1f} errors, "
        f"{len(result['failed'])} failed, {len(result['wrong'])} silently wrong, "
        f"{result['seconds']:.2f} s",
        flush=True,
    )
    for one in result["failed"]:
        print(f"    {one['special'] or one['stars']}: {one['why']}")
    if not rival:
        return result, None
    from benchmarks.astrometry_rival import align_by_tweakwcs  # takes seconds to import

    start = time.process_time()
    theirs = align_by_tweakwcs(field)
    return result, {**measure(field, theirs), "seconds": time.process_time() - start}


def growth(counts: list[int]) -> dict[str, float]:
    """Print and return CPU seconds of one solution by the number of tiles."""
    found = {}
    for tiles in counts:
        field = make_field(10_000, tiles=tiles, stars=100.0)
        start = time.process_time()
        solved = solve_images(field.images, field.reference, REQUEST)
        found[str(tiles)] = time.process_time() - start
        rows = measure(field, solved)["rows"]
        rms = float(np.sqrt(np.mean([row[0] ** 2 for row in rows])))
        print(
            f"{tiles} tiles: {found[str(tiles)]:.1f} s, {len(rows)} aligned, rms {rms:.2f} mas",
            flush=True,
        )
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--campaigns", type=int, default=10)
    parser.add_argument("--rival", action="store_true")
    parser.add_argument("--growth", type=int, nargs="+")
    options = parser.parse_args()
    if options.growth:
        print(json.dumps({"seconds": growth(options.growth)}))
        return
    pairs = [run(options.first + n, options.rival) for n in range(options.campaigns)]
    found: dict[str, Any] = {"campaigns": options.campaigns, "first": options.first}
    found["together"] = summary("together", [ours for ours, _ in pairs])
    failed = [one for ours, _ in pairs for one in ours["failed"]]
    found["failed"] = dict(Counter(one["special"] or "few stars" for one in failed))
    print("failed", found["failed"])
    if options.rival:
        found["tweakwcs"] = summary("tweakwcs", [their for _, their in pairs if their])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
