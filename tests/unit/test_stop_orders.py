"""Orders to stop: what some send twice is one."""

import signal

from parley.server import StopOrders


def test_the_same_signal_twice_at_once_is_one_order() -> None:
    orders = StopOrders()

    orders.note(signal.SIGTERM, 100.0)
    orders.note(signal.SIGTERM, 100.4)
    assert (orders.count, orders.second.is_set()) == (1, False)

    orders.note(signal.SIGTERM, 100.6)
    assert (orders.count, orders.second.is_set()) == (2, True)

    orders.note(signal.SIGINT, 100.7)
    assert orders.count == 3
