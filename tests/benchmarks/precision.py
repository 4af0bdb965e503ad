"""Whether bf16 and fp16 train as well as fp32 does: `python tests/benchmarks/precision.py [--device cuda] [--tiny]`.

Runs the whole experiment on phantom patches, through the workflow's own scripts: two GANs, a synthetic store, and
classifiers of three arms; in fp32, in bf16 and, on a GPU, in fp16, all from the same seed; and in fp32 from another
seed, which is the yardstick: a precision does no harm if it changes no more than a seed does. Prints Markdown: final
losses, Fréchet distances between sets of images, and Table 2's metrics. With `--folder` what is finished stays there,
and the same command goes on where an interrupted one ended.
"""

import argparse
import logging
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from phantom_patches import write_phantoms
from sklearn.decomposition import PCA

from pathgen_smk import files, labels, stores
from pathgen_smk.evaluation.tables import table2_row
from pathgen_smk.scripts import generate_patches, predict_patches, train_classifier, train_gan
from pathgen_smk.training.parallel import ALONE

ARMS = ("original", "mixed", "synthetic")
METRICS = ("accuracy", "f1", "roc_auc")
COMPONENTS = 64
COMPARED = 10_000  # images of each set and class, at most
GAN = {
    "architecture": "dcgan", "options": {"latent_size": 100, "width": 64}, "epochs": 400, "batch_size": 256,
    "micro_batch_size": None, "learning_rate": 0.0002, "betas": [0.5, 0.999], "augmentation": "none",
    "sample_epochs": [0],
}  # fmt: skip
CLASSIFIER = {
    "architecture": "two_block_cnn", "options": {"width": 32, "hidden": [512, 128]}, "epochs": 50, "patience": 5,
    "batch_size": 128, "micro_batch_size": None, "learning_rate": 0.001, "momentum": 0.9, "weight_decay": 0.0005,
    "augmentation": "none", "schedule_steps": 2000, "schedule_factor": 0.5,
}  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """Sizes of an experiment; the defaults are the paper's.

    Attributes
    ----------
    train, validate, test
        Original patches of each class.
    synthetic
        Synthetic patches of both classes together.
    gan, classifier
        As their sections in the config.
    """

    train: int = 35_000
    validate: int = 15_000
    test: int = 15_000
    synthetic: int = 2 * 35_008
    gan: dict[str, Any] = field(default_factory=lambda: GAN)
    classifier: dict[str, Any] = field(default_factory=lambda: CLASSIFIER)

    def originals(self, folder: Path) -> dict[str, Path]:
        """Write the stores of original patches, unless they are there."""
        return write_phantoms(folder, {split: getattr(self, split) for split in stores.SPLITS})


