"""The GAN's training: the same every time, interrupted or not, and in the steps that the paper counts."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small_trainings import GAN_OPTIONS, IMAGES, Interrupting, KilledError, without_speed
from small_trainings import gan as trainer
from torch import nn

from pathgen_smk.models.generators import dcgan
from pathgen_smk.training import device
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.device import Compute
from pathgen_smk.training.feed import ArrayPatches
from pathgen_smk.training.gan import GanSettings, GanTrainer


def assert_same(first: GanTrainer, second: GanTrainer) -> None:
    """Bit for bit: weights, running statistics, optimiser states, images and losses; not the speed."""
    for name in ("generator", "discriminator"):
        states = [one.models[name].state_dict() for one in (first, second)]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
        moments = [list(one.optimisers[name].state.values()) for one in (first, second)]
        assert all(torch.equal(a["exp_avg_sq"], b["exp_avg_sq"]) for a, b in zip(*moments, strict=True))
    assert without_speed(first) == without_speed(second)
    assert first.samples.keys() == second.samples.keys()
    assert all((first.samples[epoch] == second.samples[epoch]).all() for epoch in first.samples)


@pytest.fixture(scope="module")
def whole(compute: Compute, tmp_path_factory: pytest.TempPathFactory) -> GanTrainer:
    """A training without interruption."""
    found = trainer(compute, seconds=1e9)
    found.fit(Checkpoint(tmp_path_factory.mktemp("gan") / "state.pt", "the training"))
    return found


def test_the_same_seed_gives_the_same_bits_and_another_one_others(
    compute: Compute, whole: GanTrainer, tmp_path: Path
) -> None:
    torch.manual_seed(99)
    again, other = trainer(compute), trainer(compute, seed=4)
    again.fit(Checkpoint(tmp_path / "a.pt", "a"))
    other.fit(Checkpoint(tmp_path / "b.pt", "b"))
    assert_same(whole, again)
    assert without_speed(other) != without_speed(whole)


@pytest.mark.parametrize("saved", [0, 1, 2, 3, 4, 5, 11, 15])  # a state after each step and each epoch of three steps
def test_a_training_killed_and_started_again_gives_the_same_bits(
    compute: Compute, whole: GanTrainer, tmp_path: Path, saved: int
) -> None:
    with pytest.raises(KilledError):
        trainer(compute).fit(Interrupting(tmp_path / "state.pt", saved))
    resumed = trainer(compute, seed=3)
    resumed.fit(Checkpoint(tmp_path / "state.pt", "the training"))
    assert [row["epoch"] for row in resumed.history] == [1, 2, 3, 4]
    assert_same(whole, resumed)


@pytest.mark.parametrize("what", ["other identity", "cut short"])
def test_a_state_that_is_not_this_trainings_is_not_taken_up(
    compute: Compute, whole: GanTrainer, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "state.pt"
    trainer(compute, epochs=2, seed=8).fit(Checkpoint(path, "another" if what == "other identity" else "the training"))
    if what == "cut short":
        path.write_bytes(path.read_bytes()[:-1000])
    started = trainer(compute)
    started.fit(Checkpoint(path, "the training"))
    assert_same(whole, started)


@pytest.mark.parametrize(
    "what", ["shape", "role", "optimiser", "moments", "place", "history", "nothing", "text", "rng"]
)
def test_a_state_that_does_not_fit_is_refused_in_one_line(compute: Compute, tmp_path: Path, refused, what: str) -> None:
    """It says that it is this training's, and is not."""
    begun = trainer(compute, epochs=1)
    begun.fit(Checkpoint(tmp_path / "first.pt", "the training"))
    state = begun.state()
    moments = copy.deepcopy(state["optimisers"])
    moments["generator"]["state"][0]["exp_avg"] = torch.zeros(3)  # torch itself would take it, and write beyond it
    wrong = {
        "moments": state | {"optimisers": moments},
        "place": state | {"seen": 10**9},
        "shape": state | {"models": {role: {"x": torch.zeros(3)} for role in state["models"]}},
        "role": state | {"models": {"classifier": {}}},
        "optimiser": state | {"optimisers": {role: {"state": {}, "param_groups": []} for role in state["models"]}},
        "history": state | {"own": {"samples": 5, "shown": torch.zeros(3)}},
        "nothing": {},
        "text": "hello",
        "rng": state | {"rng": {"latents": torch.zeros(3, dtype=torch.uint8), "augmentation": "x"}},
    }[what]
    kept = Checkpoint(tmp_path / "state.pt", "the training")
    kept.save(wrong)
    with refused(kept.path, "not a state of this training", "delete it"):
        trainer(compute).fit(Checkpoint(kept.path, "the training"))


