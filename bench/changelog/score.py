"""How well changelogs are read: Ventil's parser and others, on a corpus outside the project.

    python scripts/changelog_corpus.py FOLDER
    python -m bench.changelog.score FOLDER [--held-out] [--peers VENV --node FOLDER]

Truth: see bench.changelog.truth. Texts without a single true heading (a file that includes
another, say) are left out. A text is solved when no version is missing or too much, and its
dates and bodies score at least 0.95 and 0.90.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import subprocess
import time
from collections import Counter
from pathlib import Path

from bench.changelog.truth import Reading, dates_in, read, same
from bench.results import RESULTS, conditions, digits, table
from ventil.changelog import parse

Rows = list[tuple[str, str | None, str]]
PYTHON_PEERS = ("changelogs", "keepachangelog", "chag", "dephell-changelogs")
NODE_PEERS = ("changelog-parser", "keep-a-changelog")
NEAR = datetime.timedelta(days=3)


def f1(right: float, claimed: float, true: float) -> float:
    """The harmonic mean of precision and recall; 1 when there is nothing to find."""
    return 2 * right / (claimed + true) if claimed + true else 1.0


def bag(a: str, b: str) -> float:
    """How alike two texts are as bags of words, 0 to 1."""
    x, y = Counter(re.findall(r"\w+", a)), Counter(re.findall(r"\w+", b))
    return f1((x & y).total(), x.total(), y.total())


def judge(rows: Rows | None, truth: Reading, known: set[str]) -> dict[str, float]:
    """The sums of one text that the scores are made of."""
    claimed: dict[str, tuple[str | None, str]] = {}
    for version, date, body in rows or []:
        claimed.setdefault(same(version), (date, body))
    true = set(truth.bodies)
    right = true & set(claimed)
    wrong = {v for v in claimed if v not in known and v not in truth.supported}
    dated = {v for v in right if v in truth.dates}
    near = sum(1 for v in dated if _near(claimed[v][0], truth.dates[v]))
    given = sum(1 for v in right if claimed[v][0])
    bodies = sum(bag(claimed[v][1], truth.bodies[v]) for v in right)
    versions = f1(len(right), len(right) + len(wrong), len(true))
    dates = f1(near, given, len(truth.dates))
    body = f1(bodies, len(right) + len(wrong), len(true))
    return {
        "right": len(right),
        "claimed": len(right) + len(wrong),
        "true": len(true),
        "near": near,
        "given": given,
        "dated": len(truth.dates),
        "bodies": bodies,
        "below": len(truth.below),
        "below found": sum(
            1 for v in truth.below if v in claimed and _near(claimed[v][0], truth.dates[v])
        ),
        "versions": versions,
        "solved": float(versions == 1 and dates >= 0.95 and body >= 0.9),
    }


def _near(date: str | None, true: set[datetime.date]) -> bool:
    readings = dates_in(str(date)) if date else set()
    return any(abs(a - b) <= NEAR for a in readings for b in true)


def summary(judged: list[dict[str, float]]) -> dict[str, float]:
    """Scores over all texts, each version counting the same, and the share solved."""
    total = {key: sum(j[key] for j in judged) for key in judged[0]}
    return {
        "versions": digits(f1(total["right"], total["claimed"], total["true"])),
        "dates": digits(f1(total["near"], total["given"], total["dated"])),
        "bodies": digits(f1(total["bodies"], total["claimed"], total["true"])),
        "solved": digits(total["solved"] / len(judged)),
        "below": digits(total["below found"] / total["below"]) if total["below"] else 1.0,
        "texts": len(judged),
    }


def main() -> None:
    """Score Ventil, and the others when told where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--held-out", action="store_true", help="only texts not looked at")
    parser.add_argument("--peers", type=Path, help="a virtual environment with the others")
    parser.add_argument("--node", type=Path, help="a folder with npm's others")
    parser.add_argument("--bad", action="store_true", help="name the texts that are not solved")
    parser.add_argument("--save", help="name of a result in bench/results/")
    args = parser.parse_args()
    entries = json.loads((args.folder / "index.json").read_text())
    texts: list[tuple[str, Reading, set[str], str]] = []
    quiet = loud = 0
    spent = size = 0.0
    ours: list[Rows] = []
    for entry in entries:
        if entry["held_out"] != args.held_out:
            continue
        path = args.folder / entry["file"]
        data = path.read_bytes()
        if entry["quiet"]:
            quiet += 1
            loud += len(parse(data, entry["path"])) > 1
            continue
        start = time.process_time()
        found = parse(data, entry["path"])
        spent += time.process_time() - start
        size += len(data) / 1e6
        if not entry["versions"]:
            continue
        truth = read(data.decode("utf-8", "replace"), list(entry["versions"]))
        if not truth.bodies:
            continue
        Path(f"{path}.versions.json").write_text(json.dumps(list(entry["versions"])))
        known = {same(v) for v in entry["versions"]}
        texts.append((str(path), truth, known, f"{entry['package']} {entry['path']}"))
        ours.append(
            [(r.version, r.date.isoformat() if r.date else None, r.body) for r in found]
        )
    results = {"ventil": ours}
    paths = "\n".join(text[0] for text in texts) + "\n"
    here = Path(__file__).parent
    commands: dict[str, list[str]] = {}
    if args.peers:
        python = str(args.peers / "bin" / "python")
        commands |= {n: [python, str(here / "peers.py"), n] for n in PYTHON_PEERS}
    if args.node:
        script = str(here / "peers.cjs")
        commands |= {n: ["node", script, str(args.node), n] for n in NODE_PEERS}
    for name, command in commands.items():
        done = subprocess.run(command, input=paths, capture_output=True, text=True, check=False)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        results[name] = rows + [None] * (len(texts) - len(rows))
    scores = {}
    for name, rows in results.items():
        judged = [judge(r, text[1], text[2]) for r, text in zip(rows, texts, strict=True)]
        scores[name] = summary(judged)
        if args.bad and name == "ventil":
            for j, text in zip(judged, texts, strict=True):
                if not j["solved"]:
                    print(text[3], {k: round(v, 2) for k, v in j.items()})
    heads = ["parser", "versions F1", "dates F1", "bodies F1", "solved", "date below", "texts"]
    ranked = sorted(scores.items(), key=lambda item: -item[1]["versions"])
    table("Changelogs", heads, [[name, *s.values()] for name, s in ranked])
    print(f"\nREADME, licence and the like with two releases or more: {loud} of {quiet}")
    print(f"{spent:.2f} s of processor time for {size:.1f} MB: {spent / size:.3f} s/MB")
    if args.save:
        result = {
            "bench": "changelog",
            **conditions(quick=False),
            "held_out": args.held_out,
            "scores": scores,
            "quiet": {"texts": quiet, "with_two_releases": loud},
            "seconds_per_mb": digits(spent / size),
            "megabytes": digits(size),
        }
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / f"{args.save}.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
