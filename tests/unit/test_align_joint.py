"""One solution for all images: what is right, what is named, and what pulls nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skymosaic.align.joint import Request, solve_images
from skymosaic.align.moves import ARCSEC, Move, basis_of, project, sky_of
from skymosaic.align.together_records import Image, Together
from skymosaic.config import Gates
from tests.unit.small_sky import make_image, make_reference, make_stars

PLACES = [(x, y) for x in (-90.0, 0.0, 90.0) for y in (-45.0, 45.0)]
STARS = make_stars(1, 300)
REFERENCE = make_reference(STARS)


def mosaic(**options: object) -> tuple[list[Image], list[Move]]:
    """Return six images side by side, each off by up to an arcsec and a tenth of a degree."""
    random = np.random.default_rng(2)
    made = [
        make_image(
            STARS,
            f"image{number}",
            place,
            (*random.uniform(-0.7, 0.7, 2), random.uniform(-0.1, 0.1)),
            false=8,
            **options,  # type: ignore[arg-type]
        )
        for number, place in enumerate(PLACES)
    ]
    return [image for image, _ in made], [move for _, move in made]


def off(image: Image, move: Move, truth: Move) -> float:
    """Return how far an image's corners are from where they belong, rms, mas."""
    apart = move.apply(image.corners) - truth.apply(image.corners)
    return float(np.sqrt((apart**2).sum(axis=1).mean())) * ARCSEC * 1000.0


def check_rest(found: Together, images: list[Image], truth: list[Move], named: set[int]) -> None:
    """Everything but what is named is right."""
    for number, one in enumerate(found.images):
        assert (number in named) == (one.move is None) == bool(one.why)
        if one.move is not None:
            assert off(images[number], one.move, truth[number]) < 3.0


def test_all_images_come_to_the_reference() -> None:
    images, truth = mosaic()
    found = solve_images(images, REFERENCE)
    check_rest(found, images, truth, set())
    for number, one in enumerate(found.images):
        ratio = off(images[number], one.move, truth[number]) / one.error  # type: ignore[arg-type]
        assert 0.1 < ratio < 5.0  # corners, both axes
        assert one.fit.matches >= 20
        # 4 mas were put in; a star's place follows its own sightings in part.
        assert 1.5 < one.fit.rms_ra < 5.0
        assert len(one.residuals) == len(one.sky) == one.fit.matches
        assert np.nanmax(np.abs(one.to_reference)) < 30.0
        assert one.covariance.shape == (3, 3)
    assert found.groups == [[f"image{number}" for number in range(6)]]
    assert all(criterion.failed == () for criterion in found.criteria)


def test_without_a_reference_one_image_stays_and_the_others_come_to_it() -> None:
    images, truth = mosaic()
    found = solve_images(images, None, Request(hold="image2"))
    [held] = [n for n, one in enumerate(found.images) if one.fit.reference]
    assert held == 2
    back = truth[2].matrix.T
    for image, one, right in zip(images, found.images, truth, strict=True):
        assert one.move is not None
        right = replace(right, matrix=back @ right.matrix)
        # The corners are farther out than the area's mean, and there are two axes.
        assert off(image, one.move, right) < 6.0 * one.error + 1e-6
    assert np.array_equal(found.images[2].move.matrix, np.eye(3))  # type: ignore[union-attr]


def test_a_scale_is_fitted_on_request() -> None:
    images, _ = mosaic(noise=1.0)
    basis = basis_of(images[0].centre)
    plane = project(images[0].vectors, basis) / 1.001
    vectors = np.column_stack([plane / ARCSEC, np.ones(len(plane))]) @ basis
    images[0] = replace(images[0], sky=sky_of(vectors))
    found = solve_images(images, REFERENCE, Request(geometry="rscale"))
    assert found.images[0].fit.scale == pytest.approx(1.001, abs=2e-5)
    assert found.images[1].fit.scale == pytest.approx(1.0, abs=2e-5)
    assert found.images[0].covariance.shape == (4, 4)


