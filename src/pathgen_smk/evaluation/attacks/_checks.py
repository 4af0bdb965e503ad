"""What the attacks demand of their input."""

import numpy as np

from pathgen_smk.errors import InputError


def checked(target: np.ndarray, shadows: np.ndarray, inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return target (N,) and shadows (N, K) as float64.

    Raises
    ------
    InputError
        If the three do not fit together, are empty, or hold what is not a finite number.
    """
    if target.ndim != 1 or shadows.ndim != 2 or inside.shape != shadows.shape or len(shadows) != len(target):
        shapes = f"{target.shape}, {shadows.shape} and {inside.shape}"
        raise InputError(f"target, shadows and inside must be (N,), (N, K) and (N, K), not {shapes}")
    if len(target) == 0:
        raise InputError("there is no patch to attack")
    if inside.dtype != np.bool_:
        raise InputError(f"inside must be bool, not {inside.dtype}")
    for name, values in (("target", target), ("shadows", shadows)):
        if bad := int(np.count_nonzero(~np.isfinite(values))):
            raise InputError(f"{bad:,} of {values.size:,} scores in {name} are not finite numbers")
    return target.astype(np.float64), shadows.astype(np.float64)


def check_references(attack: str, shadows: np.ndarray) -> None:
    """Raise an InputError if there are no reference generators."""
    if shadows.shape[1] == 0:
        raise InputError(f"{attack}: it needs reference generators, and there are none; train some, or use nearest")


def check_outside(attack: str, inside: np.ndarray) -> None:
    """Raise an InputError if any patch has no reference that was trained without it."""
    if missing := int(np.count_nonzero(inside.all(axis=1))):
        raise InputError(
            f"{attack}: {missing:,} of {len(inside):,} patches are in the training sets of all references; each needs "
            "one that was trained without it"
        )


def has_inside(attack: str, inside: np.ndarray) -> bool:
    """Return whether each patch has a reference that was trained with it; False if none has (the offline attack).

    Raises
    ------
    InputError
        If some have one and others have not: their scores would not be comparable.
    """
    missing = int(np.count_nonzero(~inside.any(axis=1)))
    if 0 < missing < len(inside):
        raise InputError(
            f"{attack}: {missing:,} of {len(inside):,} patches are in no reference's training set, the others are in "
            "some; either all or none must be"
        )
    return missing == 0


def side_means(shadows: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Return the mean of each patch's scores (N, K) over its references in `side` (N, K) bool; none may be without."""
    return np.mean(shadows, axis=1, where=side)
