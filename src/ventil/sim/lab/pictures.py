"""Pictures of an experiment as SVG: ours beside the rule of 2019, on the same scales.

Written by hand, without a library: four rows of panels over time (limit and requests under
way; the provider's servers and queue; records a second; the client's state), one column per
client. Both columns end a little after ours has finished.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from ventil.sim.lab.clients import run, scenario
from ventil.sim.lab.race import SAMPLE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from ventil.sim.lab.race import Moment, Result

DRAWN = ("S2", "S5", "Q4", "V1", "O1", "O2", "L1", "E1")
"""Scenarios with a picture."""

_NAMES = {"ventil": "Ventil", "rule2019": "the rule of 2019"}
_WIDTH, _LEFT, _GAP, _RIGHT = 1000, 56, 58, 16
_PANEL = (_WIDTH - _LEFT - _GAP - _RIGHT) / 2
_HEAD, _ROW, _BETWEEN, _RIBBON = 118, 124, 42, 16
_BLUE, _ORANGE, _GREEN, _GREY, _RED = "#1f5fa8", "#d9730d", "#2e7d4f", "#8a8f98", "#c0392b"
_STATES = {
    "closed": "#cfe3d6",
    "": "#cfe3d6",
    "cooldown": "#f3d9a4",
    "half-open": "#e9a79f",
    "open": _RED,
    "off": _RED,
}
_SMOOTH_S = 5.0


@dataclass(frozen=True, slots=True)
class _Line:
    label: str
    colour: str
    value: Callable[[Moment], float]
    filled: bool = False
    dashed: bool = False


_ROWS: tuple[tuple[str, tuple[_Line, ...]], ...] = (
    (
        "requests under way",
        (
            _Line("under way", _BLUE, lambda m: m.in_flight, filled=True),
            _Line("limit", _ORANGE, lambda m: m.limit),
        ),
    ),
    (
        "at the provider",
        (
            _Line("servers busy", _GREEN, lambda m: m.busy, filled=True),
            _Line("servers", _GREY, lambda m: m.servers, dashed=True),
            _Line("waiting", _RED, lambda m: m.queue),
        ),
    ),
)


def draw_all(folder: Path) -> Iterator[Path]:
    """Run the experiments and write one SVG per scenario of `DRAWN` into `folder`."""
    for name in DRAWN:
        path = folder / f"{name.lower()}.svg"
        path.write_text(picture(name) + "\n")
        yield path


def picture(name: str, clients: Sequence[str] = ("ventil", "rule2019"), seed: int = 0) -> str:
    """The SVG of one scenario: two clients side by side."""
    ours = run(name, clients[0], seed=seed, trace=True)
    span_s = 1.08 * ours.makespan_s
    others = [
        run(name, client, seed=seed, trace=True, give_up=span_s / ours.oracle_s)
        for client in clients[1:]
    ]
    return _svg(name, [ours, *others], span_s)


def _svg(name: str, results: Sequence[Result], span_s: float) -> str:
    shown = scenario(name)
    height = _HEAD + 3 * (_ROW + _BETWEEN) + _RIBBON + 52
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="Helvetica, Arial, sans-serif" font-size="12" role="img">',
        f"<title>{escape(f'{name}: {shown.title}')}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        _text(_LEFT, 24, f"{name}: {shown.title}", size=16, weight="bold"),
    ]
    for column, result in enumerate(results):
        left = _LEFT + column * (_PANEL + _GAP)
        parts.append(_text(left, 48, _NAMES.get(result.client, result.client), size=14))
        for line_number, words in enumerate(_verdict(result)):
            parts.append(_text(left, 66 + 16 * line_number, words, colour="#555"))
    top = float(_HEAD)
    for title, lines in _ROWS:
        most = _ceiling(
            line.value(m) for line in lines for result in results for m in result.moments
        )
        for column, result in enumerate(results):
            left = _LEFT + column * (_PANEL + _GAP)
            parts += _frame(left, top, title, most, span_s, result.moments)
            parts += _legend(left, top, lines)
            for line in lines:
                points = [(m.t, line.value(m)) for m in result.moments]
                parts.append(_path(points, left, top, most, span_s, line))
        top += _ROW + _BETWEEN
    line = _Line("records a second", _BLUE, lambda m: 0.0)
    rates = [_rates(result.moments) for result in results]
    most = _ceiling(rate for series in rates for _, rate in series)
    for column, (result, series) in enumerate(zip(results, rates, strict=True)):
        left = _LEFT + column * (_PANEL + _GAP)
        title = f"records a second (over {_SMOOTH_S:.0f} s)"
        parts += _frame(left, top, title, most, span_s, result.moments)
        parts.append(_path(series, left, top, most, span_s, line))
    top += _ROW + 22
    for column, result in enumerate(results):
        left = _LEFT + column * (_PANEL + _GAP)
        parts += _ribbon(left, top, span_s, result)
    parts += _states_legend(top + _RIBBON + 24, results)
    parts.append("</svg>")
    return "\n".join(part for part in parts if part)


def _verdict(result: Result) -> Iterator[str]:
    if result.finished:
        yield (
            f"all {result.n:,} records in {result.makespan_s:,.0f} s, "
            f"{result.ratio:.2f} times the oracle's time"
        )
    else:
        yield f"{result.done / result.n:.0%} of {result.n:,} records when this picture ends"
    if result.outage_sent is not None:
        yield f"{result.outage_sent:,} requests into the outage"


def _ceiling(values: Iterable[float]) -> float:
    """A round number not below any of the values."""
    most = max((v for v in values if math.isfinite(v)), default=1.0) or 1.0
    unit = 10.0 ** math.floor(math.log10(most))
    return next(unit * k for k in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if unit * k >= most)


def _rates(moments: Sequence[Moment]) -> list[tuple[float, float]]:
    span = round(_SMOOTH_S / SAMPLE_S)
    return [
        (after.t, (after.done - before.done) / (after.t - before.t))
        for before, after in zip(moments, moments[span:], strict=False)
    ]


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 12,
    colour: str = "#222",
    anchor: str = "start",
    weight: str = "normal",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
        f'text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'
    )


def _frame(
    left: float,
    top: float,
    title: str,
    most: float,
    span_s: float,
    moments: Sequence[Moment],
) -> list[str]:
    parts = [_text(left, top - 6, title, colour="#333")]
    for down, up in _spans(moments, lambda m: "" if m.up else "out"):
        x = left + down[0] / span_s * _PANEL
        width = (down[1] - down[0]) / span_s * _PANEL
        if up:
            parts.append(
                f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_ROW}" '
                f'fill="{_RED}" opacity="0.08"/>'
            )
    for k in range(3):
        y = top + _ROW * (1 - k / 2)
        parts.append(
            f'<line x1="{left:.1f}" y1="{y:.1f}" x2="{left + _PANEL:.1f}" y2="{y:.1f}" '
            f'stroke="#dcdfe4" stroke-width="1"/>'
        )
        parts.append(_text(left - 6, y + 4, f"{most * k / 2:,g}", colour="#666", anchor="end"))
    step = _ceiling([span_s / 6])
    t = 0.0
    while t <= span_s:
        x = left + t / span_s * _PANEL
        unit = " s" if t == 0 else ""
        parts.append(_text(x, top + _ROW + 14, f"{t:,g}{unit}", colour="#666", anchor="middle"))
        t += step
    return parts


def _legend(left: float, top: float, lines: Sequence[_Line]) -> list[str]:
    parts, x = [], left + _PANEL
    for line in reversed(lines):
        x -= 6.2 * len(line.label) + 26
        parts.append(
            f'<line x1="{x:.1f}" y1="{top - 10:.1f}" x2="{x + 14:.1f}" y2="{top - 10:.1f}" '
            f'stroke="{line.colour}" stroke-width="2"'
            f"{_dashes(line)}/>"
        )
        parts.append(_text(x + 18, top - 6, line.label, colour="#333"))
    return parts


def _dashes(line: _Line) -> str:
    return ' stroke-dasharray="5 3"' if line.dashed else ""


def _path(
    points: Sequence[tuple[float, float]],
    left: float,
    top: float,
    most: float,
    span_s: float,
    line: _Line,
) -> str:
    """A step line; where it holds many values per pixel, the lowest and highest of each."""
    known = [(t, v) for t, v in points if math.isfinite(v) and t <= span_s]
    if not known:
        return ""
    places = [
        (left + t / span_s * _PANEL, top + _ROW * (1 - min(v, most) / most))
        for t, v in _thinned(known, span_s / _PANEL)
    ]
    moves = [f"M{places[0][0]:.1f} {places[0][1]:.1f}"]
    for x, y in places[1:]:
        moves.append(f"H{x:.1f}V{y:.1f}")
    text = "".join(moves)
    shape = f'<path d="{text}" fill="none" stroke="{line.colour}" stroke-width="1.4"'
    shape += f"{_dashes(line)}/>"
    if line.filled:
        foot = top + _ROW
        area = f"{text}V{foot:.1f}H{places[0][0]:.1f}Z"
        shape = f'<path d="{area}" fill="{line.colour}" opacity="0.18"/>\n{shape}'
    return shape


def _thinned(
    points: Sequence[tuple[float, float]], pixel_s: float
) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    k = 0
    while k < len(points):
        end = points[k][0] + pixel_s
        group = []
        while k < len(points) and points[k][0] < end:
            group.append(points[k])
            k += 1
        for point in sorted({min(group, key=_height), max(group, key=_height)}):
            if not kept or kept[-1][1] != point[1]:
                kept.append(point)
    if points and kept[-1] != points[-1]:
        kept.append(points[-1])
    return kept


def _height(point: tuple[float, float]) -> float:
    return point[1]


def _spans(
    moments: Sequence[Moment], value: Callable[[Moment], str]
) -> list[tuple[tuple[float, float], str]]:
    """Runs of equal value: ((from_s, to_s), value)."""
    spans: list[tuple[tuple[float, float], str]] = []
    for moment in moments:
        now = value(moment)
        if spans and spans[-1][1] == now:
            spans[-1] = ((spans[-1][0][0], moment.t), now)
        else:
            since = spans[-1][0][1] if spans else moment.t
            spans.append(((since, moment.t), now))
    return spans


def _ribbon(left: float, top: float, span_s: float, result: Result) -> list[str]:
    parts = [
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{_PANEL:.1f}" height="{_RIBBON}" '
        f'fill="#f2f3f5"/>'
    ]
    for (from_s, to_s), state in _spans(result.moments, lambda m: m.state):
        x = left + from_s / span_s * _PANEL
        width = max(0.8, (min(to_s, span_s) - from_s) / span_s * _PANEL)
        parts.append(
            f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_RIBBON}" '
            f'fill="{_STATES.get(state, _GREY)}"/>'
        )
    return parts


def _states_legend(y: float, results: Sequence[Result]) -> list[str]:
    x = float(_LEFT)
    parts = [_text(x, y, "state:", colour="#333")]
    x += 44
    words = {"closed": "sending", "cooldown": "cooldown", "open": "breaker open"}
    words |= {"half-open": "probe under way", "off": "switched off"}
    seen = {m.state or "closed" for result in results for m in result.moments}
    for state, word in words.items():
        if state in seen:
            parts.append(
                f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="14" height="11" '
                f'fill="{_STATES[state]}"/>'
            )
            parts.append(_text(x + 19, y, word, colour="#333"))
            x += 32 + 6.6 * len(word)
    if any(not m.up for result in results for m in result.moments):
        parts.append(
            f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="14" height="11" fill="{_RED}" '
            'opacity="0.15"/>'
        )
        parts.append(_text(x + 19, y, "provider out", colour="#333"))
    return parts
