"""Make the next item while the present one is used."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T]) -> Iterator[T]:
    """Yield items, of which a thread always makes the next one meanwhile."""
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, "ahead") as maker:
        coming: Future = maker.submit(next, iterator, end)
        while (item := coming.result()) is not end:
            coming = maker.submit(next, iterator, end)
            yield item
