"""The experiment as a list of runs: each arm with each generator, classifier and seed that it applies to."""

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import product
from typing import Any

from pathgen_smk.stores import SPLITS

# The arm whose training originals the GANs are trained on.
ORIGINAL_ARM = "original"
NO_GENERATOR = "none"
# The paper's arms stand first, in its order; config files that are laid upon each other do not keep the order of keys.
PAPER_ARMS = (ORIGINAL_ARM, "mixed", "synthetic")
# The experiment that writes to results/ itself.
DEFAULT = "default"
# What a run reads of a kind: the store's path, and how many of its first patches.
Part = tuple[str, int]


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

    # Its place below classifiers/ and predictions/, as a pattern of its fields.
    PATTERN = "{arm}/{generator}-{amount}/{classifier}/seed{seed}"
    # The same as one name; no part of it has a plus.
    FLAT_PATTERN = PATTERN.replace("/", "+")

    @property
    def path(self) -> str:
        """Its place below ``classifiers/`` and ``predictions/``."""
        return self.PATTERN.format(**asdict(self))

    def plain(self) -> dict[str, Any]:
        """Return its fields as a plain dictionary."""
        return asdict(self)


def results_of(config: dict[str, Any]) -> str:
    """Return the folder that a config's experiment writes to."""
    return "results" if config["experiment"] == DEFAULT else f"results/{config['experiment']}"


class Experiment:
    """What a checked config asks for: its runs, and the files that they read.

    Parameters
    ----------
    config
        The whole config.
    results
        The folder that it writes to; by default that of `results_of`.
    """

    def __init__(self, config: dict[str, Any], results: str | None = None) -> None:
        self.config = config
        self.results = results or results_of(config)

    @cached_property
    def runs(self) -> list[Run]:
        """All runs: the paper's arms first, then the config's others in alphabetical order."""
        runs = []
        arms = self.config["arms"]
        for arm in [*(arm for arm in PAPER_ARMS if arm in arms), *sorted(arms.keys() - set(PAPER_ARMS))]:
            parts = arms[arm]
            generators = list(self.config["generators"]) if any(parts["synthetic"].values()) else [NO_GENERATOR]
            for generator, classifier, seed in product(generators, self.config["classifiers"], self.config["seeds"]):
                runs.append(Run(arm, generator, parts["synthetic"]["train"], classifier, seed))
        return runs

    @property
    def generators(self) -> list[str]:
        """Names of the generators that any run uses."""
        return sorted({run.generator for run in self.runs} - {NO_GENERATOR})

    @property
    def draw_sizes(self) -> dict[str, int]:
        """How many originals are drawn for each split: as many as the hungriest arm needs."""
        arms = self.config["arms"].values()
        sizes = {split: max(parts["original"][split] for parts in arms) for split in ("train", "validate")}
        return sizes | {"test": self.config["draw"]["test"]}

    @property
    def gan_amount(self) -> int:
        """How many originals, of both classes, the GANs are trained on."""
        return self.config["arms"][ORIGINAL_ARM]["original"]["train"]

    def gan_images(self, generator: str) -> int:
        """Return how many images the training of one class's GAN goes through."""
        return self.config["generators"][generator]["epochs"] * self.gan_amount // 2

    def classifier_images(self, run: Run) -> int:
        """Return how many images the training of a run goes through, at most; validation is not counted."""
        epochs = self.config["classifiers"][run.classifier]["epochs"]
        return epochs * sum(count for _, count in self.parts(run, "train").values())

    def original_store(self, split: str) -> str:
        """Return the store of a split's originals."""
        return f"{self.results}/stores/original/{split}.h5"

    def run_of(self, wildcards: Any) -> Run:
        """Return the run that wildcards (a mapping of its fields to text) name."""
        path = Run.PATTERN.format(**wildcards)
        return next(run for run in self.runs if run.path == path)

    def parts(self, run: Run, split: str) -> dict[str, Part]:
        """Return what a run reads for train or validate, by kind (original, synthetic); no kind it takes nothing of."""
        arm = self.config["arms"][run.arm]
        amount = arm["synthetic"][split]
        synthetic = f"{self.results}/stores/synthetic/{run.generator}/seed{run.seed}/{split}-{amount}.h5"
        parts = {"original": (self.original_store(split), arm["original"][split]), "synthetic": (synthetic, amount)}
        return {kind: part for kind, part in parts.items() if part[1]}

    @property
    def stores(self) -> list[str]:
        """All stores that any run reads."""
        read = {
            path for run in self.runs for split in ("train", "validate") for path, _ in self.parts(run, split).values()
        }
        return sorted(read | {self.original_store(split) for split in SPLITS})

    @property
    def figure_store(self) -> str | None:
        """The largest synthetic training store of the first seed, for the figures; None if no arm has one."""
        runs = [run for run in self.runs if run.seed == self.config["seeds"][0]]
        parts = [part for run in runs for kind, part in self.parts(run, "train").items() if kind == "synthetic"]
        return max(parts, key=lambda part: part[1])[0] if parts else None

    @property
    def audited(self) -> bool:
        """Whether there is an audit: where patches are split, not slides, no originals are of other slides."""
        return bool(self.generators) and self.config["split"]["by"] != "patch"

    def release(self, generator: str) -> Part:
        """Return the largest synthetic training store of a generator's first seed, and how many patches it has."""
        seed = self.config["seeds"][0]
        runs = [run for run in self.runs if (run.generator, run.seed) == (generator, seed)]
        return max((self.parts(run, "train").get("synthetic", ("", 0)) for run in runs), key=lambda part: part[1])

    def table1_arms(self) -> list[dict[str, Any]]:
        """Return what each arm takes, once for each generator: it does not depend on classifier or seed."""
        arms: dict[str, dict[str, Any]] = {}
        for run in self.runs:
            alone = len(self.generators) < 2 or run.generator == NO_GENERATOR
            row: dict[str, Any] = {"arm": run.arm if alone else f"{run.arm} ({run.generator})"}
            for split in ("train", "validate"):
                parts = self.parts(run, split)
                store, synthetic = parts.get("synthetic", ("", 0))
                row[split] = {"original": parts.get("original", ("", 0))[1], "store": store, "synthetic": synthetic}
            arms.setdefault(row["arm"], row)
        return list(arms.values())

    def table2_rows(self) -> list[dict[str, Any]]:
        """Return each run's fields, and the store and count of its training patches of either kind."""
        rows = []
        for run in self.runs:
            parts = {"original": ("", 0), "synthetic": ("", 0)} | self.parts(run, "train")
            rows.append(run.plain() | {kind: {"store": path, "count": count} for kind, (path, count) in parts.items()})
        return rows

    def provenance_rows(self) -> list[dict[str, Any]]:
        """Return each run's fields and the stores behind it, by role."""
        rows = []
        for run in self.runs:
            stores = {"test original": self.original_store("test")}
            for split in ("train", "validate"):
                stores |= {f"{split} {kind}": path for kind, (path, _) in self.parts(run, split).items()}
            rows.append(run.plain() | {"stores": stores})
        return rows
