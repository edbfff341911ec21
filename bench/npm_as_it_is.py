"""npm as it is: a hidden limit, and a ban of 15 to 60 minutes for whoever exceeds it.

    python -m bench.npm_as_it_is [--quick] [--seeds 6] [--virtual-seeds 300] [--speed 60]

A catalogue of 2,000 names, two thirds scoped. The true limit, a number of requests in any
60 s, lies between 0.3 and 2 a second by seed and is told to nobody; the ban answers with the
text `error code: 1015` and names no time. The user states more than is allowed (3/s, with
`i_have_permission`) and how long a ban lasts.

Twice: the pure governor in virtual time (many seeds, none of them used for tuning; a machine
that stalls, and other ways of counting, too), and
`ventil stats` as a person runs it against the simulator over HTTP, whose clock runs *speed*
times as fast; what the user states is converted to real seconds. At that speed a stall of the
machine of 20 ms is what 1.2 s are in life, so these figures depend on the machine's load, and
virtual time is what the goals are judged by first. Then the same again with
the state of the first run, as on the next day. Goals: one ban at most in the first run, none
in the second, 97 % of the pace allowed from the end of the ban to the end of the run, by the
simulator's own log.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bench import catalogues
from bench.processes import VENTIL, environment, measured
from bench.results import RESULTS, conditions, digits, goal, table
from ventil.core.governor import Policy, Quota
from ventil.sim.lab import banned
from ventil.sim.npm import Counting

NAMES = 2_000
SCOPED = 2 / 3
STATED = 3.0
"""Requests a second the user believes in."""
LEAST_PACE = 0.97
DAY_S = 86_400.0
QUICK_NAMES, QUICK_BAN_S = 200, 960.0
FIRST_SEED = 10_000
"""In virtual time; the thresholds were tuned on the seeds from 0 on."""
STALLS = (97.0, 3.0)
"""A busy machine: every so many seconds nothing arrives for so many, then all at once."""


# --- virtual time, the pure governor ------------------------------------------------------


def loose(case: banned.Case, in_flight: int) -> Policy:
    """What the user states."""
    return Policy(
        quotas=(Quota(STATED, 1.0),),
        max_in_flight=in_flight,
        cooldown_s=case.ban_s,
        timeout_s=30.0,
    )


def two_days(case: banned.Case, in_flight: int) -> tuple[banned.Run, banned.Run]:
    """A run, and the next day's with its state."""
    first = banned.run(case, loose(case, in_flight))
    again = banned.run(case, loose(case, in_flight), state=first.state, start_s=DAY_S)
    return first, again


