"""Progress as plain lines: several jobs share one terminal and each has a log file, where drawn bars would clash."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

logger = logging.getLogger("pathgen_smk")
T = TypeVar("T")


class Progress:
    """Report how much of a task is done, its rate and the time left, at most once every few seconds.

    Parameters
    ----------
    task
        What is being done, for example ``GAN tumour``.
    total
        How many units there are.
    unit
        Name of a unit, in the plural.
    every
        Seconds between two lines.
    """

    def __init__(self, task: str, total: int, unit: str, every: float = 5.0) -> None:
        self.task, self.total, self.unit, self.every = task, total, unit, every
        self.done = 0
        self._start = self._last = time.monotonic()
        self._first = 0

    def skip(self, count: int) -> None:
        """Count units that an earlier run had finished; they do not enter the rate."""
        self.done += count
        self._first = self.done

    def advance(self, count: int = 1, note: Callable[[], str] = str) -> None:
        """Count `count` more units as done; if the last line is old enough or all is done, print one with a note."""
        self.done += count
        now = time.monotonic()
        if now - self._last < self.every and self.done < self.total:
            return
        self._last = now
        rate = (self.done - self._first) / max(now - self._start, 1e-9)
        left = (self.total - self.done) / rate if rate else float("inf")
        parts = [f"{self.task}: {self.done:,} of {self.total:,} {self.unit}", f"{rate:,.3g} {self.unit}/s", note()]
        parts.append(f"{clock(left)} left" if self.done < self.total else f"took {clock(now - self._start)}")
        logger.info(" | ".join(part for part in parts if part))


def track(items: Iterable[T], task: str, total: int, unit: str) -> Iterator[T]:
    """Yield `items` one by one, reporting progress where there is more than one."""
    if total == 1:
        yield from items
        return
    progress = Progress(task, total, unit)
    for item in items:
        yield item
        progress.advance()


def clock(seconds: float) -> str:
    """Return a duration as ``m:ss`` or ``h:mm:ss``."""
    if seconds == float("inf"):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
