"""The goals of polite speed: what is asked, what was measured, met or not.

Each is judged by the worst of the seeds (cold start, nothing known of the provider).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ventil.sim.lab.clients import scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ventil.sim.lab.measure import Results
    from ventil.sim.lab.race import Result

SCENARIOS = (
    *("S1", "S2", "S3", "S4", "S5", "S6", "S7", "Q1", "Q2", "Q3", "Q4", "Q5", "Q6", "C1"),
    *("V1", "V2", "O1", "O2", "L1", "L2", "E1", "F1", "F2"),
)


@dataclass(frozen=True, slots=True)
class Goal:
    """One line: `measured` beside the bound, and where it was worst.

    `met` None: could not be measured with the results at hand.
    """

    number: str
    what: str
    bound: str
    measured: str
    met: bool | None


def quantile(values: Iterable[float], share: float) -> float:
    """The value below which `share` of the values lie (nearest rank); nan of nothing."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def check(results: Results, client: str, chance: Sequence[Result] = ()) -> list[Goal]:
    """Goals G1 to G9 for `client`. `chance`: its results on random providers, for G8.

    For G9 the results of `rule2019` must be there too; scenarios without results are left
    out of a goal, and a goal without any has `met` None.
    """
    mine = {name: results[name, client] for name in SCENARIOS if (name, client) in results}
    judge = _Judge(mine)
    goals: list[Goal] = []
    add = goals.append

    def ratio(result: Result) -> float:
        return result.ratio

    for bound, names in (
        (1.05, ("S1", "S2", "S3", "S7", "Q1", "Q2", "Q3", "Q6", "C1", "V1", "V2", "E1")),
        (1.10, ("S4", "S6", "Q5")),
        (1.06, ("L1",)),
        (1.15, ("Q4",)),
        (1.20, ("S5",)),
        (1.45, ("L2",)),
    ):
        number = "G1" if bound == 1.05 else "G2"
        what = f"makespan / oracle in {' '.join(names)}"
        add(judge.most(number, what, names, ratio, bound, "{:.3f}"))

    def waste(result: Result) -> float:
        return 100 * result.waste

    plain = [n for n in SCENARIOS if n[0] in "SQCVLF" and n not in ("Q4", "S7")]
    add(judge.most("G3", "waste % in S Q C V L F", plain, waste, 1.0, "{:.2f}"))
    add(judge.most("G3", "waste % in Q4", ("Q4",), waste, 1.5, "{:.2f}"))
    add(judge.most("G3", "waste % in S7", ("S7",), waste, 2.5, "{:.2f}"))
    add(
        judge.most(
            "G3",
            "waste in E1 beyond the unavoidable, points",
            ("E1",),
            lambda r: waste(r) - 100 * _unavoidable(r.scenario),
            0.5,
            "{:+.2f}",
        )
    )

    def overload(result: Result) -> float:
        return 100 * result.overload

    calm = [n for n in SCENARIOS if n[0] in "SCVOEF"]
    add(judge.most("G4", "overload % in S C V O E F", calm, overload, 6.0, "{:.1f}"))
    add(judge.most("G4", "overload % in L1", ("L1",), overload, 15.0, "{:.1f}"))
    add(judge.most("G4", "overload % in L2", ("L2",), overload, 20.0, "{:.1f}"))

    def sent(result: Result) -> float:
        return result.outage_sent or 0

    def late(result: Result) -> float:
        return result.outage_late_sent or 0

    outages = ("O1", "O2")
    add(judge.most("G5", "requests into a 5-minute outage", outages, sent, 25, "{:.0f}"))
    add(judge.most("G5", "probes after 60 s of errors", ("O1",), late, 240 / 25, "{:.0f}"))
    add(judge.most("G5", "probes after 60 s of silence", ("O2",), late, 12, "{:.0f}"))

    def recovery(result: Result) -> float:
        return float("inf") if result.recovery_s is None else result.recovery_s

    add(judge.most("G6", "s to 90 % use after an outage", outages, recovery, 40, "{:.1f}"))
    drops = ("V1", "V2")
    add(judge.most("G6", "s to 90 % use after a drop", drops, recovery, 10, "{:.1f}"))
    add(
        judge.most(
            "G6",
            "s over the oracle with an outage",
            outages,
            lambda r: r.makespan_s - r.oracle_s,
            45,
            "{:+.1f}",
        )
    )
    pairs = ("F1", "F2")
    add(judge.least("G7", "Jain of two workers", pairs, lambda r: r.jain or 0.0, 0.98))
    add(judge.most("G7", "makespan / oracle of two workers", pairs, ratio, 1.05, "{:.3f}"))
    goals.extend(_random_goals(chance))
    goals.extend(_against_the_rule(results, mine))
    return goals