def test_an_image_that_is_20_arcsec_off_is_named_and_the_rest_is_right() -> None:
    images, truth = mosaic()
    images[1], truth[1] = make_image(STARS, "image1", PLACES[1], (12.0, -16.0, 0.0))
    found = solve_images(images, REFERENCE)
    check_rest(found, images, truth, {1})
    assert "shift" in found.failed["image1"]
    assert found.images[1].fit.shift == pytest.approx(20.0, abs=0.01)
    # Where the campaign allows so much, it is aligned.
    wide = solve_images(images, REFERENCE, Request(Gates(max_shift_arcsec=30)))
    check_rest(wide, images, truth, set())


def test_images_without_sources_and_of_one_name_are_named() -> None:
    images, truth = mosaic()
    images[0] = replace(images[0], sky=images[0].sky[:3], flux=images[0].flux[:3])
    images[4] = replace(images[4], name="image5")
    found = solve_images(images, REFERENCE)
    check_rest(found, images, truth, {0, 4, 5})
    assert "3 sources found" in found.images[0].why
    assert found.images[4].why == found.images[5].why == "2 images have its name"


def test_a_ghost_of_another_field_is_named() -> None:
    images, truth = mosaic()
    pixels = images[4].wcs.wcs_world2pix(images[4].sky, 1)
    sky = np.asarray(images[0].wcs.wcs_pix2world(pixels, 1))
    images[0] = replace(images[0], sky=sky, flux=images[4].flux)
    found = solve_images(images, REFERENCE)
    check_rest(found, images, truth, {0})
    assert "more than chance" in found.failed["image0"]


def test_an_image_whose_sources_all_have_a_ghost_is_named() -> None:
    images, truth = mosaic()
    ghosts = images[3].sky + np.array([1.5, 1.0]) / 3600.0
    images[3] = replace(
        images[3],
        sky=np.concatenate([images[3].sky, ghosts]),
        flux=np.tile(images[3].flux, 2),
    )
    found = solve_images(images, REFERENCE)
    check_rest(found, images, truth, {3})
    assert "two places" in found.failed["image3"]


def test_a_group_that_no_match_links_is_named() -> None:
    images, truth = mosaic()
    elsewhere = make_stars(7, 200)
    elsewhere = replace(elsewhere, places=elsewhere.places + np.array([0.0, 900.0]))
    far = [make_image(elsewhere, f"far{n}", (60.0 * n, 900.0)) for n in range(2)]
    images += [image for image, _ in far]
    truth += [move for _, move in far]
    found = solve_images(images, REFERENCE)
    check_rest(found, images, truth, {6, 7})
    assert found.groups == [[f"image{number}" for number in range(6)], ["far0", "far1"]]
    assert found.failed["far0"] == "no match links it and far1 with the reference"


def test_nothing_matches_a_reference_of_another_field() -> None:
    images, _ = mosaic()
    found = solve_images(images, make_reference(make_stars(99, 300)))
    assert set(found.failed) == {image.name for image in images}
    assert solve_images([], REFERENCE).images == []


def test_motions_are_those_of_the_images_epoch() -> None:
    stars = make_stars(5, 120, width=150.0, motion=20.0)
    made = [
        make_image(stars, f"at{epoch:.0f}", error=(0.3, 0.2, 0.05), epoch=epoch)
        for epoch in (2006.0, 2016.0, 2026.0)
    ]
    images, truth = [image for image, _ in made], [move for _, move in made]
    found = solve_images(images, make_reference(stars))
    check_rest(found, images, truth, set())
    # Without them the motions of one place are as those of any: nothing is known of their mean.
    alone = solve_images(images, None, Request(Gates(max_rms_mas=300), hold="at2016"))
    assert alone.images[1].error == 0.0
    assert alone.images[0].error > 30.0


def test_a_kind_with_poor_centroids_is_told_and_does_not_spoil_the_other() -> None:
    sharp = [make_image(STARS, f"sharp{n}", (10.0 * n, 0.0), noise=1.0)[0] for n in range(3)]
    poor = [
        make_image(STARS, f"poor{n}", (10.0 * n, 5.0), noise=15.0, kind="POOR")[0] for n in range(3)
    ]
    found = solve_images([*sharp, *poor], REFERENCE)
    assert not found.failed
    assert np.median(found.centroids["POOR"][:, 1]) == pytest.approx(15.0, rel=0.3)
    assert np.median(found.centroids["IR"][:, 1]) == pytest.approx(1.0, rel=0.4)
    assert max(one.error for one in found.images[:3]) < 0.4 < found.images[3].error * 2
