"""Throw made and mangled texts at the changelog parser until the time is up.

    python -m bench.changelog.fuzz [FOLDER] --minutes N [--seed N]
    python -m bench.changelog.fuzz [FOLDER] --minutes N --coverage     (needs `atheris`)

Texts are put together from pieces of headings, or taken from a corpus and mangled: bytes
flipped, lines swapped, doubled, cut, or joined with those of others. With `--coverage` a
fuzzer that watches which branches of the parser are taken (Atheris on libFuzzer) breeds
texts from these. Ends at the first exception, at a release that breaks the parser's
promises, and at a text that takes too long for its length; the text is written to
fuzz-failure.bin. Otherwise prints how many it tried.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

if "--coverage" in sys.argv:
    import atheris  # type: ignore[import-not-found, unused-ignore]

    with atheris.instrument_imports(include=["ventil.changelog"]):
        from ventil.changelog import parse, release_as_data
else:
    from ventil.changelog import parse, release_as_data

# Pieces that headings are made of: any text of them is near to a changelog.
_WORDS = """
** __ ` `` _ | ( ) [ ] ](http://a.b/1.2.3) <!-- --> ``` ~~~ <h2> </h2> === \\ é ² ٣.٤ １.０
1.0 v1.1 2.0.0rc1 1.0.0-beta.2 2020.1.5 12 1.x 1. .5 1!2 -rc 2020-01-19 3/4/2015 13.11.2015
2020年1月19日 20200119 Version Release FROM TO pot Unreleased Changelog since <<<<<<<<<
""".split()
_BLANKS = ["\n", "\n\n", "\r\n", "\r", "\t", "    ", " ", " - ", ": ", ", ", "\0", "\u2028"]
PIECES = [
    *_WORDS,
    *_BLANKS,
    *["# ", "## ", "### ", "= ", "== ", "h2. ", "* ", "- ", "+ ", "> ", "commit "],
    *[
        "19 Jan 2020",
        "May 2020",
        "0.9 beta 2",
        "Changes in",
        "\n=====\n",
        "\n---\n",
        "\n~~~~\n",
    ],
    ".. changelog::\n   :version: 1.0\n",
    "* :release:`1.0 <2020-01-19>`",
    "pot (1.0-1) unstable; urgency=low\n",
    "* Tue Mar 03 2020 Jane <j@d.e> - 1.0-1\n",
    "\n -- Jane <j@d.e>  Mon, 06 Jan 2020 09:00:00 +0100\n",
]
NAMES = (None, "CHANGES.rst", "CHANGELOG.md", "README", "notes/1.0.txt")
SLOWEST = 2e-6  # seconds a byte, ten times the bound of the bench, and
GRACE = 0.2  # seconds for short texts


def made(rng: random.Random) -> bytes:
    """A text of pieces."""
    return "".join(rng.choices(PIECES, k=rng.randrange(120))).encode("utf-8", "replace")


def mangled(rng: random.Random, corpus: list[bytes]) -> bytes:
    """A piece of a real text, spoilt."""
    text = bytearray(rng.choice(corpus))
    start = rng.randrange(len(text) + 1)
    text = text[start : start + rng.randrange(1, 20_000)]
    for _ in range(rng.randrange(6)):
        if not text:
            break
        at = rng.randrange(len(text))
        match rng.randrange(5):
            case 0:
                text[at] = rng.randrange(256)
            case 1:
                del text[at : at + rng.randrange(1, 400)]
            case 2:
                text[at:at] = rng.choice(PIECES).encode() * rng.randrange(1, 40)
            case 3:
                lines = text.split(b"\n")
                rng.shuffle(lines)
                text = bytearray(b"\n".join(lines))
            case _:
                text += rng.choice(corpus)[: rng.randrange(2_000)]
    return bytes(text)


def check(data: bytes, name: str | None, *, slower: float = 1.0) -> str:
    """What is wrong with how the text was parsed, or nothing.

    `slower`: so many times the usual is spent here, because branches are watched.
    """
    start = time.process_time()
    try:
        found = parse(data, name)
        for release in found:
            json.dumps(release_as_data(release))
    except Exception as error:
        return repr(error)
    spent = time.process_time() - start
    if spent > slower * (GRACE + SLOWEST * len(data)):
        return f"{spent:.2f} s for {len(data)} bytes"
    previous = 0
    for release in found:
        if not previous <= release.span[0] < release.span[1]:
            return f"spans: {release.span}"
        previous = release.span[1]
    return ""


def seeds(folder: Path, corpus: list[bytes], rng: random.Random) -> None:
    """Write the texts to breed from, and a dictionary of the pieces, into *folder*."""
    (folder / "seeds").mkdir()
    for number in range(2_000):
        text = mangled(rng, corpus) if corpus and number % 2 else made(rng)
        (folder / "seeds" / str(number)).write_bytes(bytes([number % 5]) + text[:8_000])
    words = {piece.encode() for piece in PIECES if piece.strip()}
    quoted = ("".join(f"\\x{byte:02x}" for byte in word) for word in words)
    (folder / "pieces.dict").write_text("".join(f'"{word}"\n' for word in quoted))


def breed(seconds: float, corpus: list[bytes], rng: random.Random) -> None:
    """Let the fuzzer breed texts until the time is up; it ends the process."""

    def one(data: bytes) -> None:
        name = NAMES[data[0] % len(NAMES)] if data else None
        wrong = check(data[1:], name, slower=10)
        if wrong:
            Path("fuzz-failure.bin").write_bytes(data[1:])
            raise RuntimeError(f"named {name}: {wrong}")

    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    seeds(folder, corpus, rng)
    options = [
        f"-max_total_time={seconds:.0f}",
        "-max_len=20000",
        "-timeout=60",
        "-rss_limit_mb=4096",
        f"-dict={folder / 'pieces.dict'}",
        f"-artifact_prefix={folder}/",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, str(folder / "seeds")], one)
    atheris.Fuzz()


def main() -> None:
    """Run until the time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="a corpus, see score")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--coverage", action="store_true", help="watch which branches are taken"
    )
    args = parser.parse_args()
    rng = random.Random(args.seed)
    corpus: list[bytes] = []
    if args.folder:
        entries = json.loads((args.folder / "index.json").read_text())
        corpus = [(args.folder / entry["file"]).read_bytes() for entry in entries]
    if args.coverage:
        breed(60 * args.minutes, corpus, rng)
        return
    end, tried = time.monotonic() + 60 * args.minutes, 0
    while time.monotonic() < end:
        data = mangled(rng, corpus) if corpus and rng.random() < 0.6 else made(rng)
        name = rng.choice(NAMES)
        wrong = check(data, name)
        if wrong:
            Path("fuzz-failure.bin").write_bytes(data)
            print(f"after {tried} texts, named {name}: {wrong}")
            sys.exit(1)
        tried += 1
    print(f"{tried} texts in {args.minutes:g} minutes, nothing wrong")


if __name__ == "__main__":
    main()
