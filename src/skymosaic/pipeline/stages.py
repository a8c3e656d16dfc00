"""The tasks of a campaign. Each takes and returns small records; pixels go through the store.

What a stage does to pixels is written elsewhere; here it is fetched, done, and published.
"""

from __future__ import annotations

import json
import logging
import platform
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.io import fits

from skymosaic.align.align import align as align_folder
from skymosaic.align.solutions import mixed_as_they_are, mixed_in_tiles
from skymosaic.align.vectors import VECTORS
from skymosaic.archive.base import Parcel, Source
from skymosaic.config import Align, Campaign
from skymosaic.drizzle import astrodrizzle, static_masks
from skymosaic.drizzle import order as ordering
from skymosaic.drizzle.depth import depth_of
from skymosaic.drizzle.grid import bound_output, output_grid
from skymosaic.drizzle.missing_pixels import key_of_missing
from skymosaic.drizzle.order import Order
from skymosaic.drizzle.request import Request
from skymosaic.errors import InputError, SkyError
from skymosaic.evidence.reduction import Floats, reduce_image
from skymosaic.host.counting import counted
from skymosaic.hst.exposure import (
    RECORD,
    Exposure,
    read_exposure,
    suffix_of,
    with_health,
    write_frame,
)
from skymosaic.hst.imsets import split_imsets
from skymosaic.hst.usable import warnings_of
from skymosaic.methods import column
from skymosaic.pipeline.inspection import Rules, inspection_table, judge
from skymosaic.pipeline.results import (
    ALIGN,
    DRIZZLE,
    INSPECT,
    PLAN,
    RETRIEVE,
    AlignResult,
    DrizzleResult,
    InspectionResult,
    Planned,
    PlanResult,
    RecordedRule,
    RetrieveResult,
)
from skymosaic.sky.overlaps import groups, overlaps
from skymosaic.sky.static_rule import FirstRule, first_rule
from skymosaic.steps import execution
from skymosaic.steps.step import Bench, Finished, Place, forget, recorded_result, run_step
from skymosaic.store import Product
from skymosaic.versions import versions

if TYPE_CHECKING:
    from skymosaic.drizzle.onepass.skies import AppliedSky

log = logging.getLogger(__name__)

_DEPTH = 1
"""Version of how depth is measured; part of the key of `plan` where its result depends on it."""


@dataclass(frozen=True)
class Images:
    """Exposures or drizzled images, and where their files are."""

    exposures: list[Exposure]
    products: dict[str, Product]
    """By file name."""

    def fetch(self, bench: Bench) -> None:
        """Fetch a private copy of each file into the scratch folder."""
        for exposure in self.exposures:
            bench.fetch(self.products[exposure.name])


def select(exposures: Sequence[Exposure], products: Mapping[str, Product]) -> Images:
    """Return images with their files."""
    return Images(list(exposures), {e.name: products[e.name] for e in exposures})


def images_of(aligned: Finished[AlignResult]) -> Images:
    """Return the exposures that were aligned, with their files."""
    return select(aligned.result.exposures, aligned.products)


def _retrieving_slot(place: Place) -> AbstractContextManager[None]:
    """Wait until one more file may be downloaded, or made here."""
    if place.downloads is None:
        return computing_slot(place)
    return execution.slot(f"{place.topic}-downloads", place.downloads)


def computing_slot(place: Place) -> AbstractContextManager[None]:
    """Wait until this host has cores and memory for one more task that computes."""
    name = f"{place.topic}-computing-{platform.node()}-{place.computing}"
    return execution.slot(name, place.computing)


def retrieve(
    place: Place, source: Source, rules: Rules, parcel: Parcel
) -> Finished[RetrieveResult]:
    """Bring the files of a parcel into ``pristine/``, each checked to be whole.

    Their pixels are looked at here, where the file is at hand; what is seen is judged by `inspect`.
    A file that cannot be read is left out where the rules say so, and looked for again where they
    say so no more.
    """
    step = RETRIEVE.step(parcel.name)

    def work(bench: Bench) -> RetrieveResult:
        try:
            with _retrieving_slot(place):
                bench.peak_memory = source.fetch(parcel, bench.out, bench.scratch / "fetch.log")
            return RetrieveResult(_read_all(bench.out, rules))
        except InputError as error:
            if not error.of_file:
                raise
            if not rules.leave_out:
                said = f"{error} (or set source.on_bad_file: leave_out)"
                raise InputError(said, of_file=True) from None
            for path in bench.out.iterdir():
                path.unlink()
            return RetrieveResult([], left_out=str(error))

    def once() -> Finished[RetrieveResult]:
        return run_step(
            place,
            step,
            told=[RETRIEVE.task(parcel.name)],
            inputs={},
            parameters={"parcel": dict(parcel.identity), "record": RECORD},
            versions=parcel.versions,
            work=work,
        )

    done = once()
    if done.result.left_out is not None and not rules.leave_out:
        forget(place, step.name)
        done = once()
    return done


