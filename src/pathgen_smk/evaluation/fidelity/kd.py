"""Kernel distance of features, the unbiased squared maximum mean discrepancy (Binkowski et al. 2018, 1801.01401)."""

import numpy as np

from pathgen_smk.evaluation.fidelity._common import checked

SUBSETS, SUBSET_SIZE = 100, 1000


def measure(
    real: np.ndarray, synthetic: np.ndarray, held_out: np.ndarray, *, gen: np.random.Generator
) -> dict[str, float]:
    """Return ``kd``, the kernel distance of training originals and synthetic patches.

    The mean over 100 pairs of random subsets of 1,000 patches each (of the smaller set's size where that is less) of
    the unbiased estimate with the kernel (x.y / D + 1)^3, as torch-fidelity's KID. Being unbiased, it may be slightly
    negative. On features of another network than Inception it is no KID; name it by its encoder.

    Sets of identical patches have a constant kernel each, and the formula holds: nothing special is done.

    Parameters
    ----------
    real, synthetic, held_out
        Features (N, D) of training originals, synthetic patches and held-out originals; the last are not used.
    gen
        Draws the subsets.

    Raises
    ------
    InputError
        If the features are too few, of unequal D or not finite.
    """
    real, synthetic, _ = checked(real, synthetic, held_out)
    size = min(SUBSET_SIZE, len(real), len(synthetic))
    subsets = 1 if size == len(real) == len(synthetic) else SUBSETS  # all would be the same
    found = [
        _discrepancy(
            real[gen.choice(len(real), size, replace=False)],
            synthetic[gen.choice(len(synthetic), size, replace=False)],
        )
        for _ in range(subsets)
    ]
    return {"kd": float(np.mean(found))}


def _discrepancy(first: np.ndarray, second: np.ndarray) -> float:
    """Return the unbiased squared maximum mean discrepancy of two sets (M, D)."""
    within = sum(_off_diagonal_mean(_kernel(features, features)) for features in (first, second))
    return within - 2 * float(_kernel(first, second).mean())


def _kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    base = first @ second.T / first.shape[1] + 1
    return base * base * base


def _off_diagonal_mean(kernel: np.ndarray) -> float:
    return float((kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)))
