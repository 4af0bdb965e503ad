"""What an audit compares: the sets of one class, after checks that they may be compared at all."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from pathgen_smk import stores
from pathgen_smk.errors import InputError
from pathgen_smk.evaluation.nearest import Rows

# Names of the sets, beside those of perturbations.
TRAINING, HELD_OUT, SYNTHETIC = "training", "held-out", "synthetic"
# Names of controls, likewise: held-out slides in the place of synthetic patches, and a generator of copies.
POSING, COPYCAT = "held-out posing", "copycat"


@dataclass(frozen=True)
class AuditSet:
    """Patches of one class.

    Attributes
    ----------
    patches
        Their images.
    slides, patients
        (N,) where they come from; empty for patches that come from nobody.
    """

    patches: stores.StoredPatches
    slides: np.ndarray = field(default_factory=lambda: np.empty(0, str))
    patients: np.ndarray = field(default_factory=lambda: np.empty(0, str))

    @property
    def rows(self) -> Rows:
        """The images, as they are compared."""
        return Rows(len(self.patches.labels), self.patches.read)


def read_sets(
    *, train: Path, amount: int, control: list[Path], synthetic: Path, copies: dict[str, Path], label: int
) -> dict[str, AuditSet]:
    """Return the sets of a class, by name.

    Parameters
    ----------
    train
        The store of training originals, of whose first `amount` the generators were trained.
    control
        Stores of held-out originals.
    synthetic
        The store that is to be released.
    copies
        Stores of planted copies, by perturbation.
    label
        Of the class.

    Raises
    ------
    InputError
        If the control shares a slide or patient with the training originals, the synthetic store says whom it is from,
        or the stores differ in scale, or lack the class.
    """
    sets = {
        TRAINING: _originals([train], label, amount),
        HELD_OUT: _originals(control, label),
        SYNTHETIC: AuditSet(patches_of([synthetic], label)),
    } | {name: AuditSet(patches_of([path], label)) for name, path in copies.items()}
    check_disjoint(sets[TRAINING], sets[HELD_OUT])
    _check_synthetic(synthetic)
    _check_scale([train, *control, synthetic, *copies.values()])
    return sets


def check_disjoint(training: AuditSet, control: AuditSet) -> None:
    """Raise an InputError if two sets share a slide or a patient: such a control hides that these were memorised."""
    for what, first, second in (
        ("slide", training.slides, control.slides),
        ("patient", training.patients, control.patients),
    ):
        if "" in {*first, *second}:
            raise InputError(
                f"the audit's originals have patches of no {what}: it cannot say whether the control is of others"
            )
        shared = sorted(set(first) & set(second))
        if shared:
            raise InputError(
                f"the audit's control shares {len(shared)} {what}(s) with the training originals, for example "
                f"{shared[0]}: it would hide that a generator has memorised them; set split.by to patient or slide"
            )


def patches_of(paths: list[Path], label: int, amount: int | None = None) -> stores.StoredPatches:
    """Return the patches of a class in stores, of the first `amount` of each; None: of all."""
    return stores.StoredPatches([(path, amount or len(stores.read_table(path))) for path in paths], label=label)


def _originals(paths: list[Path], label: int, amount: int | None = None) -> AuditSet:
    tables = []
    for path in paths:
        table = stores.read_table(path)
        if not {"slide_id", "patient_id"} <= set(table.columns):
            raise InputError(f"store {path}: it does not say which slides its patches are of, thus has no originals")
        tables.append(table.iloc[:amount])
    table = pd.concat(tables)
    table = table[table["label"] == label]
    patches = patches_of(paths, label, amount)
    return AuditSet(patches, table["slide_id"].to_numpy(str), table["patient_id"].to_numpy(str))


def _check_synthetic(path: Path) -> None:
    if named := [name for name in ("slide_id", "patient_id") if name in stores.read_table(path)]:
        raise InputError(f"store {path}: it has '{named[0]}': a synthetic store must not say whose patches it holds")


def _check_scale(paths: list[Path]) -> None:
    known = {path: stores.read_attributes(path) for path in paths}
    first = paths[0]
    for path, found in known.items():
        for name in ("patch_size", "um_per_px"):
            ours, theirs = getattr(known[first], name), getattr(found, name)
            if not (np.isclose(ours, theirs) or (np.isnan(ours) and np.isnan(theirs))):
                raise InputError(f"stores {first} and {path} cannot be compared: {name} is {ours:g} and {theirs:g}")
