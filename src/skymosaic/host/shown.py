r"""Texts that others wrote, made safe to show: on terminals, in logs and in reports.

Names of files, values of headers and settings may hold what a terminal takes for a command (ESC),
what begins a new line, which then looks like one of ours, and what turns the direction of writing,
so that a text reads as another one. They are shown as Python writes them: ``\x1b``, ``\u202e``.
"""

from __future__ import annotations

import re

# The categories of Unicode Cc, Cf, Cs, Zl and Zp: controls, formats, halves of pairs, separators.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000110bd\U000110cd"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f]"
)


def shown(text: str) -> str:
    """Return a text in one line; what is not seen of it is escaped."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def shown_lines(text: str, indent: str = "  ") -> str:
    """Return a text of several lines.

    Parameters
    ----------
    text : str
        Its lines are kept; what else is not seen of it is escaped.
    indent : str
        What stands before each line but the first: none of them looks like a message of its own.
    """
    return f"\n{indent}".join(map(shown, text.split("\n")))
