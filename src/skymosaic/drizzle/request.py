"""What a campaign file asks of its drizzles: read here once, for everybody who wants to know.

What a file asks becomes an `Order` once the exposures are known (`Request.decide`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from skymosaic.config import Campaign, Compute, Drizzle
from skymosaic.config.detectors import named_detectors
from skymosaic.config.fields import Static
from skymosaic.config.grid import PLACE
from skymosaic.config.kubernetes import parse_quantity
from skymosaic.drizzle import order as ordering
from skymosaic.drizzle.depth import Depth
from skymosaic.drizzle.grid_request import GridRequest
from skymosaic.drizzle.memory import Engine
from skymosaic.drizzle.onepass.choice import SkyChoice, choices_of
from skymosaic.drizzle.onepass.limits import require_linear
from skymosaic.drizzle.order import Detector, Order, StaticChoice
from skymosaic.host import limits
from skymosaic.methods import METHODS, OWN
from skymosaic.sky.static_rule import FirstRule


@dataclass(frozen=True)
class Request:
    """What a campaign file asks of its drizzles.

    Parameters
    ----------
    engine : {'astrodrizzle', 'onepass'}
        Which makes the mosaics.
    given : mapping of str to object
        AstroDrizzle's parameters that the file sets, those of the sky step too, without those that
        place the output grid.
    detectors : tuple of Detector
        Those that the file names; none where exposures may be of any.
    choices : mapping of str to SkyChoice
        The skies of the mosaics by name: the methods in the file's order, then the variants.
    static : {'auto', 'once', 'repeated', 'none'}
        ``sky.static``.
    checks : tuple of str
        Steps in which one engine checks the other.
    witness : bool
        Whether one of them is the witness.
    planes, mask_sources : bool
        ``sky.planes`` and ``sky.mask_sources``.
    errors : bool
        Whether mosaics get an error plane.
    host_cores : int or None
        Cores that the file asks for on each host of a cluster; None: it does not say.
    workers : int or None
        Workers that the file wants at most; None: it does not say.
    drizzle : Drizzle
        The section of the file that asks of the output grid, among others.
    """

    engine: Engine
    given: Mapping[str, Any]
    detectors: tuple[Detector, ...]
    choices: Mapping[str, SkyChoice]
    static: Static = "auto"
    checks: tuple[str, ...] = ()
    witness: bool = False
    planes: bool = False
    mask_sources: bool = False
    errors: bool = False
    host_cores: int | None = None
    workers: int | None = None
    drizzle: Drizzle = field(default_factory=Drizzle, repr=False)

    @staticmethod
    def of(campaign: Campaign) -> Request:
        """Return what a campaign's file asks; of a program what holds for all of its groups."""
        drizzle, sky = campaign.drizzle, campaign.sky
        return Request(
            engine=drizzle.engine,
            given={
                name: value
                for name, value in {**drizzle.parameters, **sky.parameters}.items()
                if name not in PLACE
            },
            detectors=tuple(named_detectors(campaign.source)),
            choices=choices_of(sky),
            static=sky.static,
            checks=drizzle.checks,
            witness=drizzle.has_witness,
            planes=sky.planes,
            mask_sources=sky.mask_sources,
            errors="err" in drizzle.products,
            host_cores=_host_cores(campaign.compute),
            workers=_workers(campaign.compute),
            drizzle=drizzle,
        )

    def knowing(self, detectors: Sequence[Detector]) -> Request:
        """Return the same, of exposures that are of some detectors."""
        return replace(self, detectors=tuple(detectors))

    @property
    def methods(self) -> tuple[str, ...]:
        """The sky methods, in the file's order."""
        return tuple(name for name in self.choices if name in (*METHODS, *OWN))

    @property
    def own_methods(self) -> tuple[str, ...]:
        """Those that AstroDrizzle does not know."""
        return tuple(method for method in self.methods if method in OWN)

    @property
    def has_differences(self) -> bool:
        """Whether a mosaic, of a method or of a variant, has a sky from differences on the grid."""
        return any(choice.method in OWN for choice in self.choices.values())

    @property
    def no_constants(self) -> list[str]:
        """The mosaics whose sky is no constant a chip, and which AstroDrizzle cannot make."""
        if not self.planes:
            return []
        return [name for name, choice in self.choices.items() if choice.method in OWN]

    @property
    def parameters(self) -> dict[str, Any]:
        """What AstroDrizzle's parameters will be, as far as is known before the exposures are."""
        return ordering.as_far_as_known(self.detectors, self.given)

    @property
    def may_look_for_cosmic_rays(self) -> bool:
        """Whether cosmic rays may be looked for, as far as is known before the exposures are."""
        return ordering.may_look_for_cosmic_rays(self.detectors, self.given)

    @property
    def grid(self) -> GridRequest:
        """What the file asks of the output grid."""
        return GridRequest.of(self.drizzle, self.parameters)

    def decide(
        self,
        detectors: Sequence[Detector],
        depth: Depth | None,
        started: float | None,
        kept: FirstRule | None,
    ) -> Order:
        """Decide what AstroDrizzle is asked for, now that the exposures are known.

        Parameters
        ----------
        detectors, depth, started
            As for `order.decide`.
        kept : FirstRule or None
            The rule of the static mask that `plan` recorded; None: an older version planned.
        """
        static = StaticChoice.of(self.static, kept)
        return ordering.decide(detectors, depth, self.given, started, static)

    def require_possible(self) -> None:
        """Refuse what the engine, or the checks, cannot do, as far as is known by now.

        Raises
        ------
        DrizzleError
            It names the parameter.
        """
        if self.engine == "onepass" or self.checks:
            require_linear(self.parameters)

    def require_order(self, order: Order) -> None:
        """Refuse an order that the engine, or the checks, cannot do.

        Raises
        ------
        DrizzleError
            It names the parameter.
        """
        if self.engine == "onepass" or self.checks:
            require_linear(order.parameters)
        if self.engine == "astrodrizzle" and self.witness:
            ordering.require_witness(order)

    def processes(self, jobs: int) -> int:
        """Return how many of some drizzles to do at once on this host (count)."""
        return self.processes_of(limits.cores(), jobs)

    def processes_there(self, jobs: int) -> int:
        """Return how many are done at once on a host of the cluster that the file names (count).

        Where the file does not tell of its cores, it is taken for one like this.
        """
        return self.processes_of(self.host_cores or limits.cores(), jobs)

    def processes_of(self, cores: int, jobs: int) -> int:
        """Return how many are done at once on a host of so many cores (count)."""
        return max(1, min(cores, jobs, self.host_cores or cores, self.workers or cores))


def _host_cores(compute: Compute) -> int | None:
    if compute.backend == "slurm":
        return compute.slurm.cores
    if compute.backend == "kubernetes" and compute.kubernetes.cluster is None:
        return math.ceil(parse_quantity(compute.kubernetes.cpu))  # of a pod
    return None


def _workers(compute: Compute) -> int | None:
    # A pod has one worker, which may use all of its cores.
    alone = compute.backend == "kubernetes"
    return compute.workers if isinstance(compute.workers, int) and not alone else None
