"""Texts made to blow up a parser, each parsed in a process of its own under limits.

    python -m bench.changelog.hostile [KIND ...]

Prints one line for each kind: seconds, peak memory, releases found. Ends with status 1 when
one of them takes over 10 s or 512 MB, fails, or finds what is not there.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable

MB = 1_000_000
SIZE = 10 * MB
SECONDS = 10.0
MEMORY = 512 * 1024 * 1024


def _repeat(piece: str, size: int = SIZE) -> str:
    return piece * (size // len(piece))


def _noise(size: int) -> bytes:
    return random.Random(5).randbytes(size)


_TRUE = "# Changelog\n\n## 1.1.0 (2020-02-02)\n- b\n\n## 1.0.0 (2020-01-01)\n- a\n"

# name -> the text, and how many releases are right (None: any number, but no failure)
KINDS: dict[str, tuple[Callable[[], str | bytes], int | None]] = {
    "one line of 10 MB": (lambda: "x" * SIZE, 0),
    "one line of digits": (lambda: "1" * SIZE, 0),
    "one line of dots and digits": (lambda: _repeat("1."), 0),
    "a million hashes, one a line": (lambda: "#\n" * MB, 0),
    "ten million hashes on one line": (lambda: "#" * SIZE, 0),
    "nested brackets": (lambda: "## 1.0 " + "[" * (SIZE // 2) + "]" * (SIZE // 2), None),
    "nested brackets, a line each": (lambda: _repeat("## [[[[[[1.0]]]]]](((((\n"), None),
    "nested parentheses of links": (lambda: _repeat("[1.0](((((((((((((((\n"), None),
    "spaces": (lambda: " " * SIZE, 0),
    "spaces before and after versions": (
        lambda: _repeat(" " * 500 + "1.0" + " " * 500 + "\n"),
        None,
    ),
    "tabs and line ends": (lambda: _repeat("\t\n"), 0),
    "line ends alone": (lambda: "\n" * SIZE, 0),
    "carriage returns alone": (lambda: "\r" * SIZE, 0),
    "runs like dates": (lambda: _repeat("2020-01-01"), 0),
    "runs like dates, a line each": (lambda: _repeat("1-1-1-1-1-1-1-1-1-1-2020-1-1-1\n"), None),
    "half a million versions": (
        lambda: "".join(f"1.{n}\n" for n in range(500_000)),
        None,
    ),
    "version headings without end": (
        lambda: "".join(f"## 1.{n}.0 (2020-01-01)\n- a\n" for n in range(300_000)),
        None,
    ),
    "suffixes without end": (lambda: _repeat("## 1.0" + "-rc.1" * 60 + "\n"), None),
    "underlines alone": (lambda: _repeat("=====\n-----\n~~~~~\n"), 0),
    "underlined versions": (lambda: _repeat("1.0\n---\n"), None),
    "stars": (lambda: _repeat("*" * 79 + "\n"), 0),
    "backticks and fences": (lambda: _repeat("```\n````\n"), 0),
    "comments opened, never closed": (lambda: _repeat("<!-- \n"), 0),
    "emphasis that never ends": (lambda: _repeat("**1.0 *_*_*_*_*_*_*_*_\n"), None),
    "invalid bytes": (lambda: _noise(SIZE), None),
    "UTF-16": (lambda: (_TRUE + "- more\n" * (SIZE // 14)).encode("utf-16"), 2),
    "NULs": (lambda: b"\0" * SIZE, 0),
    "NULs among the words": (lambda: _TRUE.replace(" ", "\0 ") + "\0\n" * (SIZE // 2), None),
    "wide characters": (lambda: _TRUE + "🫖 1.0\n" * (SIZE // 9), None),
    "tables": (lambda: _repeat("|" * 50 + " 1.0 " + "|" * 50 + "\n"), None),
    "directives": (lambda: _repeat(".. changelog::\n"), 0),
    "links without end": (lambda: _repeat("## [1.0](http://a.b/"), None),
}


def child(kind: str) -> None:
    """Parse one kind here, and print what it took."""
    from ventil.changelog import parse  # after the fork, so that its memory counts too

    make, expected = KINDS[kind]
    text = make()
    resource.setrlimit(resource.RLIMIT_AS, (2 * MEMORY, 2 * MEMORY))  # rather fail than swap
    start = time.process_time()
    found = parse(text, "CHANGELOG")
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "seconds": seconds,
                "megabytes": len(text) / MB,
                "peak": peak,
                "releases": len(found),
                "expected": expected,
            }
        )
    )


def measure(kind: str) -> dict[str, float]:
    """What parsing one kind took, in a process of its own; empty when it failed."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.changelog.hostile", "--child", kind],
        capture_output=True,
        text=True,
        timeout=6 * SECONDS,
        check=False,
    )
    if done.returncode:
        print(done.stderr[-300:], file=sys.stderr)
        return {}
    result: dict[str, float] = json.loads(done.stdout)
    return result


def main() -> None:
    """Measure the kinds named, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--child")
    args = parser.parse_args()
    if args.child:
        child(args.child)
        return
    wrong = 0
    for kind in args.kinds or KINDS:
        got = measure(kind)
        right = bool(got) and got["seconds"] <= SECONDS and got["peak"] <= MEMORY
        right = right and (got["expected"] is None or got["expected"] == got["releases"])
        wrong += not right
        if got:
            print(
                f"{'ok ' if right else 'BAD'} {got['seconds']:6.2f} s"
                f" {got['peak'] / MB:6.0f} MB {got['releases']:7.0f} releases  {kind}"
            )
        else:
            print(f"BAD failed: {kind}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