def _read_all(folder: Path, rules: Rules) -> list[Exposure]:
    """Return the images in a folder.

    Raises
    ------
    InputError
        A file is not whole, no FITS, not HST's, or of another name.
    """

    def read(path: Path) -> Exposure:
        image = read_exposure(path)
        return with_health(image, path, rules.ignored(image))

    images: list[Exposure] = []
    try:
        for path in sorted(folder.iterdir()):
            if suffix_of(path.name) is not None:
                image = read_exposure(path)
                if image.name != path.name:
                    raise InputError(f"{path.name} says that it is {image.name}; fetch it again")
                if image.instrument == "STIS" and not image.drizzled:
                    images += map(read, split_imsets(path))
                else:
                    images.append(read(path))
    except InputError as error:
        # By its name: the folder is a private one, and soon gone.
        raise InputError(str(error).replace(f"{folder}/", ""), of_file=True) from None
    return images


def inspect(
    place: Place, retrieved: Sequence[Finished[RetrieveResult]], rules: Rules
) -> Finished[InspectionResult]:
    """Tell the exposures from the drizzled images, and tabulate both.

    Raises
    ------
    InputError
        The rules refuse an image.
    """
    images = [image for step in retrieved for image in step.result.images]
    products = {name: p for step in retrieved for name, p in step.products.items()}
    used = _images_of(products)
    ignored = rules.ignored_by(images)
    unread = [step.result.left_out for step in retrieved if step.result.left_out is not None]
    verdict = judge(images, rules, unread)

    def looked_at(bench: Bench, image: Exposure) -> Exposure:
        """Look at pixels that were retrieved by an older version, or under other flags."""
        if image.drizzled:
            return image
        wanted = ignored[image.instrument, image.detector]
        if image.health and image.health[0].ignored == wanted:
            return image
        bench.doing(f"pixels of {image.name}")
        path = bench.fetch(used[image.name])
        seen = with_health(image, path, wanted)
        path.unlink()
        return seen

    def work(bench: Bench) -> InspectionResult:
        found = judge([looked_at(bench, image) for image in images], rules, unread)
        if found.refused is not None:
            raise found.refused
        exposures = sorted((i for i in found.taken if not i.drizzled), key=lambda i: i.rootname)
        drizzled = sorted((i for i in found.taken if i.drizzled), key=lambda i: i.rootname)
        inspection_table(exposures).write(bench.out / "exposures.ecsv")
        inspection_table(drizzled).write(bench.out / "drizzled.ecsv")
        for line in found.left_out:
            log.warning("%s", line)
        return InspectionResult(exposures, drizzled, [*found.left_out, *warnings_of(found.taken)])

    def key() -> dict[str, Any]:
        # What the rules refuse now a former run, under others, may have finished.
        refused = {"refused": str(verdict.refused)} if verdict.refused else {}
        left_out = {"left_out": verdict.left_out} if verdict.left_out else {}
        # What older versions retrieved nobody looked at: what they finished stays finished.
        flags = {"/".join(detector): asdict(each) for detector, each in ignored.items()}
        pixels = {"pixels": flags} if any(image.health for image in images) else {}
        return {"record": RECORD, **refused, **left_out, **pixels}

    done = run_step(
        place,
        INSPECT.step(),
        told=[INSPECT.task()],
        inputs=used,
        parameters=key(),
        versions={},
        work=work,
    )
    return with_files(done, used)


def with_files(
    inspected: Finished[InspectionResult], products: Mapping[str, Product]
) -> Finished[InspectionResult]:
    """Return what was inspected with the files themselves, the business of the next steps."""
    return replace(inspected, products={**inspected.products, **_images_of(products)})


def _images_of(products: Mapping[str, Product]) -> dict[str, Product]:
    return {name: product for name, product in products.items() if suffix_of(name) is not None}


def as_they_came(inspected: Finished[InspectionResult]) -> Finished[AlignResult]:
    """Return the step of `align: none`, which makes nothing of what was inspected."""
    exposures = inspected.result.exposures
    return Finished(
        step=ALIGN.step().name,
        key=inspected.key,
        products=select(exposures, inspected.products).products,
        result=AlignResult(exposures),
        seconds=0.0,
        peak_memory=0,
        reused=True,
    )


