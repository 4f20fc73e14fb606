"""Draws a run as SVG: bars for each work and contestant, as multiples of one of them.

Rows of bars need no plotting library, which would be the largest of all that Parley installs.
"""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from bench.report import MEANINGS, Row

COLOURS = {
    "parley": "#1f6feb",
    "mercurius": "#8a8f98",
    "yoga": "#c2c6cc",
    "naive": "#e3b341",
}
OTHER_COLOUR = "#57606a"
# Sizes in pixels. A work's label stands left of its bars.
WIDTH, LABEL, VALUE = 780, 285, 70
BAR, GAP, TOP = 14, 18, 62
FONT = 'font-family="system-ui, sans-serif"'


class Plot(NamedTuple):
    """`measure` reads what is drawn of a row; a row where it is 0 is left out."""

    file: str
    title: str
    measure: Callable[[Row], float]


PLOTS = (
    Plot("rate.svg", "Operations a second", lambda row: row.per_s),
    Plot("cpu.svg", "CPU of the server for one operation", lambda row: row.server_us),
)


def write_plots(rows: Sequence[Row], folder: Path, *, base: str) -> list[Path]:
    """Write the plots into `folder` and return their paths; none where `base` was not measured.

    Bars are multiples of the contestant `base`. Works that it has no figure of are left out.
    """
    written = []
    for plot in PLOTS:
        drawn = draw(rows, plot, base=base)
        if drawn:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / plot.file).write_text(drawn, "utf-8")
            written.append(folder / plot.file)
    return written


def draw(rows: Sequence[Row], plot: Plot, *, base: str) -> str:
    """Return the plot as SVG; an empty text where there is nothing to draw."""
    works = list(_multiples(rows, plot, base))
    if not works:
        return ""
    most = max(value for _, bars in works for value in bars.values())
    scale = (WIDTH - LABEL - VALUE) / most
    body, y = [], TOP
    for work, bars in works:
        middle = y + BAR * len(bars) / 2
        body.append(_text(LABEL - 12, middle + 4, _label(work), anchor="end"))
        for name, value in bars.items():
            body += _bar(y, name, value, scale)
            y += BAR
        y += GAP
    names = list(dict.fromkeys(name for _, bars in works for name in bars))
    title = f"{plot.title}, as multiples of {base}'s"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>',
            _text(16, 24, title, size=16, weight="600"),
            *_legend(names),
            *body,
            "</svg>\n",
        ]
    )


def _multiples(
    rows: Sequence[Row], plot: Plot, base: str
) -> Iterator[tuple[str, dict[str, float]]]:
    for work in dict.fromkeys(row.work for row in rows):
        found = {row.name: plot.measure(row) for row in rows if row.work == work}
        if len(found) > 1 and found.get(base):
            yield work, {name: value / found[base] for name, value in found.items() if value}


def _label(work: str) -> str:
    return f"{work.upper()}: {MEANINGS.get(work, work)}"


def _bar(y: float, name: str, value: float, scale: float) -> Iterator[str]:
    width = max(value * scale, 1)
    colour = COLOURS.get(name, OTHER_COLOUR)
    yield f'<rect x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR - 2}" fill="{colour}"/>'
    yield _text(LABEL + width + 6, y + BAR - 4, f"{value:.2f} ×")


def _legend(names: Sequence[str]) -> Iterator[str]:
    for place, name in enumerate(names):
        x = LABEL + place * 110
        colour = COLOURS.get(name, OTHER_COLOUR)
        yield f'<rect x="{x}" y="36" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 18, 46, name)


def _text(
    x: float, y: float, text: str, *, size: int = 11, anchor: str = "start", weight: str = "400"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" {FONT} '
        f'text-anchor="{anchor}" fill="#1f2328">{escape(text)}</text>'
    )
