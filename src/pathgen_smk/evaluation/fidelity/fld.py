"""Feature likelihood divergence and its generalisation gap (Jiralerspong et al. 2023, arXiv 2302.04440)."""

import math
from collections.abc import Iterator

import numpy as np
import torch

from pathgen_smk.evaluation.fidelity._common import blocks, checked, squared_distances

# All of the authors' code, whose results these choices are part of.
MOST_CENTRES, BATCH = 10_000, 10_000
# Of its bootstrap: a fit takes minutes at full size.
MOST_REPLICATES = 10
EPOCHS, LEARNING_RATE = 50, 0.5
ORIGIN_SHRINKAGE = 0.9**2
START_OFFSET = 1e-3
LOG_VARIANCES = (-40.0, 20.0)
SCALE = 100
# Distances are kept from step to step if they take no more, else computed anew: 50,000 patches and 10,000 centres.
KEPT_BYTES = 2**31
# Divided by the least variance it is still a float32.
FARTHEST = 1e20


def measure(
    real: np.ndarray, synthetic: np.ndarray, held_out: np.ndarray, *, gen: np.random.Generator
) -> dict[str, float]:
    """Return ``fld`` and ``fld_gap``.

    A mixture of isotropic Gaussians of equal weight is centred on the synthetic features (10,000 at most); the variance
    of each is fitted to the training features by maximum likelihood. With nll the mean negative log likelihood divided
    by D, in nats:

    - ``fld`` = 100 (nll(held out) - baseline): lower is better, about 0 is a sample as good as originals. The baseline
      is nll(held out) of a mixture centred on a random half of the training features and fitted to the other half.
    - ``fld_gap`` = 100 (nll(training) - nll(held out)), the authors' sign: **the more negative, the more the generator
      memorises**. A copycat is below -1000, where the size says nothing any more. Held-out originals are of other
      slides: their difference makes the gap of an honest generator negative too; compare it with that of originals of
      further slides that pose as synthetic.

    As the variances are fitted, a generator that only gives the mean of one round cloud loses nothing: read it beside
    recall and coverage.

    The definitions follow the authors' code (github.com/marcojira/fld, of 2023), not verified against the paper's text.
    Two differences: features are standardised by the mean and standard deviation of the training originals, where that
    code takes those of the test set, so that the scale does not depend on which slides are held out; and the
    distances are computed in float64, where copies are nearer than in float32, and their gap is larger.

    A feature that is constant in the training originals is centred, not scaled. Identical patches give finite numbers,
    as variances are bounded to exp(-40) to exp(20).

    Parameters
    ----------
    real, synthetic, held_out
        Features (N, D) of training originals, synthetic patches and held-out originals.
    gen
        Draws the centres, the halves and the order of the fit.

    Raises
    ------
    InputError
        If the features are too few, of unequal D or not finite.
    """
    train, centres, test = _standardised(*checked(real, synthetic, held_out))
    centres = centres[gen.permutation(len(centres))[:MOST_CENTRES]]
    log_variances = _fit(centres, train, gen)
    train_nll, test_nll = (_nll(points, centres, log_variances) for points in (train, test))
    halved = train[gen.permutation(len(train))]
    half = min(len(centres), len(train) // 2)
    baseline = _nll(test, halved[:half], _fit(halved[:half], halved[half:], gen))
    return {"fld": SCALE * (test_nll - baseline), "fld_gap": SCALE * (train_nll - test_nll)}


def _standardised(*sets: np.ndarray) -> list[torch.Tensor]:
    """Return sets of features as tensors, standardised by the first."""
    mean, deviation = sets[0].mean(0), sets[0].std(0, ddof=1)
    # What differs by rounding alone is constant.
    scale = np.where(deviation > 1e-12 * np.abs(mean), deviation, 1.0)
    return [torch.from_numpy((features - mean) / scale) for features in sets]


class _Distances:
    """Squared distances of points (N, D) from centres (M, D) and from a fit's origin, in blocks (B, M + 1)."""

    def __init__(self, points: torch.Tensor, origin: torch.Tensor, centres: torch.Tensor, keep: bool) -> None:
        self.count, self.size = points.shape
        self._points, self._centres = points, centres
        self._from_origin = ORIGIN_SHRINKAGE * (points - origin).square().sum(1, keepdim=True)
        self._kept = list(self._made()) if keep else None

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(self._made() if self._kept is None else self._kept)

    def _made(self) -> Iterator[torch.Tensor]:
        for rows in blocks(self.count, len(self._centres)):
            found = squared_distances(self._points[rows], self._centres)
            # Rounded only now, so that small distances are as exact as large ones.
            yield torch.cat([found, self._from_origin[rows]], 1).clamp_(max=FARTHEST).float()


def _fit(centres: torch.Tensor, points: torch.Tensor, gen: np.random.Generator) -> torch.Tensor:
    """Return the log variance of each centre (M,) that makes points (N, D) likeliest.

    While it is fitted, the mixture has one more component, at the points' mean and with their distances from it
    shrunk, without which a point far from all centres would rule the fit.
    """
    keep = len(points) * len(centres) * torch.float32.itemsize <= KEPT_BYTES
    shuffled, origin = points[gen.permutation(len(points))], points.mean(0)
    batches = [_Distances(batch, origin, centres, keep) for batch in shuffled.split(BATCH)]
    nearest = torch.stack([block.amin(0) for batch in batches for block in batch]).amin(0).double()
    # The last of each belongs to the component at the origin.
    log_variances = ((nearest + START_OFFSET) / points.shape[1]).log()
    log_weights = torch.full_like(log_variances, -math.log(len(centres)))
    log_variances[-1] = log_weights[-1] = 0
    optimiser = torch.optim.Adam([log_variances], LEARNING_RATE)
    for _ in range(EPOCHS):
        for batch in batches:
            log_variances.grad = _gradient(batch, log_variances, log_weights)
            optimiser.step()
            log_variances.clamp_(*LOG_VARIANCES)
    return log_variances[:-1]


def _gradient(distances: _Distances, log_variances: torch.Tensor, log_weights: torch.Tensor) -> torch.Tensor:
    """Return the gradient (M + 1,) of the mean nll by the log variances, in closed form: autograd keeps too much."""
    precisions = (-log_variances).exp().float()
    heights = log_weights - distances.size / 2 * log_variances
    heights = (heights - heights.max()).float()
    found = torch.zeros_like(log_variances)
    for block in distances:
        scaled = block * precisions
        responsibilities = torch.add(heights, scaled, alpha=-0.5).softmax(1)
        found += distances.size * responsibilities.sum(0) - scaled.mul_(responsibilities).sum(0)
    return found / (2 * distances.count * distances.size)


def _nll(points: torch.Tensor, centres: torch.Tensor, log_variances: torch.Tensor) -> float:
    """Return the mean negative log likelihood of points (N, D) under the mixture, divided by D."""
    total = 0.0
    for rows in blocks(len(points), len(centres)):
        scaled = squared_distances(points[rows], centres).mul_((-log_variances).exp())
        log_densities = -(scaled + points.shape[1] * (log_variances + math.log(2 * math.pi))) / 2
        total += float(log_densities.logsumexp(1).sum())
    return -(total / len(points) - math.log(len(centres))) / points.shape[1]