def align(
    place: Place, settings: Align, inspected: Finished[InspectionResult]
) -> Finished[AlignResult]:
    """Align the exposures into ``aligned/``; with ``align: none`` they stay as they are."""
    exposures = select(inspected.result.exposures, inspected.products)
    drizzled = select(inspected.result.drizzled, inspected.products)
    if settings.method == "none":
        with place.told(ALIGN.task()) as task:
            task.reused = True
        return as_they_came(inspected)

    def work(bench: Bench) -> AlignResult:
        exposures.fetch(bench)
        drizzled.fetch(bench)
        bench.doing(f"TweakReg on {counted(len(drizzled.exposures), 'drizzled image')}")
        alignment, vectors, bench.peak_memory = align_folder(
            bench.scratch,
            bench.out / "align.log",
            exposures.exposures,
            drizzled.exposures,
            settings,
        )
        for warning in mixed_in_tiles(alignment.used, exposures.exposures, drizzled.exposures):
            log.warning("%s", warning)
        aligned = []
        for exposure in exposures.exposures:
            if alignment.uses(exposure.rootname):
                (bench.scratch / exposure.name).rename(bench.out / exposure.name)
                aligned.append(read_exposure(bench.out / exposure.name))
        alignment.table().write(bench.out / "alignment.ecsv")
        vectors.write(bench.out / VECTORS)
        return AlignResult(aligned, alignment)

    done = run_step(
        place,
        ALIGN.step(),
        told=[ALIGN.task()],
        inputs={**exposures.products, **drizzled.products},
        parameters=settings.model_dump(mode="json"),
        versions=versions(),
        work=work,
    )
    return knowing_pixels(done, inspected)


def knowing_pixels(
    aligned: Finished[AlignResult], inspected: Finished[InspectionResult]
) -> Finished[AlignResult]:
    """Return what was aligned with what was seen in the pixels, which stayed as they were."""
    seen = {one.rootname: one.health for one in inspected.result.exposures}
    exposures = [
        replace(one, health=seen.get(one.rootname, ())) for one in aligned.result.exposures
    ]
    return aligned.with_result(replace(aligned.result, exposures=exposures))


def plan(place: Place, campaign: Campaign, aligned: Finished[AlignResult]) -> Finished[Planned]:
    """Compute the output grid of all methods, bound it, and find the groups that overlap.

    Then it is known what AstroDrizzle is to be asked for.

    Raises
    ------
    DrizzleError
        There is no such grid, it is too large, or the order is one that an engine or a check that
        the campaign asks for cannot do.
    """
    images = images_of(aligned)
    request = Request.of(campaign)
    bound = campaign.drizzle.max_output_megapixels
    infrared = all(ordering.is_infrared(one) for one in _detectors(images.exposures))

    def work(bench: Bench) -> PlanResult:
        names, started = [exposure.name for exposure in images.exposures], []
        for exposure in images.exposures:
            frame = bench.scratch / exposure.name
            with bench.open(images.products[exposure.name]) as file:
                write_frame(file, frame)
            if ordering.changes_with_date((exposure.instrument, exposure.detector)):
                started += _start(frame)
        log_file = bench.scratch / "plan.log"
        grid, call = output_grid(bench.scratch, log_file, names, request.parameters)
        bench.peak_memory = call.peak_memory
        (bench.out / "grid.json").write_text(json.dumps(call.value, indent=1) + "\n")
        bound_output(images.exposures, grid, bound)
        pairs = overlaps({e.rootname: e.polygons for e in images.exposures})
        depth = depth_of((e.polygons for e in images.exposures), grid)
        result = PlanResult(
            grid=grid,
            pairs=[(a, b, area) for (a, b), area in pairs.items()],
            groups=groups([e.rootname for e in images.exposures], pairs),
            depth=depth,
            started=min(started, default=None),
            static=_static_rule(place, len(images.exposures)),
        )
        unaligned = campaign.align.method == "none"
        mixed = mixed_as_they_are(images.exposures) if unaligned else []
        for warning in (*_decide(campaign, images.exposures, result).warnings, *mixed):
            log.warning("%s", warning)
        return result

    done = run_step(
        place,
        PLAN.step(),
        told=[PLAN.task()],
        inputs=images.products,
        parameters={
            "final": request.grid_choice,
            # 500 and 500.0 are one number: the file that is stored with a run, which `restart`
            # reads, has another form than the default.
            "max_output_megapixels": int(bound) if bound == int(bound) else bound,
            # The order of WFC3/IR needs no depth: what was planned without it stays good.
            **({} if infrared else {"depth": _DEPTH}),
        },
        versions=versions(),
        work=work,
    )
    planned = with_order(done, campaign, images.exposures)
    request.require_order(planned.result.order)
    return planned


def with_order(
    done: Finished[PlanResult], campaign: Campaign, exposures: Sequence[Exposure]
) -> Finished[Planned]:
    """Return what was planned with what AstroDrizzle is asked for, by `drizzle.order`.

    The step tells facts of the exposures. What the campaign makes of them is no part of its key, so
    that another parameter of AstroDrizzle's does not plan anew.
    """
    order = _decide(campaign, exposures, done.result)
    return done.with_result(Planned(**vars(done.result), order=order))


