"""What is to be seen of a training while it runs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_trainings import Interrupting, KilledError, classifier, gan
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pathgen_smk.console.monitor import monitor_classifier, monitor_gan
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.device import Compute


@pytest.mark.parametrize(("build", "monitor"), [(gan, monitor_gan), (classifier, monitor_classifier)])
def test_history_and_pictures_are_there_from_the_first_epoch(compute: Compute, tmp_path: Path, build, monitor) -> None:
    one, seen = build(compute, epochs=3), []
    shown = monitor(tmp_path / "running", None)

    def observe(trainer) -> None:
        shown(trainer)
        seen.append(pd.read_csv(tmp_path / "running/history.csv")["epoch"].tolist())

    one.observe = observe
    one.fit(Checkpoint(tmp_path / "state.pt", "x"))
    assert seen == [[1], [1, 2], [1, 2, 3]]
    for name in ("curves.png", "samples.png")[: 2 if build is gan else 1]:
        with Image.open(tmp_path / "running" / name) as picture:
            assert np.asarray(picture).std() > 5
    assert not (tmp_path / "events").exists()


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(str(folder), size_guidance={"images": 0})
    events.Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_event_files_hold_each_epoch_once_though_the_training_was_killed(compute: Compute, tmp_path: Path) -> None:
    events, state = tmp_path / "events", tmp_path / "state.pt"
    first = gan(compute)
    first.observe = monitor_gan(tmp_path / "a", events)
    with pytest.raises(KilledError):  # after the second epoch's row is written, before its state is
        first.fit(Interrupting(state, 7))
    second = gan(compute)
    second.observe = monitor_gan(tmp_path / "a", events)
    second.fit(Checkpoint(state, "the training"))
    found = scalars(events)
    assert found.keys() == second.history[0].keys()
    for name in ("loss_generator", "diversity"):
        assert [step for step, _ in found[name]] == [1, 2, 3, 4]
        assert [value for _, value in found[name]] == pytest.approx([row[name] for row in second.history], rel=1e-6)
    accumulator = EventAccumulator(str(events), size_guidance={"images": 0})
    accumulator.Reload()
    assert accumulator.Images("samples")[0].width > 64