SMALL = Scale(
    1_000, 500, 1_000, 2_000,
    GAN | {"options": {"latent_size": 100, "width": 16}, "epochs": 20, "batch_size": 16, "learning_rate": 0.0005},
    CLASSIFIER | {"options": {"width": 16, "hidden": [128, 64]}, "epochs": 10, "batch_size": 32, "learning_rate": 0.01},
)  # fmt: skip
TINY = Scale(
    80, 40, 40, 160,
    GAN | {"options": {"latent_size": 8, "width": 4}, "epochs": 3, "batch_size": 16},
    CLASSIFIER | {"options": {"width": 4, "hidden": [16, 8]}, "epochs": 2, "batch_size": 16},
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One run of the experiment; each of its steps does nothing if its result is there already.

    Attributes
    ----------
    folder
        Of what it makes.
    originals
        Stores by split.
    scale
        Sizes.
    seed
        Of the trainings.
    compute
        ``device``, ``precision`` and ``threads``, as `pathgen_smk.training.device.prepare` takes them.
    """

    folder: Path
    originals: dict[str, Path]
    scale: Scale
    seed: int
    compute: dict[str, Any]

    @property
    def synthetic(self) -> Path:
        """The synthetic store."""
        return self.folder / "synthetic.h5"

    def train_gan(self, label: str) -> None:
        """Train the GAN of a class, from its checkpoint if there is one."""
        outputs = self._outputs(
            f"gan-{label}", generator="safetensors", discriminator="safetensors", history="csv", samples="npz"
        )
        if not outputs["summary"].exists():
            train_gan.main(
                ALONE, store=self.originals["train"], outputs=outputs, label=label, amount=2 * self.scale.train,
                name="dcgan", seed=self.seed, gan=self.scale.gan, **self._usual(f"gan-{label}"),
            )  # fmt: skip

    def generate(self) -> None:
        """Draw the synthetic store."""
        if not self.synthetic.exists():
            weights = {label: self.folder / f"gan-{label}" / "generator.safetensors" for label in labels.NAMES}
            generate_patches.main(
                weights=weights, store=self.synthetic, originals=self.originals["train"], name="dcgan", seed=self.seed,
                split="train", amount=self.scale.synthetic, batch_size=self.scale.gan["batch_size"],
                compute=self.compute,
            )  # fmt: skip

    def train_classifier(self, arm: str) -> None:
        """Train the classifier of an arm, and predict the test patches with it."""
        outputs = self._outputs(f"classifier-{arm}", weights="safetensors", history="csv")
        original, synthetic = (self.originals["train"], 2 * self.scale.train), (self.synthetic, self.scale.synthetic)
        half = [(store, count // 4 * 2) for store, count in (original, synthetic)]  # whole pairs of classes
        if not outputs["summary"].exists():
            train_classifier.main(
                ALONE, train={"original": [original], "synthetic": [synthetic], "mixed": half}[arm],
                validate=[(self.originals["validate"], 2 * self.scale.validate)], outputs=outputs,
                run={"arm": arm, "classifier": "two_block_cnn", "seed": self.seed}, classifier=self.scale.classifier,
                **self._usual(f"classifier-{arm}"),
            )  # fmt: skip
        if not self._predictions(arm).exists():
            predict_patches.main(
                weights=outputs["weights"], store=self.originals["test"], predictions=self._predictions(arm),
                compute=self.compute,
            )  # fmt: skip

    def _usual(self, name: str) -> dict[str, Any]:
        return {
            "running": self.folder / name / "running",
            "events": self.folder / name / "events",
            "code": "",
            "compute": self.compute,
            "monitoring": {"checkpoint_minutes": 0.5, "tensorboard": False},
        }

    def _outputs(self, name: str, **endings: str) -> dict[str, Path]:
        return {key: self.folder / name / f"{key}.{ending}" for key, ending in (endings | {"summary": "json"}).items()}

    def _predictions(self, arm: str) -> Path:
        return self.folder / f"classifier-{arm}" / "predictions.csv"

    def run(self) -> None:
        """Take all steps, one after the other."""
        for label in labels.NAMES:
            self.train_gan(label)
        self.generate()
        for arm in ARMS:
            self.train_classifier(arm)

    def history(self, name: str) -> pd.DataFrame:
        """Return the history of a training: ``gan-<class>`` or ``classifier-<arm>``."""
        return pd.read_csv(self.folder / name / "history.csv")

    def metrics(self, arm: str) -> dict[str, float | int]:
        """Return an arm's row of Table 2."""
        return table2_row(pd.read_csv(self._predictions(arm)))

    def images(self, label: int) -> np.ndarray:
        """Return synthetic images of a class, see `images_of`."""
        return images_of(self.synthetic, label)


def images_of(store: Path, label: int) -> np.ndarray:
    """Return the first `COMPARED` images of a class, flat: (N, S * S * 3) float32."""
    rows = np.flatnonzero(stores.read_table(store)["label"] == label)[:COMPARED]
    return stores.read_images(store, rows).reshape(len(rows), -1).astype(np.float32)


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the squared Fréchet distance between the normal distributions with the moments of two samples (N, D).

    |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)), of Dowson and Landau (1982, J. Multivariate Anal. 12:450), as
    Heusel et al. (2017, arXiv 1706.08500) use it. The root's trace is the sum of the singular values of
    C1^(1/2) C2^(1/2).
    """
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    roots = np.linalg.svd(_root(first) @ _root(second), compute_uv=False)
    return float(np.square(one.mean(0) - other.mean(0)).sum() + np.trace(first + second) - 2 * roots.sum())


def _root(matrix: np.ndarray) -> np.ndarray:
    """Return the square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    return vectors * np.sqrt(values.clip(0)) @ vectors.T


