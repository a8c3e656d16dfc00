"""Reads the steps of a campaign from its store, in the order of a run; see `reading`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from skymosaic.config import Campaign
from skymosaic.drizzle.request import Request
from skymosaic.errors import DamagedError
from skymosaic.pipeline.align_results import REFERENCE
from skymosaic.pipeline.comparing.results import PARTS as COMPARED_FROM
from skymosaic.pipeline.finished import FinishedSteps
from skymosaic.pipeline.onepass_mosaics import is_from_blocks
from skymosaic.pipeline.onepass_results import (
    BLOCK,
    EQUATION,
    ERRORS,
    FIRST_SKIES,
    GUESS,
    HEADERS,
    HITS,
    LOW,
    MEASURED,
    MEDIAN,
    NOISE,
    OUTLINES,
    PLAIN,
    SEPARATE,
    SEPARATE_GRID,
    SEPARATE_SKY,
    SINGLE,
    SKIES,
    SOURCES,
    STATIC,
    VARIANCES,
    WITNESSED,
)
from skymosaic.pipeline.results import (
    ALIGN,
    CATALOGUE,
    CELL,
    CELLS,
    COMPARISON,
    DRIZZLE,
    LEVELS,
    ONEPASS,
    POSITIONS,
    RETRIEVE,
    WITNESS,
    AlignResult,
    CellResult,
    CellsResult,
    DrizzleResult,
    Planned,
    PositionsResult,
    RetrieveResult,
    WitnessResult,
    as_run,
)
from skymosaic.report.contents import Missing
from skymosaic.results.listed_stars import are_current
from skymosaic.steps.finished import Finished
from skymosaic.steps.manifests import finished, read_manifest
from skymosaic.steps.place import Place
from skymosaic.steps.tasks import Step, StepSpec, Task, tasks_of
from skymosaic.store import Product, shapes
from skymosaic.store.base import is_ours

_PARTS: tuple[StepSpec[Any], ...] = (
    *(LOW, STATIC, MEASURED, PLAIN, SEPARATE_GRID, SEPARATE_SKY, SEPARATE, MEDIAN, HITS),
    *(SINGLE, GUESS, FIRST_SKIES, EQUATION, SKIES, BLOCK, HEADERS),
    *(VARIANCES, ERRORS, NOISE, OUTLINES, SOURCES),
)
"""What the mosaics of the one-pass engine are made from."""
_OUTDATED = "What it depends on has changed since it was made; `skymosaic run` makes it again."

_R = TypeVar("_R")


class StepReader:
    """Reads steps in the order of a run, and takes down what is missing."""

    def __init__(self, place: Place, campaign: Campaign) -> None:
        self.missing: list[Missing] = []
        self.campaign = campaign
        self.files: dict[str, Product] = {}
        """That the next step has to be made from, by name."""
        self._place = place
        self._tasks = tasks_of(campaign, ())
        self._products: dict[str, Product] = {}
        """By the methods: by step and name, or by step and what it is."""

    def parcels(self) -> list[Finished[RetrieveResult]]:
        """Return what was retrieved, and take down what could not be."""
        done = []
        for name in self._names("manifests"):
            step = finished(self._place, RETRIEVE.step(name))
            if step is not None:
                done.append(step)
                self.files |= step.products
        for name in self._names("failed"):
            self._has_failed(RETRIEVE.step(name), RETRIEVE.task(name))
        return done

    def find_catalogue(self) -> None:
        """Look for the catalogue of another group that this one was aligned to."""
        aligned = finished(self._place, ALIGN.step())
        if aligned is None or aligned.result.catalogue is None:
            return
        step = CATALOGUE.step()
        group = aligned.result.catalogue.rpartition(f"/{step.folder}/")[0]
        listed = finished(replace(self._place, campaign=group), step)
        self.files |= {} if listed is None else listed.products

    def find_reference(self) -> bool:
        """Look for the stars that the images are aligned to; tell whether all is well so far."""
        aligned = finished(self._place, ALIGN.step())
        follows = aligned is not None and aligned.result.catalogue is not None
        if not self.campaign.align.has_reference or follows:
            return True
        if self._has_failed(REFERENCE.step(), REFERENCE.task()):
            return False
        listed = finished(self._place, REFERENCE.step())
        if listed is None:
            self.lack(REFERENCE.task(), "not run")
            return False
        if not are_current(self._place, self.campaign.align):
            self.lack(REFERENCE.task(), "outdated", _OUTDATED)
            return False
        self.files |= listed.products
        return True

    def step(
        self,
        spec: StepSpec[_R],
        task: Task | None = None,
        parameters: Mapping[str, Any] | None = None,
        completed: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    ) -> Finished[_R] | None:
        """Return a step that finished, from the files that there are now; else take it down.

        Parameters
        ----------
        spec : StepSpec
            Of what kind it is.
        task : Task, optional
            The task that makes it; default: the one of its kind.
        parameters : mapping, optional
            What it must have been made with.
        completed : callable, optional
            Adds to what it was made with what its version did not know.
        """
        task = task or spec.task()
        step = spec.step(task.of)
        if self._has_failed(step, task):
            return None
        done = finished(self._place, step)
        manifest = None if done is None else read_manifest(self._place, step.name)
        if done is None or manifest is None:
            self.lack(task, "not run")
            return None
        inputs, recorded = manifest["inputs"], completed(manifest["parameters"])
        there = {file: product.sha256 for file, product in {**self._products, **self.files}.items()}
        if any(there.get(file) != sha256 for file, sha256 in inputs.items()) or any(
            recorded.get(key) != value for key, value in (parameters or {}).items()
        ):
            self.lack(task, "outdated", _OUTDATED)
            return None
        return done

    def step_on_grid(
        self, spec: StepSpec[_R], planned: Finished[Planned] | None, *, own_grid: bool = False
    ) -> Finished[_R] | None:
        """Return the one step of a kind that was made on the grid of the mosaics, if any is to be.

        Parameters
        ----------
        spec : StepSpec
            Its kind.
        planned : Finished or None
            Has the grid; None where that is not known.
        own_grid : bool
            Whether it is made on a smaller grid of its own.
        """
        if spec.task() not in self._tasks:
            return None
        return self._on_grid(spec, spec.task(), planned, own_grid=own_grid)

    def witness(self, planned: Finished[Planned] | None) -> Finished[WitnessResult] | None:
        """Return what one engine says of the mosaics of the other, if it is to."""
        task = WITNESS.task()
        if task in self._tasks and self.parts_have_failed(task, (WITNESSED,)):
            return None
        return self.step_on_grid(WITNESS, planned)

    def _on_grid(
        self,
        spec: StepSpec[_R],
        task: Task,
        planned: Finished[Planned] | None,
        *,
        own_grid: bool = False,
    ) -> Finished[_R] | None:
        if planned is None:
            self.lack(task, "not run")
            return None
        grid = {} if own_grid else {"grid": planned.result.grid.to_dict()}
        return self.step(spec, task, parameters=grid)

    def drizzled(self, planned: Finished[Planned] | None) -> dict[str, Finished[DrizzleResult]]:
        """Return the mosaics of the methods; take down those that there are not."""
        read = self._part if self.campaign.drizzle.engine == "onepass" else self._mosaic
        found = {}
        for task in self._tasks:
            if task.kind != DRIZZLE.kind.name:
                continue
            run = read(task, planned)
            if run is not None:
                found[task.of] = run
                names = {"science": run.result.science, "weight": run.result.weight}
                self._take_over(run, names | {name: name for name in run.products})
        if self.campaign.drizzle.engine == "onepass":
            self._variants()
        return found

    def _mosaic(
        self, task: Task, planned: Finished[Planned] | None
    ) -> Finished[DrizzleResult] | None:
        return self._on_grid(DRIZZLE, task, planned)

    def _part(
        self, task: Task, planned: Finished[Planned] | None
    ) -> Finished[DrizzleResult] | None:
        """Return a mosaic of the one-pass engine: from blocks, or a part of its one step."""
        if is_from_blocks(self._place, task.of):
            return None if self.parts_have_failed(task, _PARTS) else self._mosaic(task, planned)
        if finished(self._place, ONEPASS.step()) is None and self.parts_have_failed(task, _PARTS):
            return None
        every = self._on_grid(ONEPASS, task, planned)
        if every is None:
            return None
        if task.of not in every.result.runs:  # the file has asked for it since
            self.lack(task, "not run")
            return None
        self._take_over(every, {name: name for name in every.products})
        return as_run(every, task.of)

    def parts_have_failed(self, task: Task, parts: Sequence[StepSpec[Any]]) -> bool:
        """Take down a task of which a part failed; tell whether one has."""
        keys = self._place.store.list(self._place.key("failed"))
        for spec in parts:
            prefix = self._place.key("failed", spec.kind.step_of())
            for key in keys:
                if key.startswith(prefix) and key.endswith(".json") and is_ours(key):
                    name = key.removeprefix(self._place.key("failed", "")).removesuffix(".json")
                    return self._has_failed(replace(spec.step(), name=name), task)
        return False

    def _variants(self) -> None:
        """Remember the mosaics of variants that were put together from blocks."""
        for name in Request.of(self.campaign).choices:
            if name not in self.campaign.sky.methods and is_from_blocks(self._place, name):
                run = finished(self._place, DRIZZLE.step(name))
                if run is not None:
                    self._take_over(run, {file: file for file in run.products})

    def _take_over(self, run: Finished[object], names: Mapping[str, str]) -> None:
        """Remember products as the steps that read them name them."""
        self._products |= {f"{run.step}/{what}": run.products[name] for what, name in names.items()}

    def cells(
        self, planned: Finished[Planned] | None
    ) -> tuple[Finished[CellsResult] | None, list[Finished[CellResult]]]:
        """Return the list of cells and each of them; take down once that it is not whole."""
        task = CELLS.task()
        if task not in self._tasks:
            return None, []
        listed = (planned.result.cells if planned is not None else None) or []
        lacks, found = len(self.missing), []
        for cell in listed:
            one = self.step(CELL, CELL.task(cell.name))
            if one is not None:
                found.append(one)
        lost = self.missing[lacks:]
        if lost:
            # Of many cells of which one failed, that one is told of.
            del self.missing[lacks:]
            first = next((one for one in lost if one.state == "failed"), lost[0])
            self.lack(task, first.state, f"{first.part}: {first.why}" if first.why else "")
            return None, found
        keys = {one.result.cell.name: one.key for one in found}
        return self.step(CELLS, parameters={"cells": keys}), found

    def positions(
        self, aligned: Finished[AlignResult] | None, planned: Finished[Planned] | None
    ) -> Finished[PositionsResult] | None:
        """Return the comparison of the stars of the exposures that there are now, if any was made.

        Older versions made none.
        """
        task, step = POSITIONS.task(), POSITIONS.step()
        if task not in self._tasks or self._has_failed(step, task):
            return None
        if aligned is None or planned is None:
            self.lack(task, "not run")
            return None
        done = finished(self._place, step)
        if done is None:
            return None
        known = {exposure.rootname for exposure in aligned.result.exposures}
        compared = {name for pair in done.result.pairs for name in (pair.a, pair.b)}
        return done if compared <= known else None

    def compare(self, found: FinishedSteps) -> None:
        """Take down where the comparison is not that of what there is now."""
        task, step = COMPARISON.task(), COMPARISON.step()
        if self._has_failed(step, task) or self.parts_have_failed(task, (LEVELS, *COMPARED_FROM)):
            return
        manifest = None if found.comparison is None else read_manifest(self._place, step.name)
        if manifest is None:
            self.lack(task, "not run")
        elif not self.missing and (
            manifest["inputs"] != {n: p.sha256 for n, p in found.compared.items()}
            # Versions that did not write them down are taken at their word.
            or manifest["parameters"].get("keys", found.keys) != found.keys
        ):
            self.lack(task, "outdated", _OUTDATED)

    def _has_failed(self, step: Step[Any], task: Task) -> bool:
        """Take down a task whose step failed; tell whether it has."""
        key = self._place.key("failed", f"{step.name}.json")
        try:
            record = shapes.read(self._place.store, key, shapes.FAILED)
        except DamagedError as damaged:
            self.lack(task, "failed", f"the reason is not known: {damaged}")
            return True
        if record is not None:
            error = record["error"]
            self.lack(task, "failed", f"{error['class']}: {error['message']}")
        return record is not None

    def has(self, product: Product) -> bool:
        """Tell whether a product is there."""
        return self._place.store.has(product)

    def lack(self, task: Task, state: str, why: str = "") -> None:
        """Take down that what a task makes is missing."""
        self.missing.append(Missing(task.title, state, why))

    def _names(self, folder: str) -> Iterator[str]:
        prefix = self._place.key(folder, RETRIEVE.step("").name)
        for key in self._place.store.list(prefix.rstrip("/")):
            name = key.removeprefix(prefix)
            if name.endswith(".json") and is_ours(name):
                yield name.removesuffix(".json")
