"""What a store knows of a campaign: its finished steps, what failed, what is out of date."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from skymosaic.config import Align, Campaign, load_campaign_text
from skymosaic.errors import CampaignError, DamagedError, MissingError
from skymosaic.hst.exposure import Exposure
from skymosaic.pipeline.finished import Findings
from skymosaic.pipeline.place import parse_place
from skymosaic.pipeline.stages import as_they_came, knowing_pixels, with_files, with_order
from skymosaic.report.record import Missing
from skymosaic.results.housekeeping import find_place
from skymosaic.steps.step import Finished, Place, finished, read_manifest
from skymosaic.steps.tasks import Task, tasks_of
from skymosaic.store import Product, open_store, shapes
from skymosaic.store.base import is_ours

_OUTDATED = "What it depends on has changed since it was made; `skymosaic run` makes it again."


_BEFORE = ("retrieve", "inspect", "align", "plan")
"""Kinds of tasks that come before what is made on the grid of the mosaics."""


def read_findings(place: Place) -> Findings:
    """Return what a store knows of a campaign.

    Raises
    ------
    MissingError
        There is no campaign.
    StoreError
        The store cannot be read.
    """
    key = place.key("campaign.yaml")
    text = place.store.read_text(key)
    if text is None:
        where = place.store.where(place.campaign)
        raise MissingError(f"{where} holds no campaign; run one there first")
    # Who did the work is no matter, and another version may have taken other values there.
    campaign = load_campaign_text(text, place.store.where(key), {"compute": {}})
    reader = _Reader(place)
    retrieved = reader.parcels()
    inspected = reader.step(Task("inspect"))
    if inspected is not None:
        inspected = with_files(inspected, reader.files)
    aligned = None
    if inspected is None:
        if campaign.align.method != "none":
            reader.lack(Task("align").title, "not run")
    elif campaign.align.method == "none":
        aligned = as_they_came(inspected)
    else:
        asked = campaign.align.model_dump(mode="json")
        aligned = reader.step(Task("align"), asked, completed=_with_defaults)
        if aligned is not None:
            aligned = knowing_pixels(aligned, inspected)
    planned = None
    if aligned is None:
        reader.lack(Task("plan").title, "not run")
    else:
        planned = reader.step(Task("plan"))
    if aligned is not None and planned is not None:
        exposures = [Exposure.from_dict(record) for record in aligned.result["exposures"]]
        planned = with_order(planned, campaign, exposures)
    made = {
        task: reader.made(task, campaign, planned)
        for task in tasks_of(campaign, ())
        if task.kind not in (*_BEFORE, "positions", "gather")
    }

    def finished_of(*kinds: str) -> dict[str, Finished]:
        return {
            task.of or task.kind: step
            for task, step in made.items()
            if task.kind in kinds and step is not None
        }

    found = Findings(
        place=place,
        campaign=campaign,
        retrieved=retrieved,
        inspected=inspected,
        aligned=aligned,
        planned=planned,
        differences=finished_of("differences").get("differences"),
        drizzled=finished_of("drizzle"),
        checked=finished_of(*campaign.drizzle.checks),
        positions=reader.positions(campaign, aligned, planned),
        gathered=finished(place, "comparison"),
        missing=reader.missing,
    )
    reader.compare(found)
    return found


def _with_defaults(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of an alignment; what its version did not know has its default."""
    try:
        return Align.model_validate(settings).model_dump(mode="json")
    except ValidationError:  # a version with other settings
        return settings


