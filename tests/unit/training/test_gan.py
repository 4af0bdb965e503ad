"""The GAN's training: the same every time, interrupted or not, and in the steps that the paper counts."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pathgen_smk.models.generators import dcgan
from pathgen_smk.training import device
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.device import Compute
from pathgen_smk.training.gan import GanRun, GanSettings, GanTrainer
from pathgen_smk.training.generate import latents_of

IMAGES = np.random.default_rng(5).integers(0, 256, (20, 64, 64, 3), np.uint8)
EPOCHS = 4


class KilledError(Exception):
    """Stands for the signal that ends a job."""


class Interrupting(Checkpoint):
    """Saves `count` states, and is killed while it writes the next."""

    def __init__(self, path: Path, count: int) -> None:
        super().__init__(path, "the training")
        self.left = count

    def save(self, state: dict) -> None:
        if not self.left:
            raise KilledError
        self.left -= 1
        super().save(state)


def trainer(
    compute: Compute, *, epochs: int = EPOCHS, seed: int = 3, seconds: float = -1, sample_epochs: tuple = (0, 2, 99)
) -> GanTrainer:
    generator, discriminator = device.build_seeded(dcgan.build, {"latent_size": 6, "width": 4}, seed=1)
    return GanTrainer(
        "GAN",
        generator,
        discriminator,
        IMAGES,
        settings=GanSettings(epochs=epochs, batch_size=8, sample_epochs=sample_epochs, checkpoint_seconds=seconds),
        fixed_latents=latents_of(np.arange(3), 6),
        seed=seed,
        compute=compute,
    )


def assert_same(first: GanTrainer, second: GanTrainer) -> None:
    """Bit for bit: weights, running statistics, optimiser states, images and losses; not the speed."""
    for name in ("generator", "discriminator"):
        states = [getattr(one, name).state_dict() for one in (first, second)]
        assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
        moments = [list(one.optimisers[name].state.values()) for one in (first, second)]
        assert all(torch.equal(a["exp_avg_sq"], b["exp_avg_sq"]) for a, b in zip(*moments, strict=True))
    assert without_speed(first.run) == without_speed(second.run)
    assert first.run.samples.keys() == second.run.samples.keys()
    assert all((first.run.samples[epoch] == second.run.samples[epoch]).all() for epoch in first.run.samples)


def without_speed(run: GanRun) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "images_per_second"} for row in run.history]


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
    assert without_speed(other.run) != without_speed(whole.run)


@pytest.mark.parametrize("saved", [0, 1, 3])
def test_a_training_killed_and_started_again_gives_the_same_bits(
    compute: Compute, whole: GanTrainer, tmp_path: Path, saved: int
) -> None:
    with pytest.raises(KilledError):
        trainer(compute).fit(Interrupting(tmp_path / "state.pt", saved))
    resumed = trainer(compute, seed=3)
    resumed.fit(Checkpoint(tmp_path / "state.pt", "the training"))
    assert [row["epoch"] for row in resumed.run.history] == [1, 2, 3, 4]
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


def test_images_of_fixed_latents_are_kept_for_the_epochs_asked_for_and_the_last(whole: GanTrainer) -> None:
    assert sorted(whole.run.samples) == [0, 2, 4]
    assert all(images.shape == (3, 64, 64, 3) and images.dtype == np.uint8 for images in whole.run.samples.values())
    assert (whole.run.samples[0] != whole.run.samples[4]).any()
    assert [row["epoch"] for row in whole.run.history] == [1, 2, 3, 4]
    assert all(0 <= row[key] <= 1 for row in whole.run.history for key in ("score_real", "score_fake"))


class Counting(nn.Module):
    """Stands for either network, at next to no cost: one weight, and a count of its calls."""

    def __init__(self, shape: tuple) -> None:
        super().__init__()
        self.weight, self.shape, self.sizes = nn.Parameter(torch.zeros(1)), shape, []

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(batch))
        sums = batch.flatten(1).sum(1).reshape(-1, *(1 for _ in self.shape))
        return self.weight * (sums + torch.ones(self.shape))


def test_the_papers_training_takes_54_800_steps(compute: Compute) -> None:
    """35,000 patches in batches of 256: 137 steps an epoch, the last of 184; 400 epochs."""
    generator = Counting((3, 1, 1))
    counted = GanTrainer(
        "count",
        generator,
        Counting(()),
        np.zeros((35_000, 1, 1, 3), np.uint8),
        settings=GanSettings(),
        fixed_latents=torch.zeros(1, 100),
        seed=1,
        compute=compute,
    )
    counted._epoch(1)
    assert generator.sizes == [256] * 136 + [184]
    assert len(generator.sizes) * counted.settings.epochs == 54_800
    settings = counted.optimisers["generator"].param_groups[0]
    assert (settings["lr"], settings["betas"]) == (2e-4, (0.5, 0.999))


def test_a_step_is_the_textbooks(compute: Compute) -> None:
    """One step, computed again with one Adam for each network: D on real and detached fake, then G on the updated D."""
    own = trainer(compute)
    generator, discriminator = device.build_seeded(dcgan.build, {"latent_size": 6, "width": 4}, seed=1)
    adam = {
        model: torch.optim.Adam(model.parameters(), 2e-4, (0.5, 0.999), foreach=False)
        for model in (generator, discriminator)
    }
    real = torch.from_numpy(IMAGES[:8]).permute(0, 3, 1, 2).float() / 127.5 - 1
    latents = torch.randn(8, 6, generator=torch.Generator().manual_seed(3))
    found = own._step(real.clone())
    fake = generator(latents)
    loss_d = F.binary_cross_entropy(discriminator(real).sigmoid(), torch.ones(8))
    loss_d = loss_d + F.binary_cross_entropy(discriminator(fake.detach()).sigmoid(), torch.zeros(8))
    loss_d.backward()
    adam[discriminator].step()
    loss_g = F.binary_cross_entropy(discriminator(fake).sigmoid(), torch.ones(8))
    generator.zero_grad()
    loss_g.backward()
    adam[generator].step()
    assert found[:2].tolist() == pytest.approx([loss_d.item(), loss_g.item()], rel=1e-4)
    for mine, theirs in ((own.generator, generator), (own.discriminator, discriminator)):
        for (name, tensor), expected in zip(mine.named_parameters(), theirs.parameters(), strict=True):
            # Adam's first step is the learning rate times the gradient's sign, which noise may turn where it is tiny.
            close = torch.isclose(tensor, expected, rtol=0, atol=2e-5).float().mean()
            assert close > 0.99, name


def test_a_loss_that_is_not_finite_ends_the_training(compute: Compute, tmp_path: Path, refused) -> None:
    wild = trainer(compute)
    with torch.no_grad():
        next(wild.generator.parameters()).fill_(float("nan"))
    with refused("GAN", "epoch 1", "learning rate"):
        wild.fit(Checkpoint(tmp_path / "state.pt", "x"))
    assert not (tmp_path / "state.pt").exists()