def virtual(seeds: int) -> dict[str, Any]:
    """Many seeds of the case proper, then other ways of counting."""
    rows = []
    all_seeds = range(FIRST_SEED, FIRST_SEED + seeds)
    for in_flight in (1, 10):
        pairs = [two_days(banned.case(seed, NAMES), in_flight) for seed in all_seeds]
        rows.append(_summary(f"sliding 60 s, {in_flight} in flight", pairs) | {"proper": True})
    few = all_seeds[: max(2, seeds // 5)]
    pairs = [two_days(replace(banned.case(seed, NAMES), stalls=STALLS), 10) for seed in few]
    rows.append(_summary("sliding 60 s, stalls of 3 s", pairs) | {"proper": False})
    others: list[tuple[str, float, Counting, int | None]] = [
        ("fixed windows of 60 s", 60.0, Counting.FIXED, None),
        ("bucket, burst 5", 60.0, Counting.BUCKET, 5),
        ("bucket, burst a minute's", 60.0, Counting.BUCKET, None),
        ("sliding 10 s", 10.0, Counting.SLIDING, None),
        ("sliding 10 min", 600.0, Counting.SLIDING, None),
    ]
    for words, window_s, counting, burst in others:
        pairs = []
        for seed in few:
            base = banned.case(seed, NAMES, window_s)
            case = banned.Case(
                seed, base.limit, window_s, base.ban_s, base.requests, counting, burst
            )
            pairs.append(two_days(case, 10))
        rows.append(_summary(words, pairs) | {"proper": False})
    table(
        "The pure governor in virtual time, two days",
        ("counting", "seeds", "bans most", "mean", "next day", "pace least", "p5", "median"),
        [
            (
                r["counting"],
                r["seeds"],
                r["bans_most"],
                r["bans_mean"],
                r["next_day_bans_most"],
                r["pace_least"],
                r["pace_p5"],
                r["pace_median"],
            )
            for r in rows
        ],
    )
    return {"rows": rows}


def _summary(words: str, pairs: list[tuple[banned.Run, banned.Run]]) -> dict[str, Any]:
    paces = sorted(first.pace for first, _ in pairs)
    return {
        "counting": words,
        "seeds": len(pairs),
        "bans_most": max(first.bans for first, _ in pairs),
        "bans_mean": digits(sum(first.bans for first, _ in pairs) / len(pairs), 3),
        "bans": dict(sorted(Counter(first.bans for first, _ in pairs).items())),
        "next_day_bans": dict(sorted(Counter(again.bans for _, again in pairs).items())),
        "next_day_bans_most": max(again.bans for _, again in pairs),
        "pace_least": digits(paces[0], 3),
        "pace_p5": digits(paces[len(paces) // 20], 3),
        "pace_median": digits(paces[len(paces) // 2], 3),
        "next_day_pace_least": digits(min(again.pace for _, again in pairs), 3),
    }


# --- over HTTP, the whole program ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """One run by the simulator's log. Seconds are the simulator's.

    `pace`: requests answered from the end of the last ban (the first request without one)
    to the last answer, over what is allowed in that time.
    """

    requests: int
    bans: int
    during_ban: int
    pace: float
    after_ban: int
    elapsed_s: float


def seen(lines: list[dict[str, Any]], case: banned.Case) -> Seen:
    """Read the log's lines of one run."""
    asked = {e["n"]: e["at_s"] for e in lines if e["event"] == "asked"}
    answered = [(asked[e["n"]], e) for e in lines if e["event"] == "answered"]
    answered.sort(key=lambda pair: pair[0])
    first_s = from_s = answered[0][0]
    bans = during = 0
    until_s = -1.0
    for at_s, event in answered:
        if event["status"] == 429:
            if at_s >= until_s:
                bans, until_s = bans + 1, at_s + case.ban_s
                from_s = until_s
            else:
                during += 1
    good = [at_s for at_s, event in answered if event["status"] == 200 and at_s >= from_s]
    span_s = max(1e-9, good[-1] - from_s) if good else 1.0
    return Seen(
        requests=len(asked),
        bans=bans,
        during_ban=during,
        pace=len(good) / (span_s * case.rate),
        after_ban=len(good),
        elapsed_s=answered[-1][0] - first_s,
    )


def over_http(seed: int, names: int, speed: float) -> dict[str, Any]:
    """Two runs of `ventil stats`, the second refreshing everything with the state kept."""
    case = banned.case(seed, names)
    if names == QUICK_NAMES:
        case = replace(case, ban_s=QUICK_BAN_S)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        catalogue, counts, _ = catalogues.write(
            catalogues.synthetic(names, scoped=SCOPED, seed=seed), folder
        )
        log = folder / "log.jsonl"
        played = folder / "hidden.json"
        played.write_text(
            json.dumps(
                {
                    "base": "calm",
                    "latency_s": case.latency_s,
                    "quotas": [{"limit": case.limit, "window_s": case.window_s}],
                    "ban": {"seconds": case.ban_s},
                }
            )
        )
        command = [sys.executable, "-m", "ventil.sim.npm", str(played), "--speed", str(speed)]
        command += ["--counts", str(counts), "--counts-are", "last-week", "--log", str(log)]
        command += ["--seed", str(seed)]
        sim = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
        try:
            assert sim.stdout is not None
            url = sim.stdout.readline().split()[1]
            (folder / "ventil.toml").write_text(
                f'[providers.npm-downloads]\nbase_url = "{url}"\n'
                f'quotas = ["{STATED * speed:g}/s"]\ni_have_permission = true\n'
                f'max_in_flight = 10\ncooldown = "{case.ban_s / speed:.2f}s"\n'
            )
            days = []
            read = 0
            for more in ((), ("--refresh",)):
                cost = measured(
                    [*VENTIL, "stats", str(catalogue), "-o", "stats.json", "--quiet", *more],
                    folder,
                )
                time.sleep(0.5)
                lines = [json.loads(line) for line in log.read_text().splitlines()]
                days.append((seen(lines[read:], case), cost))
                read = len(lines)
            published = len(json.loads((folder / "stats.json").read_text())["packages"])
        finally:
            sim.terminate()
            sim.communicate()
    (first, cost), (again, _) = days
    return {
        "seed": seed,
        "limit_per_min": case.limit,
        "ban_min": digits(case.ban_s / 60, 3),
        "speed": speed,
        "names": names,
        "published": published,
        "requests": first.requests,
        "bans": first.bans,
        "during_ban": first.during_ban,
        "pace": digits(first.pace, 4),
        "after_ban": first.after_ban,
        "took_min": digits(first.elapsed_s / 60, 3),
        "client_cpu": digits(cost.cpu_s / cost.elapsed_s, 2),
        "next_day_bans": again.bans,
        "next_day_pace": digits(again.pace, 4),
        "next_day_min": digits(again.elapsed_s / 60, 3),
    }


def http(seeds: int, names: int, speed: float, jobs: int) -> dict[str, Any]:
    """Some seeds, `jobs` at once."""
    rows = []
    with ThreadPoolExecutor(jobs) as pool:
        for row in pool.map(lambda seed: over_http(seed, names, speed), range(seeds)):
            rows.append(row)
            print(json.dumps(row), file=sys.stderr, flush=True)
    heads = ("seed", "limit/min", "ban min", "requests", "bans", "in ban", "pace", "took min")
    table(
        f"`ventil stats` over HTTP, the simulator's clock {speed:g} times as fast",
        (*heads, "next day bans", "pace", "min"),
        [
            (
                r["seed"],
                r["limit_per_min"],
                r["ban_min"],
                r["requests"],
                r["bans"],
                r["during_ban"],
                r["pace"],
                r["took_min"],
                r["next_day_bans"],
                r["next_day_pace"],
                r["next_day_min"],
            )
            for r in rows
        ],
    )
    return {"rows": rows}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.npm_as_it_is")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work?")
    parser.add_argument("--seeds", type=int, default=6, help="seeds over HTTP; 0: none")
    parser.add_argument("--virtual-seeds", type=int, default=300)
    parser.add_argument("--speed", type=float, default=60.0, help="of the simulator's clock")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once over HTTP")
    parser.add_argument("--output", type=Path, help="default: bench/results/, unless --quick")
    options = parser.parse_args()
    if options.quick:
        options.virtual_seeds, options.seeds = 3, min(1, options.seeds)
        names = QUICK_NAMES
    else:
        names = NAMES
    model = virtual(options.virtual_seeds)
    real = http(options.seeds, names, options.speed, options.jobs) if options.seeds else None
    print()
    proper = [r for r in model["rows"] if r["proper"]]
    goals = [
        goal("bans in a run, virtual", max(r["bans_most"] for r in proper), 1),
        goal("bans the next day, virtual", max(r["next_day_bans_most"] for r in proper), 0),
        goal("pace, virtual", min(r["pace_least"] for r in proper), LEAST_PACE, least=True),
    ]
    if real is not None:
        goals += [
            goal("bans in a run, over HTTP", max(r["bans"] for r in real["rows"]), 1),
            goal("bans the next day, HTTP", max(r["next_day_bans"] for r in real["rows"]), 0),
            goal(
                "pace over HTTP", min(r["pace"] for r in real["rows"]), LEAST_PACE, least=True
            ),
        ]
    output = options.output or (None if options.quick else RESULTS / "npm_as_it_is.json")
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        found = {"bench": "npm_as_it_is", **conditions(quick=options.quick), "goals": goals}
        found |= {"virtual": model, "http": real}
        output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