def _unavoidable(name: str) -> float:
    """Requests per record that random errors alone cost beyond the first."""
    rate = scenario(name).provider.error_rate
    return rate / (1.0 - rate)


class _Judge:
    def __init__(self, mine: Mapping[str, Sequence[Result]]) -> None:
        self.mine = mine

    def _all(self, names: Iterable[str], value: Callable[[Result], float]) -> list:  # type: ignore[type-arg]
        return [
            (value(result), name, result.finished)
            for name in names
            for result in self.mine.get(name, ())
        ]

    def most(
        self,
        number: str,
        what: str,
        names: Iterable[str],
        value: Callable[[Result], float],
        bound: float,
        form: str,
    ) -> Goal:
        """The largest value may not be above the bound."""
        found = self._all(names, value)
        text = f"<= {bound:g}"
        if not found:
            return Goal(number, what, text, "-", None)
        worst, name, _ = max(found)
        met = worst <= bound + 1e-9 and all(finished for _, _, finished in found)
        return Goal(number, what, text, f"{form.format(worst)} ({name})", met)

    def least(
        self,
        number: str,
        what: str,
        names: Iterable[str],
        value: Callable[[Result], float],
        bound: float,
    ) -> Goal:
        """The smallest value may not be below the bound."""
        found = self._all(names, value)
        text = f">= {bound:g}"
        if not found:
            return Goal(number, what, text, "-", None)
        worst, name, _ = min(found)
        return Goal(number, what, text, f"{worst:.3f} ({name})", worst >= bound)


def _random_goals(chance: Sequence[Result]) -> list[Goal]:
    ratios = [r.ratio for r in chance]
    long = [r.ratio for r in chance if r.oracle_s >= 100]
    waste = [100 * avoidable(r) for r in chance]
    lost = sum(not r.finished for r in chance)
    overload = [100 * r.overload for r in chance]
    lines: list[tuple[str, str, float, float, str]] = [
        ("G8", "random providers unfinished", 0, lost, "{:.0f}"),
        ("G8", "random: makespan / oracle p50", 1.10, quantile(ratios, 0.5), "{:.3f}"),
        ("G8", "random: makespan / oracle p75", 1.30, quantile(ratios, 0.75), "{:.3f}"),
        ("G8", "random, oracle >= 100 s: p90", 1.40, quantile(long, 0.9), "{:.3f}"),
        ("G8", "random: waste % p50", 1.0, quantile(waste, 0.5), "{:.2f}"),
        ("stretch", "random: makespan / oracle p50", 1.05, quantile(ratios, 0.5), "{:.3f}"),
        ("stretch", "random: makespan / oracle p75", 1.20, quantile(ratios, 0.75), "{:.3f}"),
        ("stretch", "random: makespan / oracle p90", 1.35, quantile(ratios, 0.9), "{:.3f}"),
        ("stretch", "random: waste % p90", 3.0, quantile(waste, 0.9), "{:.2f}"),
        ("stretch", "random: overload % p90", 10.0, quantile(overload, 0.9), "{:.1f}"),
    ]
    return [
        Goal(
            number,
            what,
            f"<= {bound:g}",
            form.format(value) if chance else "-",
            value <= bound if chance else None,
        )
        for number, what, bound, value, form in lines
    ]


def avoidable(result: Result) -> float:
    """Waste without the share that random errors cost anybody; never below zero."""
    return max(0.0, result.waste - _unavoidable(result.scenario))


def _against_the_rule(results: Results, mine: Mapping[str, Sequence[Result]]) -> list[Goal]:
    faster: dict[str, float] = {}
    for name, own in mine.items():
        theirs = {r.seed: r for r in results.get((name, "rule2019"), ())}
        pairs = [theirs[r.seed].ratio / r.ratio for r in own if r.seed in theirs]
        if pairs:
            faster[name] = min(pairs)
    goals = []
    for names, bound in ((("S2",), 10.0), (("O1", "O2"), 8.0)):
        found = [(faster[name], name) for name in names if name in faster]
        what = f"times faster than rule2019 in {' '.join(names)}"
        if found:
            worst, name = min(found)
            goals.append(
                Goal("G9", what, f">= {bound:g}", f"{worst:.1f} ({name})", worst >= bound)
            )
        else:
            goals.append(Goal("G9", what, f">= {bound:g}", "-", None))
    what = "makespan / that of rule2019, anywhere"
    if faster:
        worst, name = min((value, name) for name, value in faster.items())
        goals.append(
            Goal("G9", what, "<= 1.05", f"{1 / worst:.3f} ({name})", 1 / worst <= 1.05)
        )
    else:
        goals.append(Goal("G9", what, "<= 1.05", "-", None))
    return goals
