"""A GAN that fails says so, and one that does not says nothing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_trainings import gan

from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.device import Compute
from pathgen_smk.training.health import movement, spread, warnings_of

WELL = {"score_real": 0.7, "score_fake": 0.3, "diversity": 0.9, "movement": 8.0}


def test_spread_is_the_mean_distance_between_two() -> None:
    images = torch.zeros(3, 4, 4, 3, dtype=torch.uint8)
    assert spread(images) == 0
    images[0] += 30
    assert spread(images) == pytest.approx(20)  # two pairs of 30, one of 0
    assert movement(images, images) == 0
    assert movement(images[:1], images[1:2]) == pytest.approx(30)


@pytest.mark.parametrize(
    ("last", "word"),
    [
        ({}, None),
        ({"diversity": 0.1}, "mode collapse"),
        ({"score_real": 0.999, "score_fake": 0.001}, "discriminator has won"),
        ({"score_real": 0.999}, None),
        ({"movement": 0.01}, "does not move"),
    ],
)
def test_what_the_last_epochs_show_is_told(last: dict, word: str | None) -> None:
    history = [WELL] * 45 + [WELL | last] * 5
    found = warnings_of(history)
    assert [word in line for line in found] == ([True] if word else [])
    assert warnings_of([WELL | last] * 5 + [WELL] * 45) == []  # it has mended


def test_a_generator_that_does_not_learn_is_found_not_to_move(compute: Compute, tmp_path: Path) -> None:
    one = gan(compute, learning_rate=0)
    one.fit(Checkpoint(tmp_path / "state.pt", "x"))
    assert any("does not move" in line for line in warnings_of(one.history))


def test_a_generator_that_gives_one_image_is_found_to_have_collapsed(compute: Compute, tmp_path: Path) -> None:
    one = gan(compute, epochs=2)
    with torch.no_grad():
        next(one.models["generator"].parameters()).zero_()  # latents have no effect
    one.observe = lambda trainer: next(trainer.models["generator"].parameters()).data.zero_()
    one.fit(Checkpoint(tmp_path / "state.pt", "x"))
    (line,) = [line for line in warnings_of(one.history) if "mode collapse" in line]
    assert "2 epoch" in line or "1 epoch" in line


def test_a_discriminator_that_faces_a_frozen_generator_is_found_to_have_won(compute: Compute, tmp_path: Path) -> None:
    one = gan(compute, epochs=40, learning_rate=0.002)
    for group in one.optimisers["generator"].param_groups:
        group["lr"] = 0.0
    one.fit(Checkpoint(tmp_path / "state.pt", "x"))
    assert np.mean([row["score_real"] for row in one.history[-4:]]) > 0.9
    assert any("has won" in line for line in warnings_of(one.history))
