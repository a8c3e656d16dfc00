"""The solver `align.solve: together`: records in, records out, and what the campaign asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skymosaic.align.finding import FinderSettings
from skymosaic.align.in_order import solve_in_order
from skymosaic.align.moves import ARCSEC, Move, vectors_of
from skymosaic.align.records import AlignImage, ImageCatalogue, SolverRoom
from skymosaic.align.solvers import solver_of
from skymosaic.align.together import solve_together
from skymosaic.align.together_records import Image
from skymosaic.config import Align
from skymosaic.errors import AlignmentError
from skymosaic.hst.exposure import Chip, Exposure
from tests.unit.small_sky import make_image, make_reference, make_stars

STARS = make_stars(11, 150, width=240.0)
REFERENCE = make_reference(STARS)
TOGETHER = {"solve": "together"}


def as_given(image: Image) -> AlignImage:
    """Return an image as the graph hands it over."""
    x, y = image.wcs.wcs_world2pix(image.sky, 1).T
    corners = tuple((float(ra), float(dec)) for ra, dec in image.footprint[0])
    chip = Chip(1, corners, "IDC", 0.0, 0.13, False)
    exposure = Exposure(image.name, "_drz", "", "WFC3", "IR", "F110W", 100.0, 0.0, 0.0, (chip,))
    catalogue = ImageCatalogue(x, y, image.sky[:, 0], image.sky[:, 1], image.flux)
    return AlignImage(exposure, Path("absent_frame.fits"), catalogue, image.wcs, image.epoch)


@pytest.fixture(scope="module")
def field() -> tuple[list[AlignImage], list[Move], list[Image]]:
    made = [
        make_image(STARS, name, place, error)
        for name, place, error in (
            ("a", (-40.0, 0.0), (0.4, -0.2, 0.05)),
            ("b", (40.0, 0.0), (-0.3, 0.6, -0.08)),
            ("c", (0.0, 40.0), (0.0, 0.1, 0.02)),
        )
    ]
    return [as_given(i) for i, _ in made], [m for _, m in made], [i for i, _ in made]


def room(folder: Path) -> SolverRoom:
    finding = FinderSettings({}, "as given")
    return SolverRoom(folder, folder / "align.log", finding, lambda tiles: "Look at them")


def test_images_get_a_wcs_that_puts_them_on_the_reference(field, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    images, truth, before = field
    found = solve_together(images, REFERENCE, Align(**TOGETHER), room(tmp_path))
    assert [one.fit.tile for one in found.images] == ["a", "b", "c"]
    for image, one, move in zip(before, found.images, truth, strict=True):
        assert one.wcs is not None
        assert (one.catalogue, one.geometry, one.group) == ("made up", "rshift", 0)
        pixels = np.array([[1.0, 1.0], [1200.0, 1200.0], [1.0, 1200.0]])
        placed = vectors_of(one.wcs.wcs().wcs_pix2world(pixels, 1))
        right = move.apply(vectors_of(image.wcs.wcs_pix2world(pixels, 1)))
        assert np.abs(placed - right).max() * ARCSEC < 0.005
        covariance = np.array(one.covariance).reshape(3, 3)
        assert np.allclose(covariance, covariance.T)
        assert (np.linalg.eigvalsh(covariance) > 0).all()
    assert found.excluded == found.warnings == found.groups == []
    assert set(found.vectors["tile"]) == {"a", "b", "c"}
    assert len(found.vectors) == sum(one.fit.matches for one in found.images)
    assert found.vectors["east"].unit == "mas"
    log = (tmp_path / "align.log").read_text()
    assert "centroids of WFC3 IR F110W" in log


def test_without_a_reference_the_first_of_the_order_stays(field, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    images, _, _ = field
    settings = Align(**TOGETHER, order=["b"])
    found = solve_together([images[1], images[0], images[2]], None, settings, room(tmp_path))
    assert found.images[0].fit.reference
    assert found.images[0].wcs is None
    assert all(one.wcs is not None for one in found.images[1:])


def test_an_image_that_fails_stops_the_campaign_or_is_named(field, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    images, _, _ = field
    whole = images[2].catalogue
    few = ImageCatalogue(whole.x[:3], whole.y[:3], whole.ra[:3], whole.dec[:3], whole.flux[:3])
    three = [*images[:2], replace(images[2], catalogue=few)]
    with pytest.raises(AlignmentError, match=r"c is not aligned: 3 sources found.*on_failure"):
        solve_together(three, REFERENCE, Align(**TOGETHER), room(tmp_path))
    settings = Align(**TOGETHER, on_failure="drop")
    found = solve_together(three, REFERENCE, settings, room(tmp_path))
    assert found.excluded == ["c"]
    assert found.images[2].wcs is None
    assert found.images[0].wcs is not None
    assert ["c is not aligned" in one for one in found.warnings] == [True]
    assert ("sources", ("c",)) in [(one.name, one.failed) for one in found.criteria]
    with pytest.raises(AlignmentError, match=r"0 of 1 drizzled image can be aligned"):
        solve_together(three[2:], REFERENCE, settings, room(tmp_path))


def test_a_tile_of_few_poor_stars_is_aligned_and_named(tmp_path: Path) -> None:
    """No other tile lends it its stars or its errors."""
    poor = as_given(make_image(make_stars(5, 9, width=110.0), "poor", noise=25.0)[0])
    settings = Align(**TOGETHER, min_sources=5)
    reference = make_reference(make_stars(5, 9, width=110.0))
    found = solve_together([poor], reference, settings, room(tmp_path))
    assert found.images[0].wcs is not None
    assert [
        one.startswith("poor is aligned with a standard error of") for one in found.warnings
    ] == [True]


def test_sources_of_another_group_are_a_reference(field, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    images, _, _ = field
    path = tmp_path / "reference.cat"
    np.savetxt(path, np.column_stack([STARS.sky(), np.ones(150)]), header="RA Dec flux")
    inside = replace(room(tmp_path), catalogue=path)
    found = solve_together(images, None, Align(**TOGETHER), inside)
    assert all(one.wcs is not None for one in found.images)
    assert found.images[0].catalogue == "the campaign's own sources"


def test_the_campaign_chooses_the_solver() -> None:
    assert solver_of(Align()) is solve_in_order
    assert solver_of(Align(**TOGETHER)) is solve_together
    # Keys of what was aligned before stay as they are.
    assert not {"solve", "geometry"} & set(Align().model_dump())
    assert Align(**TOGETHER).model_dump()["solve"] == "together"
