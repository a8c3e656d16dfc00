"""The page of a program: every group with its state, its advice and its largest residual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from skymosaic.host.counting import counted
from skymosaic.host.shown import shown
from skymosaic.report.card import Card
from skymosaic.report.colour_facts import ColourFacts
from skymosaic.report.page import template


@dataclass(frozen=True)
class GroupRow:
    """What the page tells of one mosaic of a program."""

    name: str
    """``TARGET/FILTER``."""
    state: str
    """done, or failed."""
    files: int
    error: str
    """Why it failed; empty where it did not."""
    link: str
    """Its report, relative to the page; empty where there is none."""
    partial: bool
    """Whether that is the report of a run that broke off."""
    thumbnail: str
    """Its mosaic as a ``data:`` URI; empty where there is none."""
    card: Card | None
    """What `verdict.card` told of it; None where it has no comparison."""

    @property
    def residual(self) -> float | None:
        """The largest residual that the advised method leaves, e-/s; None where not known."""
        worst = None if self.card is None else self.card.worst
        return None if worst is None else worst.residual

    @property
    def exposures(self) -> int | None:
        """Exposures in the mosaic; None where that is not known."""
        return None if self.card is None else self.card.exposures

    @property
    def warnings(self) -> int | None:
        """What its report warns of; None where that is not known."""
        return None if self.card is None else self.card.warnings

    @property
    def confidence(self) -> str:
        """How sure the advice is."""
        return "" if self.card is None else self.card.sure

    @property
    def first_warning(self) -> str:
        """The first of its warnings."""
        return "" if self.card is None else self.card.first_warning

    @property
    def advice(self) -> str:
        """The advice in a few words."""
        return "" if self.card is None else self.card.headline

    @property
    def kind(self) -> str:
        """What kind of advice it is, to filter by."""
        if self.state != "done":
            return "failed"
        return "absent" if self.card is None else self.card.kind


@dataclass(frozen=True)
class ColourRow:
    """A colour picture of some of the mosaics."""

    facts: ColourFacts
    picture: str
    """The PNG, relative to the page."""
    page: str | None
    """What shows its tiles, likewise; None where there are none."""
    thumbnail: str
    """As a ``data:`` URI."""


_KINDS = {
    "method": "one method advised",
    "no-difference": "no difference",
    "undetermined": "undetermined",
    "absent": "no advice",
    "failed": "failed",
}


def program_html(
    name: str, created: str, groups: Sequence[GroupRow], pictures: Sequence[ColourRow] = ()
) -> str:
    """Return the page of a program.

    Parameters
    ----------
    name : str
        Of the program.
    created : str
        When the page was made, as it is to be printed.
    groups : sequence of GroupRow
        In the order of the page.
    pictures : sequence of ColourRow
        Of their fields.
    """
    counts = Counter(group.kind for group in groups)
    methods = Counter(
        group.advice.removeprefix("Use ") for group in groups if group.kind == "method"
    )
    kinds = {kind: (label, counts[kind]) for kind, label in _KINDS.items() if counts[kind]}
    return template("program.html.j2").render(
        name=name,
        created=created,
        groups=groups,
        kinds=kinds,
        methods=methods.most_common(),
        pictures=pictures,
    )


def program_document(
    name: str, created: str, groups: Sequence[GroupRow], pictures: Sequence[ColourRow] = ()
) -> dict[str, Any]:
    """Return the same as plain values, without the pictures."""
    return {
        "format": "skymosaic program 1",
        "program": name,
        "created": created,
        "groups": [
            {
                "name": group.name,
                "state": group.state,
                "files": group.files,
                "error": group.error or None,
                "report": group.link or None,
                "partial": group.partial,
                "card": None if group.card is None else asdict(group.card),
            }
            for group in groups
        ],
        "colours": [
            {
                **asdict(one.facts),
                "picture": one.picture,
                "tiles": one.page,
                "alt": one.facts.alt,
                "how": one.facts.sentences,
            }
            for one in pictures
        ],
    }


def program_markdown(
    name: str, created: str, groups: Sequence[GroupRow], pictures: Sequence[ColourRow] = ()
) -> str:
    """Return the same as a Markdown table."""
    lines = [
        f"# {name}: {counted(len(groups), 'group')}",
        "",
        created,
        "",
        "| group | state | files | advice, or why it failed | largest residual [e-/s] | report |",
        "|---|---|---:|---|---:|---|",
    ]
    for group in groups:
        said = shown(" ".join((group.error or group.advice).split())).replace("|", "\\|")
        left = "" if group.residual is None else f"{group.residual:.4g}"
        link = f"[report]({group.link})" if group.link else ""
        cells = (group.name, group.state, str(group.files), said, left, link)
        lines.append(f"| {' | '.join(cells)} |")
    for one in pictures:
        title = shown(one.facts.title)
        lines += ["", f'![{shown(one.facts.alt)}]({one.picture} "{title}")', ""]
        lines.append(shown(" ".join(one.facts.sentences)))
    return "\n".join(lines) + "\n"
