"""What several fidelity metrics share: the check of their features, and distances in blocks."""

from collections.abc import Iterator

import numpy as np
import torch

from pathgen_smk.errors import InputError

NAMES = ("training originals", "synthetic patches", "held-out originals")
# Elements of a block of distances: 16 MiB in float64, of which a few are alive at a time. Larger ones miss the cache.
BLOCK_ELEMENTS = 2**21
# A squared distance below this share of the squared norm is rounding of the product that it is computed from.
ROUNDING = 1e-13


def checked(
    real: np.ndarray, synthetic: np.ndarray, held_out: np.ndarray, *, least: int = 2
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the three sets of features as float64.

    Parameters
    ----------
    real, synthetic, held_out
        (N, D) each, N may differ.
    least
        The fewest rows that a set may have.

    Raises
    ------
    InputError
        If a set has too few rows, another D than the first, or values that are not finite.
    """
    found: list[np.ndarray] = []
    for name, given in zip(NAMES, (real, synthetic, held_out), strict=True):
        features = np.asarray(given, np.float64)
        if features.ndim != 2 or not features.shape[1]:
            raise InputError(f"features of the {name}: their shape is {features.shape}, not (patches, features)")
        if len(features) < least:
            raise InputError(f"features of the {name}: there are {len(features)} patches, at least {least} are needed")
        if found and features.shape[1] != found[0].shape[1]:
            widths = f"{features.shape[1]} features a patch, those of the {NAMES[0]} {found[0].shape[1]}"
            raise InputError(f"features of the {name}: they have {widths}; take one encoder for all")
        if len(odd := np.flatnonzero(~np.isfinite(features).all(axis=1))):
            raise InputError(f"features of the {name}: {len(odd)} patches have NaN or infinity, the first is {odd[0]}")
        found.append(features)
    return found[0], found[1], found[2]


def blocks(count: int, width: int) -> Iterator[slice]:
    """Yield slices that cover `count` rows, each of so few that a block of rows by `width` columns is small."""
    step = max(1, BLOCK_ELEMENTS // width)
    for start in range(0, count, step):
        yield slice(start, min(start + step, count))


def squared_distances(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Return the squared Euclidean distances (N, M) of rows (N, D) and (M, D), float64; equal rows have exactly 0."""
    norms = first.square().sum(1, keepdim=True)
    found = torch.addmm(second.square().sum(1), first, second.T, alpha=-2).add_(norms)
    return found.masked_fill_(found < ROUNDING * norms, 0)
