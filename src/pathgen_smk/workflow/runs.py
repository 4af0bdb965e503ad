"""The experiment as a list of runs: each arm with each generator, classifier and seed that it applies to."""

from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

# The arm whose training originals the GANs are trained on.
ORIGINAL_ARM = "original"
NO_GENERATOR = "none"


@dataclass(frozen=True)
class Run:
    """One training of one classifier.

    Attributes
    ----------
    arm
        Its arm's name.
    generator
        Name of the generator that its synthetic patches come from, or ``none``.
    amount
        Number of synthetic patches asked for, for training.
    classifier
        Name of the classifier.
    seed
        Of the repetition.
    """

    arm: str
    generator: str
    amount: int
    classifier: str
    seed: int

    @property
    def path(self) -> str:
        """Its place below ``classifiers/`` and ``predictions/``."""
        return f"{self.arm}/{self.generator}-{self.amount}/{self.classifier}/seed{self.seed}"

    def plain(self) -> dict[str, str | int]:
        """Return its fields as a plain dictionary."""
        return asdict(self)


def list_runs(config: dict[str, Any]) -> list[Run]:
    """Return all runs of an experiment, in the order of the arms in the config."""
    runs = []
    for arm, parts in config["arms"].items():
        uses_synthetic = any(parts["synthetic"].values())
        generators = list(config["generators"]) if uses_synthetic else [NO_GENERATOR]
        for generator, classifier, seed in product(generators, config["classifiers"], config["seeds"]):
            runs.append(Run(arm, generator, parts["synthetic"]["train"], classifier, seed))
    return runs


def draw_sizes(config: dict[str, Any]) -> dict[str, int]:
    """Return how many originals are drawn for each split: as many as the hungriest arm needs."""
    arms = config["arms"].values()
    sizes = {split: max(parts["original"][split] for parts in arms) for split in ("train", "validate")}
    return sizes | {"test": config["draw"]["test"]}
