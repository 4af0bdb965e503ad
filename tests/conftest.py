"""Fixtures that several tests share."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pathgen_smk.errors import InputError

if TYPE_CHECKING:
    from pathgen_smk.training.device import Compute

REPOSITORY = Path(__file__).parents[1]
DATA_VARIABLE = "PATHGEN_SMK_DATA"

Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The project's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data, see DESIGN.md; tests that ask for it are skipped where it is absent."""
    folder = Path(os.environ.get(DATA_VARIABLE, REPOSITORY / "../shared/data")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; name its folder in {DATA_VARIABLE}")
    return folder


@pytest.fixture(scope="session")
def refused() -> Refused:
    """A context in which an `InputError` must be raised: its message is one line and holds all the given parts."""

    @contextmanager
    def check(*parts: object) -> Iterator[None]:
        with pytest.raises(InputError) as caught:
            yield
        message = str(caught.value)
        assert "\n" not in message and "\r" not in message
        for part in parts:
            assert str(part) in message

    return check


@pytest.fixture(scope="session")
def compute() -> "Compute":
    """One thread of the CPU, in fp32."""
    from pathgen_smk.training.device import prepare

    return prepare(device="cpu", precision="fp32", threads=1)
