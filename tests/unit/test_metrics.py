"""What an operator reads of background work."""

from prometheus_client import generate_latest

from models.background import Loops
from parley.metrics import Metrics


def test_failures_are_shown_by_loop_and_kind() -> None:
    loops, metrics = Loops(), Metrics()
    metrics.show_loops(loops)
    loops.failures["relay", "away"] = 3
    loops.failures["relay", "unexpected"] = 1
    loops.ended.add("sweep")

    shown = generate_latest(metrics.registry).decode()

    assert 'parley_background_failures_total{kind="away",loop="relay"} 3.0' in shown
    assert 'parley_background_failures_total{kind="unexpected",loop="relay"} 1.0' in shown
    assert "parley_background_loops_ended 1.0" in shown
