"""The classifier's training: the same every time, stopped in time, and with the schedule of the paper."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_trainings import CLASSIFIER_OPTIONS, Interrupting, KilledError, labelled, without_speed
from small_trainings import classifier as trainer

from pathgen_smk.models.classifiers.two_block_cnn import Classifier
from pathgen_smk.training import device
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.classifier import ROLE, ClassifierSettings, ClassifierTrainer, predict
from pathgen_smk.training.device import Compute


def assert_same(first: ClassifierTrainer, second: ClassifierTrainer) -> None:
    states = [one.best_model.state_dict() for one in (first, second)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert without_speed(first) == without_speed(second)
    assert (first.best_epoch, first.best_accuracy) == (second.best_epoch, second.best_accuracy)


@pytest.fixture(scope="module")
def whole(compute: Compute, tmp_path_factory: pytest.TempPathFactory) -> ClassifierTrainer:
    found = trainer(compute, seconds=1e9)
    found.fit(Checkpoint(tmp_path_factory.mktemp("classifier") / "state.pt", "the training"))
    assert len(found.history) >= 4
    return found


def test_the_same_seed_gives_the_same_bits_and_another_one_others(
    compute: Compute, whole: ClassifierTrainer, tmp_path: Path
) -> None:
    torch.manual_seed(77)
    again, other = trainer(compute), trainer(compute, seed=9)
    again.fit(Checkpoint(tmp_path / "a.pt", "a"))
    other.fit(Checkpoint(tmp_path / "b.pt", "b"))
    assert_same(whole, again)
    assert without_speed(other) != without_speed(whole)


@pytest.mark.parametrize("saved", [0, 1, 3, 6, 7, 8, 9, 20])  # a state after each step and each epoch of seven steps
def test_a_training_killed_and_started_again_gives_the_same_bits(
    compute: Compute, whole: ClassifierTrainer, tmp_path: Path, saved: int
) -> None:
    with pytest.raises(KilledError):
        trainer(compute).fit(Interrupting(tmp_path / "state.pt", saved))
    resumed = trainer(compute)
    resumed.fit(Checkpoint(tmp_path / "state.pt", "the training"))
    assert_same(whole, resumed)


def test_a_finished_training_started_again_only_returns_its_best_model(
    compute: Compute, whole: ClassifierTrainer, tmp_path: Path
) -> None:
    """The job was killed after its last epoch, before its results were on disk."""
    trainer(compute).fit(Checkpoint(tmp_path / "state.pt", "the training"))
    resumed = trainer(compute)
    resumed.fit(Checkpoint(tmp_path / "state.pt", "the training"))
    assert_same(whole, resumed)


class Scripted(ClassifierTrainer):
    """A training whose validation accuracies are given; each epoch writes its number into the first weight."""

    accuracies: tuple[float, ...] = ()

    def _train_step(self, whole: int, *inputs: torch.Tensor) -> None:
        with torch.no_grad():
            next(self.models[ROLE].parameters()).fill_(len(self.history) + 1)

    def _validation(self) -> list[float]:
        return [0.0, self.accuracies[len(self.history)]]


@pytest.mark.parametrize(
    ("accuracies", "run", "kept"),
    [
        ((0.5, 0.6, 0.6, 0.6, 0.6, 0.9), 5, 2),  # equal is not better: epochs 3, 4 and 5 are three without
        ((0.5, 0.6, 0.55, 0.58, 0.7, 0.1, 0.1, 0.1, 0.99), 8, 5),
        ((0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), 9, 9),
        ((0.0, 0.0, 0.0, 0.0, 0.5, 0.6, 0.7, 0.8, 0.9), 4, 1),
    ],
)
def test_it_stops_after_patience_epochs_without_a_better_accuracy_and_keeps_the_best(
    compute: Compute, tmp_path: Path, accuracies: tuple, run: int, kept: int
) -> None:
    one = Scripted(
        "scripted",
        device.build_seeded(Classifier, CLASSIFIER_OPTIONS, seed=1),
        labelled(4, 1),
        labelled(4, 2),
        settings=ClassifierSettings(epochs=9, patience=3),
        seed=1,
        compute=compute,
    )
    one.accuracies = accuracies
    one.fit(Checkpoint(tmp_path / "state.pt", "x"))
    assert (len(one.history), one.best_epoch, one.best_accuracy) == (run, kept, max(accuracies[:run]))
    assert (next(one.best_model.parameters()) == kept).all()


def test_the_learning_rate_falls_every_so_many_steps_not_epochs(compute: Compute) -> None:
    one = trainer(compute, schedule_steps=10, schedule_factor=0.5, learning_rate=0.02)
    data = labelled(8, seed=1)
    images, label = torch.from_numpy(data.read(np.arange(8))), torch.from_numpy(data.labels).long()
    rates = []
    for _ in range(25):
        one._take(images, label)
        rates.append(one.optimisers[ROLE].param_groups[0]["lr"].item())
    assert rates == pytest.approx([0.02] * 10 + [0.01] * 10 + [0.005] * 5)


def test_defaults_are_the_papers(compute: Compute) -> None:
    settings = ClassifierSettings()
    assert (settings.epochs, settings.patience, settings.batch_size) == (50, 5, 128)
    assert (settings.schedule_steps, settings.schedule_factor) == (2000, 0.5)
    one = ClassifierTrainer(
        "paper",
        Classifier(**CLASSIFIER_OPTIONS),
        labelled(4, 1),
        labelled(4, 2),
        settings=settings,
        seed=1,
        compute=compute,
    )
    group = one.optimisers[ROLE].param_groups[0]
    assert group["lr"].item() == pytest.approx(0.001)
    assert (group["momentum"], group["weight_decay"], group["nesterov"]) == (0.9, 0.0005, False)


def test_steps_are_those_of_plain_sgd(compute: Compute) -> None:
    """Three steps, computed again by hand: v = 0.9 v + g + 0.0005 w; w -= lr v."""
    own = trainer(compute, weight_decay=0.0005, schedule_steps=2)
    model = device.build_seeded(Classifier, CLASSIFIER_OPTIONS, seed=1)
    data = labelled(50, seed=1)
    pixels = torch.from_numpy(data.read(np.arange(50)))
    images = pixels.permute(0, 3, 1, 2).float() / 127.5 - 1
    label = torch.from_numpy(data.labels).long()
    velocity = [torch.zeros_like(parameter) for parameter in model.parameters()]
    for step, rate in enumerate((0.02, 0.02, 0.01)):
        rows = slice(8 * step, 8 * step + 8)
        loss = -model(images[rows]).log_softmax(1)[range(8), label[rows]].mean()
        gradients = torch.autograd.grad(loss, list(model.parameters()))
        own.totals.zero_()
        own._take(pixels[rows], label[rows])
        assert own.totals[0].item() / 8 == pytest.approx(loss.item(), rel=1e-4)
        with torch.no_grad():
            for parameter, gradient, speed in zip(model.parameters(), gradients, velocity, strict=True):
                speed.mul_(0.9).add_(gradient + 0.0005 * parameter)
                parameter.sub_(rate * speed)
    for mine, theirs in zip(own.models[ROLE].parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-5)


def test_it_learns_and_predicts(compute: Compute, tmp_path: Path) -> None:
    model = device.build_seeded(Classifier, {"width": 8, "hidden": [32, 16], "image_size": 20}, seed=1)
    one = trainer(compute, model=model, epochs=40, patience=40, schedule_steps=1000, learning_rate=0.05)
    one.fit(Checkpoint(tmp_path / "state.pt", "x"))
    fresh = labelled(200, seed=6)
    probability = predict(one.best_model, fresh, compute)
    assert probability.shape == (200,) and probability.dtype == np.float32
    assert ((probability >= 0) & (probability <= 1)).all()
    assert ((probability > 0.5) == fresh.labels).mean() > 0.8


def test_the_accuracy_in_the_history_is_that_of_the_kept_model(compute: Compute, whole: ClassifierTrainer) -> None:
    validate = labelled(30, seed=2)
    called = predict(whole.best_model, validate, compute) > 0.5
    assert whole.best_accuracy == pytest.approx((called == validate.labels).mean())


def test_a_loss_that_is_not_finite_ends_the_training(compute: Compute, tmp_path: Path, refused) -> None:
    with refused("classifier", "epoch 1", "learning rate"):
        trainer(compute, learning_rate=1e20).fit(Checkpoint(tmp_path / "state.pt", "x"))


def test_gradients_that_add_up_over_parts_are_those_of_the_batch(compute: Compute, tmp_path: Path) -> None:
    data = labelled(8, seed=1)
    images, label = torch.from_numpy(data.read(np.arange(8))), torch.from_numpy(data.labels).long()
    whole, parted = trainer(compute), trainer(compute, micro_batch_size=3)
    for one in (whole, parted):
        one._take(images, label)
    torch.testing.assert_close(parted.totals, whole.totals)
    for mine, theirs in zip(parted.models[ROLE].parameters(), whole.models[ROLE].parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-7)
