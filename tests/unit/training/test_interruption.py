"""A training that is asked to end saves its state at once."""

import os
import signal
import threading
from pathlib import Path

import pytest
from small_trainings import classifier, digest_of, gan

from pathgen_smk.errors import PassingError
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.device import Compute
from pathgen_smk.training.interruption import SIGNALS, stopping


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("build", [gan, classifier])
def test_the_state_is_saved_within_the_epoch_and_the_training_goes_on_from_there(
    compute: Compute, tmp_path: Path, build, number: signal.Signals
) -> None:
    path = tmp_path / "state.pt"
    whole = build(compute)
    whole.fit(Checkpoint(tmp_path / "whole.pt", "x"))
    ended, steps = build(compute, seconds=1e9), []
    take = ended._take

    def take_and_signal(*batch) -> None:
        steps.append(take(*batch))
        if len(steps) == 5:
            os.kill(os.getpid(), number)

    ended._take = take_and_signal
    with pytest.raises(PassingError, match=f"ended by {number.name} in epoch") as caught:
        ended.fit(Checkpoint(path, "x"))
    assert str(path) in str(caught.value) and len(steps) == 5
    resumed, taken = build(compute), []
    take_again = resumed._take
    resumed._take = lambda *batch: taken.append(take_again(*batch))  # type: ignore[method-assign]
    resumed.fit(Checkpoint(path, "x"))
    per_epoch = {gan: 3, classifier: 7}[build]
    assert len(taken) == per_epoch * len(whole.history) - 5
    assert digest_of(resumed) == digest_of(whole)


def test_handlers_are_put_back_and_threads_receive_none() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with stopping() as stop:
        assert [signal.getsignal(number) for number in SIGNALS] != before
        signal.raise_signal(signal.SIGTERM)
        assert stop.reason == "SIGTERM"
    assert [signal.getsignal(number) for number in SIGNALS] == before
    found = []

    def elsewhere() -> None:
        with stopping() as stop:
            found.append(stop.reason)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [None]
    with stopping(listen=False):
        assert [signal.getsignal(number) for number in SIGNALS] == before