class _Reader:
    """Reads steps in the order of a run, and takes down what is missing."""

    def __init__(self, place: Place) -> None:
        self.missing: list[Missing] = []
        self._place = place
        self.files: dict[str, Product] = {}
        """That the next step has to be made from, by name."""
        self._made: dict[str, Product] = {}
        """By the methods: by step and name, or by step and what it is."""

    def parcels(self) -> list[Finished]:
        """Return what was retrieved, and take down what could not be."""
        done = []
        for name in self._names("manifests"):
            step = finished(self._place, f"pristine/{name}")
            if step is not None:
                done.append(step)
                self._take_over(step)
        for name in self._names("failed"):
            self._has_failed(Task("retrieve", name))
        return done

    def step(
        self,
        task: Task,
        parameters: Mapping[str, Any] | None = None,
        engine: str = "",
        completed: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    ) -> Finished | None:
        """Return a step that finished, from the files that there are now; else take it down.

        Parameters
        ----------
        task : Task
            The task that makes it.
        parameters : mapping, optional
            What it must have been made with.
        engine : str
            The engine that drizzles.
        completed : callable, optional
            Adds to what it was made with what its version did not know.
        """
        name = task.step(engine)
        if self._has_failed(task, engine):
            return None
        done = finished(self._place, name)
        manifest = None if done is None else read_manifest(self._place, name)
        if done is None or manifest is None:
            self.lack(task.title, "not run")
            return None
        inputs, made_with = manifest["inputs"], completed(manifest["parameters"])
        there = {file: product.sha256 for file, product in {**self._made, **self.files}.items()}
        if any(there.get(file) != sha256 for file, sha256 in inputs.items()) or any(
            made_with.get(key) != value for key, value in (parameters or {}).items()
        ):
            self.lack(task.title, "outdated", _OUTDATED)
            return None
        if name == "aligned":
            self._take_over(done)
        return done

    def made(self, task: Task, campaign: Campaign, planned: Finished | None) -> Finished | None:
        """Return what a task made on the grid of the mosaics; else take it down.

        Parameters
        ----------
        task : Task
            The task. Of the one-pass engine, a method has its part of the one step.
        campaign : Campaign
            Whose engine it is.
        planned : Finished or None
            Has the grid; None where that is not known.
        """
        if planned is None:
            self.lack(task.title, "not run")
            return None
        engine = campaign.drizzle.engine
        # The engines are compared on a smaller grid, of the sample alone.
        parameters = {} if task.kind == "engines" else {"grid": planned.result["grid"]}
        done = self.step(task, parameters, engine)
        if done is None or task.kind != "drizzle":
            return done
        if engine == "onepass":
            from skymosaic.pipeline import (
                onepass,  # with scipy, which takes half a second to import
            )

            if task.of not in done.result["runs"]:  # the file has asked for it since
                self.lack(task.title, "not run")
                return None
            made = done.products.items()
            self._made |= {f"{done.step}/{name}": product for name, product in made}
            done = onepass.as_run(done, task.of)
        names = {kind: done.result[kind] for kind in ("science", "weight")}
        names |= {name: name for name in done.products}
        self._made |= {f"{done.step}/{what}": done.products[name] for what, name in names.items()}
        return done

    def positions(
        self, campaign: Campaign, aligned: Finished | None, planned: Finished | None
    ) -> Finished | None:
        """Return the comparison of the stars of the exposures that there are now, if any was made.

        Older versions made none.
        """
        task = Task("positions")
        if campaign.align.method != "none" or self._has_failed(task):
            return None
        if aligned is None or planned is None:
            self.lack(task.title, "not run")
            return None
        done = finished(self._place, task.step(""))
        if done is None:
            return None
        known = {record["rootname"] for record in aligned.result["exposures"]}
        compared = {name for pair in done.result["pairs"] for name in (pair["a"], pair["b"])}
        return done if compared <= known else None

    def compare(self, found: Findings) -> None:
        """Take down where the comparison is not that of what there is now."""
        task = Task("gather")
        if self._has_failed(task):
            return
        manifest = None if found.gathered is None else read_manifest(self._place, task.step(""))
        if manifest is None:
            self.lack(task.title, "not run")
        elif not self.missing and (
            manifest["inputs"] != {n: p.sha256 for n, p in found.compared.items()}
            # Versions that did not write them down are taken at their word.
            or manifest["parameters"].get("keys", found.keys) != found.keys
        ):
            self.lack(task.title, "outdated", _OUTDATED)

    def _has_failed(self, task: Task, engine: str = "") -> bool:
        """Take down a task that failed; tell whether it has."""
        key = self._place.key("failed", f"{task.step(engine)}.json")
        try:
            record = shapes.read(self._place.store, key, shapes.FAILED)
        except DamagedError as damaged:
            self.lack(task.title, "failed", f"the reason is not known: {damaged}")
            return True
        if record is not None:
            error = record["error"]
            self.lack(task.title, "failed", f"{error['class']}: {error['message']}")
        return record is not None

    def lack(self, part: str, state: str, why: str = "") -> None:
        """Take down that a part is missing."""
        self.missing.append(Missing(part, state, why))

    def _take_over(self, step: Finished) -> None:
        self.files |= step.products

    def _names(self, folder: str) -> Iterator[str]:
        prefix = self._place.key(folder, "pristine")
        for key in self._place.store.list(prefix):
            name = key.removeprefix(prefix + "/")
            if name.endswith(".json") and is_ours(name):
                yield name.removesuffix(".json")


def find_run(uri: str, s3: Mapping[str, Any] | None = None) -> Place:
    """Return the place of a campaign, or of a group of a program, that a store holds.

    Parameters
    ----------
    uri : str
        ``STORE/CAMPAIGN``, or ``STORE/PROGRAM/PROPOSAL/TARGET/FILTER``.
    s3 : mapping, optional
        How to reach it, as for `skymosaic.store.open_store`.

    Raises
    ------
    CampaignError, MissingError
        See `housekeeping.find_place`.
    """
    place = find_place(uri, s3)
    try:
        root, name = parse_place(uri, 4)
    except CampaignError:  # too short for a group
        return place
    above = Place(open_store(root, s3), name, None)
    # Only a program keeps its groups below its own folder.
    program = name.split("/")[0]
    return place if above.store.read_text(f"{program}/groups.json") is None else above
