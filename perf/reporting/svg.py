# SPDX-License-Identifier: BSD-3-Clause
"""Plots as inline SVG: lines over named places, and groups of bars. All values are 0 or more."""
import html
import math

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 16, 44
COLOURS = ("#0b6e99", "#c2410c", "#15803d", "#7c3aed", "#6b7280", "#b91c1c")


def nice(most):
    """A round number that is at least `most`, and the step of its grid."""
    if most <= 0:
        return 1, 1
    step = 10 ** math.floor(math.log10(most))
    for factor in (0.2, 0.5, 1, 2):
        if most / (step * factor) <= 6:
            return math.ceil(most / (step * factor)) * step * factor, step * factor
    return math.ceil(most / step / 5) * step * 5, step * 5


def text(x, y, words, anchor="middle", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {extra}>{html.escape(str(words))}</text>'


def linear(most):
    """An axis: what its grid has, and where on it, from 0 to 1, a value stands."""
    top, step = nice(most)
    return [i * step for i in range(int(round(top / step)) + 1)], lambda value: value / top


def logarithmic(least, most):
    """The same in powers of ten, for what spans several of them."""
    low, high = math.floor(math.log10(least)), max(math.ceil(math.log10(most)), math.floor(math.log10(least)) + 1)
    return [10.0 ** i for i in range(low, high + 1)], lambda value: (math.log10(value) - low) / (high - low)


def frame(axis, places, unit, inside, legend):
    """Axes, grid, the names of the places, a legend; returns a whole <svg>."""
    grid, share = axis
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def at(value):
        return bottom - (bottom - TOP) * share(value)
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">']
    for value in grid:
        parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{at(value):.1f}" y2="{at(value):.1f}" class="grid"/>')
        parts.append(text(LEFT - 6, at(value) + 4, f"{value:g}", "end"))
    for i, place in enumerate(places):
        parts.append(text(centre(i, len(places)), bottom + 18, place))
    parts.append(text(14, (TOP + bottom) / 2, unit, extra=f'transform="rotate(-90 14 {(TOP + bottom) / 2:.1f})"'))
    parts += inside(at)
    for i, name in enumerate(legend):
        y = TOP + 8 + 20 * i
        parts.append(f'<rect x="{right + 12}" y="{y - 9}" width="12" height="12" fill="{COLOURS[i % 6]}"/>')
        parts.append(text(right + 30, y + 2, name, "start"))
    return "".join(parts) + "</svg>"


def centre(i, count):
    return LEFT + (WIDTH - LEFT - RIGHT) * (i + 0.5) / count


def values_of(series):
    return [value for values in series.values() for value in values if value is not None]


def largest(series):
    return max(values_of(series), default=0)


def lines(series, places, unit, is_logarithmic=False):
    """series: {name: [value or None at each place]}. On a logarithmic axis a 0 is not drawn."""
    if is_logarithmic:
        series = {name: [value or None for value in values] for name, values in series.items()}

    def inside(at):
        parts = []
        for n, values in enumerate(series.values()):
            dots = [(centre(i, len(places)), at(value)) for i, value in enumerate(values) if value is not None]
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[n % 6]}" stroke-width="2"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{COLOURS[n % 6]}"/>' for x, y in dots]
        return parts
    drawn = values_of(series)
    axis = logarithmic(min(drawn), max(drawn)) if is_logarithmic and drawn else linear(largest(series))
    return frame(axis, places, unit, inside, list(series))


def bars(series, places, unit):
    """The same as groups of bars, each with its value above."""
    width = (WIDTH - LEFT - RIGHT) / len(places) / (len(series) + 1)

    def inside(at):
        parts = []
        for n, values in enumerate(series.values()):
            for i, value in enumerate(values):
                if value is None:
                    continue
                x = centre(i, len(places)) + (n - len(series) / 2) * width
                parts.append(f'<rect x="{x:.1f}" y="{at(value):.1f}" width="{width * 0.9:.1f}" '
                             f'height="{at(0) - at(value):.1f}" fill="{COLOURS[n % 6]}"/>')
                parts.append(text(x + width * 0.45, at(value) - 4,
                                  f"{value:.0f}" if value >= 10 else f"{value:.2f}", extra='class="small"'))
        return parts
    return frame(linear(largest(series) * 1.05), places, unit, inside, list(series))
