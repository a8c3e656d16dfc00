"""What a store knows of a campaign: its finished steps, what failed, what is out of date."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from skymosaic.compare.report.record import Missing
from skymosaic.config import Align, Campaign, load_campaign_text
from skymosaic.errors import CampaignError, MissingError
from skymosaic.exposure import Exposure
from skymosaic.housekeeping import find_place
from skymosaic.methods import column
from skymosaic.places import parse_place
from skymosaic.stages import with_order
from skymosaic.steps import Finished, Place, finished
from skymosaic.store import open_store

_OUTDATED = "It was made before what it depends on changed; `skymosaic run` makes it anew."


@dataclass(frozen=True)
class Findings:
    """The steps of a campaign, each None or absent where it has not finished."""

    place: Place
    campaign: Campaign
    retrieved: Sequence[Finished] = ()
    inspected: Finished | None = None
    aligned: Finished | None = None
    """With `align: none`, what was inspected."""
    planned: Finished | None = None
    drizzled: Mapping[str, Finished] = field(default_factory=dict)
    """By method, in the order of the campaign."""
    checked: Mapping[str, Finished] = field(default_factory=dict)
    """Steps in which the engines check each other, by name."""
    positions: Finished | None = None
    """With `align: none`: how the positions of stars agree; older versions did not ask."""
    gathered: Finished | None = None
    """The comparison; it may be of a former run."""
    missing: Sequence[Missing] = ()
    """What has not finished, or is out of date, and why."""

    @property
    def exposures(self) -> list[Exposure]:
        """The exposures, aligned where that has been done."""
        step = self.aligned or self.inspected
        if step is None:
            return []
        return [Exposure.from_dict(record) for record in step.result["exposures"]]

    @property
    def steps(self) -> list[Finished]:
        """All finished steps that the comparison is made from, in their order."""
        steps = [*self.retrieved, self.inspected, self.aligned, self.planned]
        more = [*self.drizzled.values(), *self.checked.values()]
        return [step for step in [*steps, self.positions, *more] if step is not None]


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
    campaign = load_campaign_text(text, place.store.where(key), {})
    reader = _Reader(place)
    retrieved = reader.parcels()
    inspected = reader.step("inspection", "inspect")
    if campaign.align.method == "none":
        aligned = None if inspected is None else replace(inspected, step="aligned", seconds=0.0)
    else:
        asked = campaign.align.model_dump(mode="json")
        aligned = (
            None if inspected is None else reader.step("aligned", "align", asked, _with_defaults)
        )
        if aligned is None and inspected is None:
            reader.lack("align", "not run")
    planned = None
    if aligned is None:
        reader.lack("plan", "not run")
    else:
        planned = reader.step("plan", "plan")
    if aligned is not None and planned is not None:
        exposures = [Exposure.from_dict(record) for record in aligned.result["exposures"]]
        planned = with_order(planned, campaign, exposures)
    drizzled: dict[str, Finished] = {}
    for method in campaign.sky.methods:
        part = f"drizzle {method}"
        if planned is None:
            reader.lack(part, "not run")
            continue
        run = reader.run_of(method, part, campaign, planned)
        if run is not None:
            drizzled[method] = run
    for name, part in (
        ("witness", "witness"),
        ("engines", "both engines"),
        ("positions", "compare positions"),
        ("comparison", "gather"),
    ):
        reader.failure(name, part)
    return Findings(
        place=place,
        campaign=campaign,
        retrieved=retrieved,
        inspected=inspected,
        aligned=aligned,
        planned=planned,
        drizzled=drizzled,
        positions=None if planned is None else _positions(place, campaign, aligned),
        gathered=finished(place, "comparison"),
        missing=reader.missing,
    )


def _positions(place: Place, campaign: Campaign, aligned: Finished | None) -> Finished | None:
    """Return the comparison of the stars of the exposures that there are now, if any was made."""
    done = finished(place, "positions") if campaign.align.method == "none" else None
    if done is None or aligned is None:
        return None
    known = {record["rootname"] for record in aligned.result["exposures"]}
    compared = {name for pair in done.result["pairs"] for name in (pair["a"], pair["b"])}
    return done if compared <= known else None


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
        self._checksums: dict[str, str] = {}
        """Of the files that the next step has to be made from, by name."""

    def parcels(self) -> list[Finished]:
        """Return what was retrieved, and take down what could not be."""
        done = []
        for name in self._names("manifests"):
            step = finished(self._place, f"pristine/{name}")
            if step is not None:
                done.append(step)
                self._take_over(step)
        for name in self._names("failed"):
            record = self._place.store.read_json(self._place.key("failed", f"pristine/{name}.json"))
            self._lack_failed(f"retrieve {name}", record)
        return done

    def step(
        self,
        name: str,
        part: str,
        parameters: Mapping[str, Any] | None = None,
        completed: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
    ) -> Finished | None:
        """Return a step that finished, from the files that there are now; else take it down.

        Parameters
        ----------
        name : str
            The step's.
        part : str
            What people call it.
        parameters : mapping, optional
            What it must have been made with.
        completed : callable, optional
            Adds to what it was made with what its version did not know.
        """
        failed = self._place.store.read_json(self._place.key("failed", f"{name}.json"))
        done = finished(self._place, name)
        if failed is not None:
            self._lack_failed(part, failed)
            return None
        if done is None:
            self.lack(part, "not run")
            return None
        manifest = self._place.store.read_json(self._place.key("manifests", f"{name}.json"))
        inputs, made_with = manifest["inputs"], completed(manifest["parameters"])
        if any(self._checksums.get(file) != sha256 for file, sha256 in inputs.items()) or any(
            made_with.get(key) != value for key, value in (parameters or {}).items()
        ):
            self.lack(part, "outdated", _OUTDATED)
            return None
        if name == "aligned":
            self._take_over(done)
        return done

    def run_of(
        self, method: str, part: str, campaign: Campaign, planned: Finished
    ) -> Finished | None:
        """Return the run of a method; of the one-pass engine, its part of the one step.

        Parameters
        ----------
        method, part : str
            The method, and what people call its run.
        campaign : Campaign
            Whose engine it is.
        planned : Finished
            Has the grid that the run must be on.
        """
        parameters = {"grid": planned.result["grid"]}
        if campaign.drizzle.engine != "onepass":
            return self.step(f"runs/{column(method)}", part, parameters)
        from skymosaic import onepass_stages  # with scipy, which takes half a second to import

        every = self.step(onepass_stages.STEP, part, parameters)
        if every is None:
            return None
        if method not in every.result["runs"]:  # the file has asked for it since
            self.lack(part, "not run")
            return None
        return onepass_stages.as_run(every, method)

    def failure(self, name: str, part: str) -> None:
        """Take down where a step failed; parameters as for `step`."""
        failed = self._place.store.read_json(self._place.key("failed", f"{name}.json"))
        if failed is not None:
            self._lack_failed(part, failed)

    def lack(self, part: str, state: str, why: str = "") -> None:
        """Take down that a part is missing."""
        self.missing.append(Missing(part, state, why))

    def _lack_failed(self, part: str, record: Mapping[str, Any]) -> None:
        error = record["error"]
        self.lack(part, "failed", f"{error['class']}: {error['message']}")

    def _take_over(self, step: Finished) -> None:
        self._checksums |= {name: product.sha256 for name, product in step.products.items()}

    def _names(self, folder: str) -> Iterator[str]:
        prefix = self._place.key(folder, "pristine")
        for key in self._place.store.list(prefix):
            name = key.removeprefix(prefix + "/")
            if name.endswith(".json"):
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