def distances(runs: dict[str, Run], first: str) -> list[str]:
    """Return Markdown lines of Fréchet distances; `first` names the run that the others are compared with."""
    rows: dict[str, list[float]] = {}
    for label in range(len(labels.NAMES)):
        real = images_of(runs[first].originals["train"], label)
        components = min(COMPONENTS, len(real) // 2)
        space = PCA(components, svd_solver="randomized", random_state=0).fit(real)
        sets = {name: space.transform(run.images(label)) for name, run in runs.items()}
        sets |= {"originals": space.transform(real)}
        sets |= {"other originals": space.transform(images_of(runs[first].originals["test"], label))}
        pairs = [(name, first) for name in runs if name != first]
        pairs += [(name, "originals") for name in sets if name != "originals"]
        for one, other in pairs:
            distance = frechet_distance(sets[one], sets[other]) / sets["originals"].var(0).sum()
            rows.setdefault(f"{one} and {other}", []).append(distance)
    lines = [f"| Fréchet distance between | {' | '.join(labels.NAMES)} |", "| --- | ---: | ---: |"]
    lines += [f"| {name} | {' | '.join(f'{value:.4f}' for value in values)} |" for name, values in rows.items()]
    note = (
        f"Of up to {COMPARED:,} images each, in the space of the first {components} principal components of originals' "
        "pixels, as a share of the originals' variance there."
    )
    return [*lines, "", note, ""]


def losses(runs: dict[str, Run]) -> list[str]:
    """Return Markdown lines of losses: the means over the last tenth of the epochs."""
    columns = ("loss_discriminator", "loss_generator")
    head = [f"{label}, {role}" for label in labels.NAMES for role in ("D", "G")] + [f"classifier {arm}" for arm in ARMS]
    lines = [f"| losses | {' | '.join(head)} |", f"| --- | {'---: | ' * len(head)}".rstrip()]
    for name, run in runs.items():
        values = []
        for label in labels.NAMES:
            history = run.history(f"gan-{label}")
            values += history[list(columns)].tail(max(1, len(history) // 10)).mean().tolist()
        values += [run.history(f"classifier-{arm}")["train_loss"].iloc[-1] for arm in ARMS]
        lines.append(f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} |")
    return [*lines, ""]


def metrics(runs: dict[str, Run], first: str) -> list[str]:
    """Return Markdown lines of Table 2's metrics, and of their differences from the first run's."""
    head = [f"{arm} {metric}" for arm in ARMS for metric in METRICS]
    lines = [f"| test patches | {' | '.join(head)} |", f"| --- | {'---: | ' * len(head)}".rstrip()]
    found = {name: np.array([run.metrics(arm)[key] for arm in ARMS for key in METRICS]) for name, run in runs.items()}
    for name, values in found.items():
        lines.append(f"| {name} | {' | '.join(f'{value:.3f}' for value in values)} |")
    for name, values in found.items():
        if name != first:
            differences = values - found[first]
            lines.append(f"| {name}, less {first} | {' | '.join(f'{value:+.3f}' for value in differences)} |")
    return [*lines, ""]


def plan(folder: Path, scale: Scale, *, device: str, threads: int) -> dict[str, Run]:
    """Return the runs by name; the first one is what the others are compared with."""
    originals = scale.originals(folder)
    wanted = {"fp32": ("fp32", 1), "fp32, another seed": ("fp32", 2), "bf16": ("bf16", 1)}
    if device != "cpu":
        wanted["fp16"] = ("fp16", 1)
    return {
        name: Run(
            folder / f"{precision}-{seed}", originals, scale, seed,
            {"device": device, "precision": precision, "threads": threads},
        )
        for name, (precision, seed) in wanted.items()
    }  # fmt: skip


def report(runs: dict[str, Run]) -> list[str]:
    """Return Markdown lines of all that was found."""
    first = next(iter(runs))
    scale = runs[first].scale
    head = (
        f"DCGAN width {scale.gan['options']['width']}, {scale.gan['epochs']} epochs of {scale.train:,} phantom patches "
        f"a class, batch {scale.gan['batch_size']}; classifier width {scale.classifier['options']['width']}, "
        f"{2 * scale.train:,} patches; {2 * scale.test:,} test patches; torch {torch.__version__}."
    )
    return [head, "", *losses(runs), *distances(runs, first), *metrics(runs, first)]


def main(arguments: list[str]) -> None:
    """Train all, compare and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores; tiny: 1)")
    parser.add_argument("--folder", type=Path, help="where results stay (default: nowhere)")
    parser.add_argument("--tiny", action="store_true", help="toy sizes: whether it works, in a minute")
    parser.add_argument("--train", type=int, help="original patches of a class")
    parser.add_argument("--epochs", type=int, help="of the GANs (default on a GPU: 100, on a CPU: 20)")
    parser.add_argument("--width", type=int, help="of the GANs (default on a GPU: the paper's 64, on a CPU: 16)")
    parser.add_argument("--json", type=Path, help="write the lines to a file as well")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if chosen.device == "auto":
        chosen.device = "cuda" if torch.cuda.is_available() else "cpu"
    scale = scale_for(chosen.device, tiny=chosen.tiny, train=chosen.train, epochs=chosen.epochs, width=chosen.width)
    with tempfile.TemporaryDirectory() as folder:
        threads = chosen.threads or (1 if chosen.tiny else os.cpu_count() or 1)
        runs = plan(chosen.folder or Path(folder), scale, device=chosen.device, threads=threads)
        for run in runs.values():
            run.run()
        lines = report(runs)
    print("\n".join(lines))
    if chosen.json:
        files.write_json(chosen.json, {"markdown": lines})


def scale_for(
    device: str, *, tiny: bool, train: int | None = None, epochs: int | None = None, width: int | None = None
) -> Scale:
    """Return the sizes for a device: small networks on a CPU; the paper's on a GPU, with a quarter of the epochs."""
    scale = TINY if tiny else SMALL if device == "cpu" else Scale(gan=GAN | {"epochs": 100})
    gan = scale.gan | {"options": scale.gan["options"] | ({"width": width} if width else {})}
    gan |= {"epochs": epochs} if epochs else {}
    synthetic = scale.synthetic if train is None else 2 * train
    return Scale(train or scale.train, scale.validate, scale.test, synthetic, gan, scale.classifier)


if __name__ == "__main__":
    main(sys.argv[1:])
