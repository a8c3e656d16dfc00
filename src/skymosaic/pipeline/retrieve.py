"""The task that brings the files of a parcel into the store."""

from __future__ import annotations

from pathlib import Path

from skymosaic.archive.base import Parcel, Source
from skymosaic.errors import InputError
from skymosaic.hst.exposure import RECORD, Exposure, suffix_of
from skymosaic.hst.imsets import split_imsets
from skymosaic.hst.reading import read_exposure, with_health
from skymosaic.pipeline.results import RETRIEVE, RetrieveResult
from skymosaic.pipeline.rules import Rules
from skymosaic.pipeline.slots import retrieving_slot
from skymosaic.steps.manifests import forget
from skymosaic.steps.step import Bench, Finished, Place, run_step


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
            with retrieving_slot(place):
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
            tasks=[RETRIEVE.task(parcel.name)],
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
