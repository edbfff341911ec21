"""How long texts of 1 to 16 MB take, of usual shapes and of hostile ones: is it linear?

    python -m bench.changelog.speed [--quick] [--output FILE]

Processor time, best of three where short, for each size; seconds a megabyte at the largest,
and by how much the time grows when the text doubles (2.0 is linear). Usual texts are made
here: the prose of changes, releases of usual length. Goals: at most 0.2 s a megabyte for usual
shapes, and no shape that grows by more than 2.6 from one size to the next.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from bench.results import digits, goal, run, table
from ventil.changelog import parse

MB = 1_000_000
WORDS = """the lid pours spout handle fix fixed add added support for of and when kettle
parser error release with option warning on a new in is no longer `pour()` #123 3.4 PR
removed deprecated tests docs thanks to @jane gh-77 http://example.org/issues/12""".split()
Heading = Callable[[str, str], str]


def _prose(rng: random.Random, bullet: str) -> str:
    lines = []
    for _ in range(rng.randrange(3, 14)):
        words = " ".join(rng.choices(WORDS, k=rng.randrange(5, 30)))
        lines.append(f"{bullet}{words.capitalize()}.")
    return "\n".join(lines) + "\n\n"


def usual(heading: Heading, bullet: str = "- ") -> Callable[[int], str]:
    """A maker of changelogs of so many bytes, in one style."""

    def make(size: int) -> str:
        rng = random.Random(7)
        blocks = [_prose(rng, bullet) for _ in range(300)]  # repeated: making costs, too
        parts, length, number = ["Changelog\n=========\n\n"], 21, size // 400
        while length < size:
            number -= 1
            version = f"{1 + number // 400}.{number // 20 % 20}.{number % 20}"
            part = heading(version, f"20{10 + number % 15}-0{1 + number % 9}-1{number % 9}")
            part += blocks[number % 300]
            parts.append(part)
            length += len(part)
        return "".join(parts)

    return make


def _underlined(version: str, date: str) -> str:
    title = f"{version} ({date})"
    return f"{title}\n{'-' * len(title)}\n\n"


def _times(piece: str) -> Callable[[int], str]:
    return lambda size: piece * (size // len(piece))


def _numbered(form: str) -> Callable[[int], str]:
    length = len(form.format(n=10_000))
    return lambda size: "".join(form.format(n=n) for n in range(size // length, 0, -1))


USUAL = {
    "reStructuredText": usual(_underlined),
    "Markdown": usual(lambda v, d: f"## [{v}](http://e.org/{v}) - {d}\n\n### Added\n\n"),
    "plain text": usual(lambda v, d: f"Version {v}, {d}\n\n", "  * "),
    "dates below": usual(lambda v, d: f"{v}\n-----\n\n*Released on {d}*\n\n"),
}
HOSTILE = {
    "headings alone": _numbered("## 1.{n}.0 (2020-01-01)\n- a\n"),
    "bare versions": _numbered("1.{n}\n  text\n\n"),
    "two styles, mixed": _numbered("## 1.{n}.0 x\n- a\n### 1.{n}.1\n- b\n"),
    "other headings": lambda size: "## 1.1\n" + "## other\n\n" * (size // 10) + "## 1.0\n",
    "fences": _times("```\n1.0\n```\n"),
    "comments": _times("<!-- 1.0 -->\n"),
    "nested brackets": _times("## [[[[[[1.0]]]]](((((\n"),
    "emphasis that never ends": _times("**1.0 *_*_*_*_*_*_*_*_\n"),
    "like dates": _times("1-1-1-1-1-1-1-1-1-1-2020-1-1-1\n"),
    "suffixes": _times("## 1.0" + "-rc.1" * 60 + "\n"),
    "hashes": _times("#\n"),
    "one line": _times("## [1.0](http://a.b/"),
}


def seconds(text: str) -> float:
    """Processor time to parse, best of three; what takes over a second is done once."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        parse(text, "CHANGELOG")
        best = min(best, time.process_time() - start)
        if best > 1.0:
            break
    return best


def measure(quick: bool) -> dict[str, Any]:
    """Seconds for each shape and size."""
    sizes = (1, 2) if quick else (1, 2, 4, 8, 16)
    rows, shapes = [], []
    for kind, makers in (("usual", USUAL), ("hostile", HOSTILE)):
        for name, make in makers.items():
            spent = [seconds(make(size * MB)) for size in sizes]
            # Below a tenth of a second the clock's noise is what grows.
            growth = max(
                (b / a for a, b in pairwise(spent) if b > 0.1),
                default=1.0,
            )
            shapes.append(
                {
                    "shape": name,
                    "kind": kind,
                    "seconds": [digits(s, 3) for s in spent],
                    "seconds_per_mb": digits(spent[-1] / sizes[-1], 3),
                    "growth": digits(growth, 3),
                }
            )
            rows.append(
                [
                    name,
                    *(f"{s:.2f}" for s in spent),
                    f"{spent[-1] / sizes[-1]:.3f}",
                    f"{growth:.2f}",
                ]
            )
    heads = ["shape", *(f"{size} MB" for size in sizes), "s/MB", "growth"]
    table("Processor time of the changelog parser, seconds", heads, rows)
    slowest = max(s["seconds_per_mb"] for s in shapes if s["kind"] == "usual")
    return {
        "megabytes": sizes,
        "shapes": shapes,
        "goals": [
            goal("seconds a megabyte, usual texts", slowest, 0.2),
            goal("growth when a text doubles", max(s["growth"] for s in shapes), 2.6),
        ],
    }


if __name__ == "__main__":
    run("changelog.speed", __doc__ or "", measure)
