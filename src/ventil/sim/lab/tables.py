"""Results as tables for people: Markdown that reads well as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ventil.sim.lab.goals import Goal, avoidable, quantile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ventil.sim.lab.measure import Results
    from ventil.sim.lab.race import Result


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, columns padded; the first to the left, the others to the right.

    A column that holds long words (over 24 characters) goes to the left as well.
    """
    widths = [max(len(line[k]) for line in [head, *rows]) for k in range(len(head))]

    left = [k == 0 or width > 24 for k, width in enumerate(widths)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if to_left else cell.rjust(width)
            for cell, width, to_left in zip(cells, widths, left, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        ":" + "-" * (width - 1) if to_left else "-" * (width - 1) + ":"
        for width, to_left in zip(widths, left, strict=True)
    ]
    return "\n".join([line(head), line(rule), *(line(row) for row in rows)])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _ratio(results: Sequence[Result]) -> str:
    mark = "" if all(r.finished for r in results) else ">"
    return f"{mark}{_mean([r.ratio for r in results]):.2f}"


def _optional(
    value: Callable[[Result], float | None], form: str
) -> Callable[[Sequence[Result]], str]:
    def cell(results: Sequence[Result]) -> str:
        values = [value(r) for r in results]
        known = [v for v in values if v is not None]
        return form.format(_mean(known)) if len(known) == len(values) else "-"

    return cell


_TABLES: tuple[tuple[str, str, Callable[[Sequence[Result]], str]], ...] = (
    ("Makespan / oracle", "", _ratio),
    ("Wasted requests, % of the records", "", _optional(lambda r: 100 * r.waste, "{:.2f}")),
    (
        "Time with more than max(2, c/2) requests waiting at the provider, %",
        "",
        _optional(lambda r: 100 * r.overload, "{:.1f}"),
    ),
    ("Requests sent into the outage", "O", _optional(lambda r: r.outage_sent, "{:.0f}")),
    (
        "Seconds from the end of the event to 90 % use",
        "VOL",
        _optional(lambda r: r.recovery_s, "{:.0f}"),
    ),
    ("Fairness of two workers (Jain)", "F", _optional(lambda r: r.jain, "{:.3f}")),
)


def comparison(results: Results) -> str:
    """All tables: scenarios down, clients across, means over the seeds.

    ">": at least one seed was given up unfinished and extrapolated.
    """
    names = list(dict.fromkeys(name for name, _ in results))
    clients = list(dict.fromkeys(client for _, client in results))
    parts = []
    for title, kinds, cell in _TABLES:
        rows = [
            [name, *(cell(results[name, c]) if (name, c) in results else "" for c in clients)]
            for name in names
            if not kinds or name[0] in kinds
        ]
        if rows:
            parts.append(f"### {title}\n\n{table(['', *clients], rows)}")
    return "\n\n".join(parts)


def random_summary(results: Results) -> str:
    """Quantiles over the random providers, one line per client.

    Waste leaves out what random errors cost anybody.
    """
    clients = list(dict.fromkeys(client for _, client in results))
    rows = []
    for client in clients:
        mine = [r for (_, c), found in results.items() if c == client for r in found]
        ratios = [r.ratio for r in mine]
        long = [r.ratio for r in mine if r.oracle_s >= 100]
        waste = [100 * avoidable(r) for r in mine]
        overload = [100 * r.overload for r in mine]
        rows.append(
            [
                client,
                str(len(mine)),
                *(f"{quantile(ratios, share):.2f}" for share in (0.5, 0.75, 0.9, 1.0)),
                f"{quantile(long, 0.9):.2f}",
                str(sum(not r.finished for r in mine)),
                *(f"{quantile(waste, share):.2f}" for share in (0.5, 0.9, 1.0)),
                f"{_mean(overload):.1f}",
                f"{quantile(overload, 0.9):.1f}",
            ]
        )
    head = [
        *("client", "n", "ratio p50", "p75", "p90", "max", "p90 >= 100 s", "unfinished"),
        *("waste % p50", "p90", "max", "overload % mean", "p90"),
    ]
    return table(head, rows)


def random_details(results: Results, title: Callable[[str], str]) -> str:
    """One line per random provider and client, slowest first, with what it is."""
    rows = [
        [
            r.scenario,
            r.client,
            f"{'' if r.finished else '>'}{r.ratio:.2f}",
            f"{r.oracle_s:.0f}",
            f"{100 * avoidable(r):.2f}",
            f"{100 * r.overload:.1f}",
            title(r.scenario),
        ]
        for found in sorted(results.values(), key=lambda found: -found[0].ratio)
        for r in found
    ]
    return table(["", "client", "ratio", "oracle s", "waste %", "overload %", "what"], rows)


def goal_lines(goals: Sequence[Goal]) -> str:
    """Goal, bound, measured, met."""
    words = {True: "met", False: "NOT MET", None: "not measured"}
    return table(
        ["goal", "what", "bound", "measured (worst)", "met"],
        [[g.number, g.what, g.bound, g.measured, words[g.met]] for g in goals],
    )
