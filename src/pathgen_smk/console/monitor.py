"""Show a training while it runs: its history and pictures in a folder of its own, TensorBoard events where asked."""

import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pathgen_smk.files import write_text
from pathgen_smk.training.trainer import Trainer

if TYPE_CHECKING:
    from pathgen_smk.training.classifier import ClassifierTrainer
    from pathgen_smk.training.gan import GanTrainer

# Drawing takes about a second of one core.
SECONDS_BETWEEN_PICTURES = 60.0


class Monitor:
    """Called after each epoch.

    Parameters
    ----------
    folder
        Where ``history.csv`` and the pictures are written, each whole or not at all.
    pictures
        By file name, functions that draw a trainer into the file they are given.
    events
        Folder for TensorBoard's event files; None: none are written.
    image
        Returns a picture (H, W, 3) uint8 of a trainer for the event files.
    """

    def __init__(
        self,
        folder: Path,
        pictures: dict[str, Callable[[Any, Path], None]],
        *,
        events: Path | None = None,
        image: Callable[[Any], np.ndarray] | None = None,
    ) -> None:
        self._folder, self._pictures, self._events, self._image = folder, pictures, events, image
        self._drawn = float("-inf")
        self._written = -1  # rows of the history that the event files have

    def __call__(self, trainer: Trainer) -> None:
        """Write what there is to see of a trainer."""
        write_text(self._folder / "history.csv", pd.DataFrame(trainer.history).to_csv(index=False))
        is_time = time.monotonic() - self._drawn > SECONDS_BETWEEN_PICTURES
        if is_time:
            for name, draw in self._pictures.items():
                draw(trainer, self._folder / name)
            self._drawn = time.monotonic()
        if self._events:
            self._write_events(trainer, with_image=is_time)

    def _write_events(self, trainer: Trainer, with_image: bool) -> None:
        if self._written < 0:  # a training that goes on has written those before
            self._written = len(trainer.history) - 1
        for row in trainer.history[self._written :]:
            for name, value in row.items():
                self._writer.add_scalar(name, value, int(row["epoch"]))
        self._written = len(trainer.history)
        if self._image and with_image:
            self._writer.add_image("samples", self._image(trainer), self._written, dataformats="HWC")
        self._writer.flush()

    @cached_property
    def _writer(self) -> Any:
        from torch.utils.tensorboard import SummaryWriter  # takes seconds to import, and few ask for it

        # What was written after the state from which a training goes on is not shown.
        return SummaryWriter(str(self._events), purge_step=self._written + 1)


def monitor_gan(folder: Path, events: Path | None) -> Monitor:
    """Return the monitor of a GAN: its curves, and what its fixed latents gave so far."""
    from pathgen_smk.evaluation import figures  # not before something is drawn

    def draw_curves(trainer: "GanTrainer", path: Path) -> None:
        figures.save_gan_curves(path, pd.DataFrame(trainer.history), trainer.name)

    def draw_samples(trainer: "GanTrainer", path: Path) -> None:
        figures.save_samples(path, trainer.samples, trainer.name)

    def last_samples(trainer: "GanTrainer") -> np.ndarray:
        return figures.image_grid(trainer.samples[max(trainer.samples)])

    return Monitor(folder, {"curves.png": draw_curves, "samples.png": draw_samples}, events=events, image=last_samples)


def monitor_classifier(folder: Path, events: Path | None) -> Monitor:
    """Return the monitor of a classifier: its curves."""
    from pathgen_smk.evaluation import figures  # as for a GAN

    def draw_curves(trainer: "ClassifierTrainer", path: Path) -> None:
        figures.save_classifier_curves(path, pd.DataFrame(trainer.history), trainer.best_epoch, trainer.name)

    return Monitor(folder, {"curves.png": draw_curves}, events=events)
