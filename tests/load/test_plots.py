"""The plots of a run show what its table says."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench.plots import LABEL, PLOTS, VALUE, WIDTH, Plot, draw, write_plots
from bench.report import Row

RATE, CPU = PLOTS


def row(work: str, name: str, per_s: float, server_us: float = 100) -> Row:
    return Row(work, name, per_s, 1, 2, server_us, 10, 0.1)


ROWS = [
    row("w1", "parley", 300, 50),
    row("w1", "mercurius", 200, 100),
    row("w1", "yoga", 100, 150),
    row("w4", "parley", 0, 0),
    row("w4", "mercurius", 0, 0),
    row("w5", "parley", 100, 25),
]


def bars(svg: str) -> list[float]:
    widths = re.findall(rf'<rect x="{LABEL}" y="\d+" width="([\d.]+)" height="12" ', svg)
    return [float(width) for width in widths if width != "12"]


@pytest.mark.parametrize(
    ("plot", "multiples"), [(RATE, [1.5, 1.0, 0.5]), (CPU, [0.5, 1.0, 1.5])], ids=["rate", "cpu"]
)
def test_bars_are_as_long_as_the_multiples_that_they_say(
    plot: Plot, multiples: list[float]
) -> None:
    svg = draw(ROWS, plot, base="mercurius")

    assert [float(text) for text in re.findall(r">([\d.]+) ×<", svg)] == multiples
    unit = (WIDTH - LABEL - VALUE) / 1.5
    assert bars(svg) == [round(multiple * unit, 1) for multiple in multiples]
    assert "W4" not in svg
    assert "W5" not in svg


def test_a_plot_is_well_formed_and_says_what_it_shows() -> None:
    root = ElementTree.fromstring(draw(ROWS, CPU, base="mercurius"))

    texts = [text for element in root.iter() if (text := (element.text or "").strip())]
    assert "CPU of the server for one operation, as multiples of mercurius's" in texts
    assert {"parley", "mercurius", "yoga"} <= set(texts)


def test_without_the_peer_nothing_is_drawn(tmp_path: Path) -> None:
    alone = [row("w1", "parley", 300)]

    assert write_plots(alone, tmp_path, base="mercurius") == []
    assert list(tmp_path.iterdir()) == []