def _decide(campaign: Campaign, exposures: Sequence[Exposure], facts: PlanResult) -> Order:
    return Request.of(campaign).decide(
        _detectors(exposures), facts.depth, facts.started, facts.static
    )


def _static_rule(place: Place, exposures: int) -> FirstRule | None:
    """Return the rule of the static mask that this campaign began with, or begins with now."""
    before = recorded_result(place, PLAN.step().name, RecordedRule)
    return FirstRule(first_rule(exposures), exposures) if before is None else before.static


def _detectors(exposures: Sequence[Exposure]) -> list[ordering.Detector]:
    return [(exposure.instrument, exposure.detector) for exposure in exposures]


def _start(path: Path) -> list[float]:
    """Return when an exposure began, MJD (days); nothing where its primary header lacks that."""
    start = fits.getheader(path).get("EXPSTART")
    return [float(start)] if isinstance(start, int | float) else []


def drizzle(
    place: Place,
    aligned: Finished[AlignResult],
    planned: Finished[Planned],
    method: str,
    given: AppliedSky | None = None,
) -> Finished[DrizzleResult]:
    """Drizzle private copies of all aligned exposures with one sky method.

    `given`: its skies, where it is not AstroDrizzle's own.
    """
    images = images_of(aligned)
    grid, parameters = planned.result.grid, dict(planned.result.order.parameters)

    def work(bench: Bench) -> DrizzleResult:
        images.fetch(bench)
        with computing_slot(place):
            bench.doing(f"AstroDrizzle on {counted(len(images.exposures), 'exposure')}")
            made = astrodrizzle.drizzle(
                bench.scratch,
                bench.out / "astrodrizzle.log",
                images.exposures,
                f"{place.campaign.replace('/', '_')}_{column(method)}".lower(),
                method,
                grid,
                parameters,
                given,
            )
        bench.peak_memory = made.peak_memory
        for path in (made.science, made.weight):
            path.rename(bench.out / path.name)
        preview = f"{made.science.name.removesuffix('_sci.fits')}_preview.fits"
        small = reduce_image(
            *map(fits.getdata, (bench.out / made.science.name, bench.out / made.weight.name))
        )
        fits.writeto(bench.out / preview, small)
        return DrizzleResult(
            sky=made.sky,
            checks=made.checks,
            science=made.science.name,
            weight=made.weight.name,
            preview=preview,
            weight_checksum=astrodrizzle.weight_checksum(bench.out / made.weight.name),
            differences=made.told,
            static=tell_static(method, made.static),
        )

    return run_step(
        place,
        DRIZZLE.step(method),
        told=[DRIZZLE.task(method)],
        inputs=images.products,
        parameters={
            "method": method,
            **key_of_given(given),
            **key_of_missing(images.exposures),
            "grid": grid.to_dict(),
            "astrodrizzle": parameters,
        },
        versions=versions(),
        work=work,
    )


def tell_static(what: str, masks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Log the static masks of a run; return them for its record."""
    for one in masks:
        log.info(
            "%s: the static mask leaves out %s of %s: low in %d or more of %d exposures",
            *(what, static_masks.percent(one["share"]), one["name"]),
            *(one["needed"], one["exposures"]),
        )
        if (warning := static_masks.warning(one)) is not None:
            log.warning("%s: %s", what, warning)
    return list(masks)


def key_of_given(given: AppliedSky | None) -> dict[str, Any]:
    """Return what of given skies the result of a drizzle depends on, as a part of its key."""
    if given is None:
        return {}
    key: dict[str, Any] = {"sky": list(given.subtracted)}
    chips = (given.told or {}).get("chips")
    if chips is not None:
        # With another sky.per_chip the same skies may have other errors, and other is told of them.
        key |= {"per_chip": chips["per_chip"], "errors": [value.error for value in given.values]}
    return key


def require_equal_weights(runs: Mapping[str, Finished[DrizzleResult]]) -> None:
    """Refuse methods whose weight maps differ: then more than the sky differs.

    Raises
    ------
    SkyError
        The checksum of a method's weight map is not that of the first.
    """
    (first, reference), *others = runs.items()
    for method, run in others:
        if run.result.weight_checksum != reference.result.weight_checksum:
            raise SkyError(
                f"the weight maps of {first!r} and {method!r} differ, though no cosmic rays were "
                "looked for: the two runs did not use the same pixels. Remove "
                f"{reference.result.weight} and {run.result.weight} from the store, and "
                "`skymosaic run` makes both again"
            )


def read_previews(bench: Bench, runs: Mapping[str, Finished[DrizzleResult]]) -> dict[str, Floats]:
    """Return each method's mosaic as its run reduced it, without pixels of no weight."""
    return {
        method: fits.getdata(bench.fetch(run.products[run.result.preview]))
        for method, run in runs.items()
    }