def test_images_of_fixed_latents_are_kept_for_the_epochs_asked_for_and_the_last(whole: GanTrainer) -> None:
    assert sorted(whole.samples) == [0, 2, 4]
    assert all(images.shape == (3, 64, 64, 3) and images.dtype == np.uint8 for images in whole.samples.values())
    assert (whole.samples[0] != whole.samples[4]).any()
    assert [row["epoch"] for row in whole.history] == [1, 2, 3, 4]
    assert all(0 <= row[key] <= 1 for row in whole.history for key in ("score_real", "score_fake"))


class Counting(nn.Module):
    """Stands for either network, at next to no cost: one weight, and a count of its calls."""

    def __init__(self, shape: tuple) -> None:
        super().__init__()
        self.weight, self.shape, self.sizes = nn.Parameter(torch.zeros(1)), shape, []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.sizes.append(len(batch))
        sums = batch.flatten(1).sum(1).reshape(-1, *(1 for _ in self.shape))
        return self.weight * (sums + torch.ones(self.shape))


def test_the_papers_training_takes_54_800_steps(compute: Compute, tmp_path: Path) -> None:
    """35,000 patches in batches of 256: 137 steps an epoch, the last of 184; 400 epochs."""
    generator = Counting((3, 1, 1))
    counted = GanTrainer(
        "count",
        generator,
        Counting(()),
        ArrayPatches(np.zeros((35_000, 1, 1, 3), np.uint8), np.zeros(35_000, np.uint8)),
        settings=GanSettings(epochs=1),
        fixed_latents=torch.zeros(2, 100),
        seed=1,
        compute=compute,
    )
    counted.fit(Checkpoint(tmp_path / "state.pt", "x"))
    assert generator.sizes == [256] * 136 + [184]
    assert len(generator.sizes) * GanSettings().epochs == 54_800
    settings = counted.optimisers["generator"].param_groups[0]
    assert (settings["lr"], settings["betas"]) == (2e-4, (0.5, 0.999))


def textbook_step(
    generator: nn.Module, discriminator: nn.Module, real: torch.Tensor, latents: torch.Tensor
) -> list[float]:
    """One step with one Adam for each network: D on real and detached fake, then G on the updated D; return losses."""
    adam = {
        model: torch.optim.Adam(model.parameters(), 2e-4, (0.5, 0.999), foreach=False)
        for model in (generator, discriminator)
    }
    fake = generator(latents)
    loss_d = F.binary_cross_entropy(discriminator(real).sigmoid(), torch.ones(len(real)))
    loss_d = loss_d + F.binary_cross_entropy(discriminator(fake.detach()).sigmoid(), torch.zeros(len(real)))
    loss_d.backward()
    adam[discriminator].step()
    loss_g = F.binary_cross_entropy(discriminator(fake).sigmoid(), torch.ones(len(real)))
    generator.zero_grad()
    loss_g.backward()
    adam[generator].step()
    return [loss_d.item(), loss_g.item()]


def assert_close(own: GanTrainer, generator: nn.Module, discriminator: nn.Module) -> None:
    """Adam's first step is the learning rate times the gradient's sign, which noise may turn where it is tiny."""
    for mine, theirs in ((own.models["generator"], generator), (own.models["discriminator"], discriminator)):
        for (name, tensor), expected in zip(mine.named_parameters(), theirs.parameters(), strict=True):
            assert torch.isclose(tensor, expected, rtol=0, atol=2e-5).float().mean() > 0.99, name


