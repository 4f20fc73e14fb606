"""The table of a bench run, and its floors."""

from typing import Any

from bench.report import Row, below_floor, median_row, rate_ratio, ratio_table, table


def result(per_s: float) -> dict[str, Any]:
    return {
        "per_s": per_s,
        "p50_ms": 1.5,
        "p99_ms": 9.0,
        "cpu_us": {"server": 1e6 / per_s, "postgresql": 50.0, "generator": 20.0},
        "cpu_share": {"server": 0.9, "generator": 0.12},
    }


def row(work: str, name: str, *per_s: float) -> Row:
    return median_row(work, name, [result(each) for each in per_s])


def test_takes_the_median_of_the_rounds() -> None:
    assert row("w1", "parley", 100, 4000, 3000).per_s == 3000


def test_says_how_many_times_as_much_parley_does() -> None:
    rows = [row("w1", "parley", 4000), row("w1", "naive", 200)]

    assert rate_ratio(rows, "w1", "naive") == 20
    assert ratio_table(rows).split()[:7] == ["w1", "naive", "rate", "20.00", "x,", "CPU", "0.05"]


def test_has_a_line_for_each_peer() -> None:
    rows = [row("w1", name, rate) for name, rate in (("parley", 40), ("naive", 2), ("yoga", 20))]

    lines = ratio_table(rows).splitlines()

    assert [line.split()[1:4] for line in lines] == [
        ["naive", "rate", "20.00"],
        ["yoga", "rate", "2.00"],
    ]


def test_compares_no_rates_that_it_set_itself() -> None:
    rows = [row("w2", "parley", 200), row("w2", "naive", 50)]

    assert rate_ratio(rows, "w2", "naive") is None


def test_tells_the_floors_that_do_not_hold() -> None:
    slow, fast = [row("w1", "parley", 1900)], [row("w3", "parley", 2000)]
    naive = [row("w1", "naive", 200), row("w3", "naive", 200)]

    assert below_floor([*slow, *fast, *naive]) == ["W1 is 9.5 times the naive peer, below 10."]


def test_needs_no_peer() -> None:
    alone = [row("w1", "parley", 4000)]

    assert (below_floor(alone), ratio_table(alone)) == ([], "")


def test_lines_its_columns_up() -> None:
    lines = table([row("w1", "parley", 4000), row("w1", "naive", 200)]).splitlines()

    assert len({len(line) for line in lines}) == 1
    assert lines[2].split()[:3] == ["w1", "parley", "4,000"]
