"""Frechet distance of two Gaussians fitted to features (Heusel et al. 2017, arXiv 1706.08500)."""

import numpy as np

from pathgen_smk.evaluation.fidelity._common import checked


def measure(
    real: np.ndarray, synthetic: np.ndarray, held_out: np.ndarray, *, gen: np.random.Generator
) -> dict[str, float]:
    """Return ``fd``, the squared Frechet (2-Wasserstein) distance of training originals and synthetic patches.

    It is |m1 - m2|^2 + tr(S1) + tr(S2) - 2 tr((S1 S2)^(1/2)), with means m and unbiased covariances S, the convention
    of torch-fidelity. On features of another network than Inception it is no FID; name it by its encoder. It is biased
    upwards for small sets: compare only distances of sets of equal sizes.

    A set of identical patches has covariance 0, and the formula holds: nothing special is done.

    Parameters
    ----------
    real, synthetic, held_out
        Features (N, D) of training originals, synthetic patches and held-out originals; the last are not used.
    gen
        Not used.

    Raises
    ------
    InputError
        If the features are too few, of unequal D or not finite.
    """
    real, synthetic, _ = checked(real, synthetic, held_out)
    shift = real.mean(0) - synthetic.mean(0)
    first, second = _factor(real), _factor(synthetic)
    # With S = R^T R, the eigenvalues of S1 S2 are the squared singular values of R1 R2^T. Unlike roots of computed
    # eigenvalues these are exact to rounding also where there are fewer patches than features and most are 0.
    root_trace = np.linalg.svd(first @ second.T, compute_uv=False).sum()
    found = shift @ shift + np.square(first).sum() + np.square(second).sum() - 2 * root_trace
    return {"fd": max(0.0, float(found))}  # rounding alone makes it negative


def _factor(features: np.ndarray) -> np.ndarray:
    """Return R (at most D, D) with R^T R the unbiased covariance of features (N, D)."""
    triangle = np.asarray(np.linalg.qr(features - features.mean(0), mode="r"))
    return triangle / np.sqrt(len(features) - 1)