def test_a_step_is_the_textbooks(compute: Compute) -> None:
    own = trainer(compute)
    generator, discriminator = device.build_seeded(dcgan.build, GAN_OPTIONS, seed=1)
    real = torch.from_numpy(IMAGES[:8]).permute(0, 3, 1, 2).float() / 127.5 - 1
    latents = torch.randn(8, 6, generator=torch.Generator().manual_seed(3))
    own._train_step(8, torch.from_numpy(IMAGES[:8]), latents)
    losses = textbook_step(generator, discriminator, real, latents)
    assert (own.totals[:2] / 8).tolist() == pytest.approx(losses, rel=1e-4)
    assert_close(own, generator, discriminator)


def test_gradients_that_add_up_over_parts_are_those_of_batch_norm_in_parts(compute: Compute) -> None:
    """Batch norm sees a part at a time, as if each were a batch; running statistics count each image once."""
    own = trainer(compute, micro_batch_size=4)
    images, latents = torch.from_numpy(IMAGES[:8]), torch.randn(8, 6, generator=torch.Generator().manual_seed(3))
    generator, discriminator = device.build_seeded(dcgan.build, GAN_OPTIONS, seed=1)
    own._train_step(8, images, latents)
    real = images.permute(0, 3, 1, 2).float() / 127.5 - 1
    loss = sum(
        F.binary_cross_entropy_with_logits(discriminator(real[part]), torch.ones(4))
        + F.binary_cross_entropy_with_logits(discriminator(generator(latents[part]).detach()), torch.zeros(4))
        for part in (slice(0, 4), slice(4, 8))
    )
    assert own.totals[0].item() / 8 == pytest.approx(loss.item() / 2, rel=1e-4)
    statistics = [model.state_dict()["layers.1.running_mean"] for model in (own.models["generator"], generator)]
    torch.testing.assert_close(*statistics, rtol=1e-3, atol=1e-6)


def test_one_part_is_a_whole_batch(compute: Compute, whole: GanTrainer, tmp_path: Path) -> None:
    parted = trainer(compute, micro_batch_size=8)
    parted.fit(Checkpoint(tmp_path / "state.pt", "x"))
    assert_same(whole, parted)


def test_a_loss_that_is_not_finite_ends_the_training(compute: Compute, tmp_path: Path, refused) -> None:
    wild = trainer(compute)
    with torch.no_grad():
        next(wild.models["generator"].parameters()).fill_(float("nan"))
    with refused("GAN", "no longer finite", "epoch 1", "learning rate", "no checkpoint yet"):
        wild.fit(Checkpoint(tmp_path / "state.pt", "x"))
    assert not (tmp_path / "state.pt").exists()


def test_a_loss_that_explodes_ends_the_training_and_the_last_good_state_stays(
    compute: Compute, tmp_path: Path, refused
) -> None:
    wild = trainer(compute)

    def grow(trained: GanTrainer) -> None:
        if len(trained.history) == 2:
            with torch.no_grad():
                for parameter in trained.models["discriminator"].parameters():
                    parameter.mul_(1e3)

    wild.observe = grow
    with refused("GAN", "has exploded in epoch 3", "last good checkpoint", "epoch 2", "state.pt"):
        wild.fit(Checkpoint(tmp_path / "state.pt", "x"))
    state = Checkpoint(tmp_path / "state.pt", "x").load()
    assert state is not None and len(state["history"]) == 2


@pytest.mark.parametrize("augmentation", ["none", "flips_and_turns"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_trains_and_resumes_to_the_same_bits(tmp_path: Path, precision: str, augmentation: str) -> None:
    low = device.prepare(device="cpu", precision=precision, threads=1)
    one = trainer(low, epochs=2, augmentation=augmentation)
    one.fit(Checkpoint(tmp_path / "a.pt", "x"))
    with pytest.raises(KilledError):
        trainer(low, epochs=2, augmentation=augmentation).fit(Interrupting(tmp_path / "b.pt", 4))
    other = trainer(low, epochs=2, augmentation=augmentation)
    other.fit(Checkpoint(tmp_path / "b.pt", "the training"))
    assert_same(one, other)
