"""Schedulers warn before they kill: note the signal, so that a training can save its state and end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from pathgen_smk.processes import SIGNALS


class Stop:
    """Whether, and by which signal, this process was asked to end."""

    def __init__(self) -> None:
        self.reason: str | None = None

    def request(self, number: int, _: FrameType | None) -> None:
        """Note a signal."""
        self.reason = signal.Signals(number).name


@contextmanager
def stopping(*, listen: bool = True) -> Iterator[Stop]:
    """Note SIGTERM and SIGINT inside instead of ending at once.

    Nothing is noted outside of the main thread, which alone receives signals, or if it is not to `listen`.
    """
    stop = Stop()
    if not listen or threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = {number: signal.signal(number, stop.request) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
