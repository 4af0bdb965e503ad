"""Principal components of the pixels: needs no network, and sees what a human would call the same picture."""

from typing import Any

import numpy as np

from pathgen_smk.errors import InputError
from pathgen_smk.evaluation.features import Encoder
from pathgen_smk.seeding import rng
from pathgen_smk.training.device import Compute

COMPONENTS, MOST_PATCHES = 64, 20_000


def encoder(options: dict[str, Any], fit_on: np.ndarray, *, compute: Compute) -> Encoder:
    """Fit the components of the flattened pixels in [0, 1], and return what projects images on them.

    Parameters
    ----------
    options
        ``seed``: of the randomised decomposition (Halko et al. 2011, arXiv 0909.4061), and of the draw of the patches.
    fit_on
        Training originals (N, S, S, 3) uint8; of more than 20,000 a random 20,000 are taken. About 1 GB for these at
        64 px, and a few times as much while they are decomposed.
    compute
        Not used.

    Returns
    -------
    From images (n, S, S, 3) uint8 to features (n, D) float32, D = 64, or less if N - 1 or the pixels are fewer.

    Raises
    ------
    InputError
        If there are fewer than 2 originals; later if images have another size than these.
    """
    from sklearn.decomposition import PCA  # takes a second to import

    if len(fit_on) < 2:
        raise InputError(f"features pca: at least 2 training originals are needed, there are {len(fit_on)}")
    seed = int(options.get("seed", 0))
    rows = np.arange(len(fit_on))
    if len(rows) > MOST_PATCHES:
        rows = np.sort(rng(seed, "features", "pca").choice(rows, MOST_PATCHES, replace=False))
    pixels = _flat(np.asarray(fit_on[rows]))
    count = min(COMPONENTS, len(pixels) - 1, pixels.shape[1])
    pca = PCA(count, svd_solver="randomized", random_state=seed % 2**32)
    with np.errstate(invalid="ignore"):  # the shares of no variance, if all are identical, which nobody asks for
        pca.fit(pixels)

    def project(images: np.ndarray) -> np.ndarray:
        flat = _flat(images)
        if flat.shape[1] != pixels_of_one:
            raise InputError(f"features pca: images of {images.shape[1]} px, fitted on {fit_on[0].shape[0]} px")
        return pca.transform(flat).astype(np.float32, copy=False)

    pixels_of_one = pixels.shape[1]
    return project


def _flat(images: np.ndarray) -> np.ndarray:
    """Return the pixels (n, S * S * 3) of images, float32 in [0, 1]."""
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
