"""Precision and recall (Kynkaanniemi et al. 2019, 1904.06991), density and coverage (Naeem et al. 2020, 2002.09797)."""

import numpy as np
import torch

from pathgen_smk.evaluation.fidelity._common import blocks, checked, squared_distances

NEAREST_K = 5


def measure(
    real: np.ndarray, synthetic: np.ndarray, held_out: np.ndarray, *, gen: np.random.Generator
) -> dict[str, float]:
    """Return ``precision``, ``recall``, ``density`` and ``coverage`` of synthetic patches against training originals.

    The ball of a patch reaches to its 5th nearest neighbour in its own set. Precision: the share of synthetic patches
    in the ball of any original. Recall: the share of originals in the ball of any synthetic patch. Density: in how many
    balls of originals a synthetic patch lies on average, divided by 5; it may exceed 1. Coverage: the share of
    originals whose ball holds a synthetic patch. The numbers are those of the prdc package.

    A patch on the edge of a ball is outside it, as in that package. A patch with 5 identical ones in its set hence has
    an empty ball: if all originals are identical, precision, density and coverage are 0, and if all synthetic ones are,
    recall is 0. None reacts to copies of originals, which raise all four.

    Parameters
    ----------
    real, synthetic, held_out
        Features (N, D) of training originals, synthetic patches and held-out originals; the last are not used.
    gen
        Not used.

    Raises
    ------
    InputError
        If the features are too few (6 are needed), of unequal D or not finite.
    """
    real, synthetic, _ = checked(real, synthetic, held_out, least=NEAREST_K + 1)
    centre = real.mean(0)  # distances stay, and lose less to rounding
    originals, generated = torch.from_numpy(real - centre), torch.from_numpy(synthetic - centre)
    original_radii, generated_radii = _radii(originals), _radii(generated)
    in_any = torch.zeros(len(generated), dtype=torch.bool)
    balls = recalled = covered = 0
    for rows in blocks(len(originals), len(generated)):
        distances = _distances(originals[rows], generated)
        inside = distances < original_radii[rows, None]
        in_any |= inside.any(0)
        balls += int(inside.sum())
        covered += int(inside.any(1).sum())
        recalled += int((distances < generated_radii).any(1).sum())
    return {
        "precision": float(in_any.double().mean()),
        "recall": recalled / len(originals),
        "density": balls / (NEAREST_K * len(generated)),
        "coverage": covered / len(originals),
    }


def _distances(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return distances (N, M) in float32, as the prdc package: what is equal but for rounding is equal."""
    return squared_distances(first, second).float().sqrt_()


def _radii(features: torch.Tensor) -> torch.Tensor:
    """Return the distance (N,) of each row to its 5th nearest other one."""
    found = torch.empty(len(features))
    for rows in blocks(len(features), len(features)):
        # The nearest is the row itself.
        found[rows] = _distances(features[rows], features).kthvalue(NEAREST_K + 1, dim=1).values
    return found
