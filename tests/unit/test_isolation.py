"""A child process may die; the parent says so and lives on."""

import os
import signal
import time
import traceback
from collections.abc import Iterator

import numpy as np
import pytest

from pathgen_smk.errors import InputError, PassingError
from pathgen_smk.isolation import called, streamed


def numbers(count: int, end: object = None) -> Iterator[np.ndarray]:
    for number in range(count):
        yield np.full((300, 300, 3), number, np.uint8)
    if isinstance(end, Exception):
        raise end
    if isinstance(end, int):
        os.kill(os.getpid(), end)


def test_items_come_through_in_their_order() -> None:
    assert [int(item.mean()) for item in streamed(numbers, 50)] == list(range(50))
    assert list(streamed(numbers, 0)) == []
    assert called(max, 3, 5) == 5 and called(int, "10", base=2) == 2


@pytest.mark.parametrize("sent", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE])
def test_a_child_that_dies_is_an_error_after_what_it_gave(sent: int, refused) -> None:
    found = []
    with refused("damaged", signal.Signals(sent).name):
        for item in streamed(numbers, 3, sent):
            found.append(item)
    assert len(found) == 3


def test_a_child_that_the_system_killed_ran_out_of_memory() -> None:
    with pytest.raises(MemoryError):
        list(streamed(numbers, 1, signal.SIGKILL))


@pytest.mark.parametrize(
    "error", [InputError("slide a: broken"), PassingError("no network"), OSError(28, "full"), KeyError("x")]
)
def test_errors_come_through_with_their_traceback(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        list(streamed(numbers, 2, error))
    assert caught.value.args == error.args
    assert "in numbers" in "".join(traceback.format_exception(caught.value))


def test_a_child_ends_when_nobody_listens() -> None:
    items = streamed(iter_pids)
    pid = next(items)
    items.close()
    time.sleep(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def iter_pids() -> Iterator[int]:
    while True:
        yield os.getpid()
