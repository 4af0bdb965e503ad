"""Which patients, and which of their patches, the reference ("shadow") generators of an audit are trained on."""

from collections.abc import Set

import numpy as np
import pandas as pd

from pathgen_smk import labels
from pathgen_smk.errors import InputError
from pathgen_smk.sampling import stand_in
from pathgen_smk.seeding import rng

FEWEST_PATIENTS = 4
# So many divisions are drawn, and the most even one is taken: still random, but both halves can be trained on.
DIVISIONS = 256


def halves(patients: np.ndarray, count: int, seed: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Divide the patients into random halves, one a shadow generator.

    Shadows 2j and 2j + 1 take complementary halves, so that each patient is inside exactly half of all: what the
    likelihood-ratio attack needs. The halves differ by at most one patient. The order of `patients` does not matter.

    Parameters
    ----------
    patients
        (P,) distinct names.
    count
        Number K of shadow generators, even.
    seed
        Of the experiment. A pair's halves depend on its number, not on `count`.
    weights
        (P, 2): number of patches of each patient and class. Of 256 random divisions the pair takes the one in which the
        shares of the classes are closest to half.

    Returns
    -------
    (K, P) bool: which patients are inside.

    Raises
    ------
    InputError
        If there are fewer than 4 patients, a name occurs twice, `count` is odd or not positive, the weights do not fit,
        or a class has patches of fewer than 2 patients.
    """
    _check(patients, count, weights)
    order = np.argsort(patients, kind="stable")
    shares = np.zeros((len(patients), 0))
    if weights is not None:
        shares = weights[order] / weights.sum(axis=0)
    inside = np.empty((count, len(patients)), bool)
    for pair in range(count // 2):
        inside[2 * pair, order] = _half(shares, rng(seed, "shadow", pair))
        inside[2 * pair + 1] = ~inside[2 * pair]
    return inside


def _half(shares: np.ndarray, gen: np.random.Generator) -> np.ndarray:
    """Return a random half (P,) bool, evened out by the patients' `shares` (P, C) of each class."""
    size = len(shares) // 2 + (gen.integers(2) if len(shares) % 2 else 0)
    tries = DIVISIONS if shares.shape[1] else 1
    drawn = gen.permuted(np.tile(np.arange(len(shares)) < size, (tries, 1)), axis=1)
    uneven = np.abs(drawn @ shares - 0.5).max(axis=1, initial=0)
    return drawn[np.argmin(uneven)]


def _check(patients: np.ndarray, count: int, weights: np.ndarray | None) -> None:
    if len(patients) < FEWEST_PATIENTS:
        raise InputError(f"shadow generators need at least {FEWEST_PATIENTS} patients, there are {len(patients)}")
    if len(np.unique(patients)) < len(patients):
        raise InputError("a patient occurs twice among those to divide for the shadow generators")
    if count < 2 or count % 2:
        raise InputError(
            f"the number of shadow generators must be even and at least 2, for halves in pairs; not {count}"
        )
    if weights is None:
        return
    if weights.shape != (len(patients), len(labels.NAMES)) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise InputError("the weights of the shadow generators' patients must be counts, one a patient and class")
    for name, column in zip(labels.NAMES, weights.T, strict=True):
        if (held := int(np.count_nonzero(column))) < 2:
            raise InputError(f"only {held} patient has {name} patches, and each half needs one that has")


def draw_half(table: pd.DataFrame, inside: Set[str], amount: int) -> np.ndarray:
    """Choose the training patches of a shadow generator from a store of original patches.

    Parameters
    ----------
    table
        The store's rows, in their order: label and patient_id.
    inside
        The patients of its half.
    amount
        Number of patches to take at most, both classes together; even.

    Returns
    -------
    Row numbers: of each class the first of these patients' rows, equally many, and classes in turn, as in stores.

    Raises
    ------
    InputError
        If these patients have no patch of a class, or the amount is odd or not positive.
    """
    if amount < len(labels.NAMES) or amount % len(labels.NAMES):
        raise InputError(f"a shadow generator's training set must be even and not empty, not {amount} patches")
    rows = np.flatnonzero(table["patient_id"].isin(inside))
    label = table["label"].to_numpy()[rows]
    for value, name in enumerate(labels.NAMES):
        if not (label == value).any():
            raise InputError(f"the {len(inside)} patients of a shadow generator's half have no {name} patch")
    return rows[stand_in(pd.DataFrame({"label": label, "rank": np.arange(len(rows))}), amount)]
