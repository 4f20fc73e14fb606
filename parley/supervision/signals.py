"""Signals as something to wait for: an order to stop, and the end of a child."""

import contextlib
import select
import signal
import socket
import time
from collections.abc import Iterator
from types import FrameType

STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# `timeout`, some shells and some supervisors send what they send twice, to the process and to its
# group.
ONE_ORDER_S = 0.5


class Signals:
    """Counts the orders to stop; `wait` ends early at any signal."""

    def __init__(self) -> None:
        self.stop_orders = 0
        self._ordered_at = 0.0
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._on_stop) for number in STOP}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, self._on_child)
        waker = signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(waker)
            for number, was in before.items():
                signal.signal(number, was)
            self._read.close()
            self._write.close()

    def wait(self, at_most_s: float) -> None:
        readable, _, _ = select.select([self._read], [], [], at_most_s)
        if readable:
            with contextlib.suppress(BlockingIOError):
                self._read.recv(1024)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.stop_orders or now - self._ordered_at > ONE_ORDER_S:
            self.stop_orders += 1
            self._ordered_at = now

    def _on_child(self, number: int, frame: FrameType | None) -> None:
        return None
