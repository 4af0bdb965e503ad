"""Feature spaces, one a module, each with ``encoder(options, fit_on, *, compute)``: it returns an `Encoder`."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from pathgen_smk import plugins
from pathgen_smk.ahead import ahead
from pathgen_smk.console.progress import Progress
from pathgen_smk.errors import InputError
from pathgen_smk.training.device import Compute
from pathgen_smk.training.feed import Patches

# From images (n, S, S, 3) uint8 to features (n, D) float32.
Encoder = Callable[[np.ndarray], np.ndarray]
BATCH = 1024


def encode(
    name: str, encoder: Encoder, patches: Patches, rows: np.ndarray | None = None, *, batch: int = BATCH
) -> np.ndarray:
    """Return the features of patches, which are read a batch ahead, and report progress.

    Parameters
    ----------
    name
        Of the encoder, for progress and errors.
    encoder
        See `Encoder`.
    patches
        For example `pathgen_smk.stores.StoredPatches`.
    rows
        Which patches, in this order; None: all.
    batch
        How many are in memory at a time; twice as many while they are read.

    Returns
    -------
    (len(rows), D) float32.

    Raises
    ------
    InputError
        If there are no patches, or a feature is NaN or infinite.
    """
    rows = np.arange(len(patches.labels)) if rows is None else rows
    if not len(rows):
        raise InputError(f"features {name}: there are no patches to encode")
    parts = [rows[start : start + batch] for start in range(0, len(rows), batch)]
    progress, found = Progress(f"features {name}", len(rows), "patches"), []
    for part, images in zip(parts, ahead(_read(patches, parts)), strict=True):
        features = encoder(images)
        if len(odd := np.flatnonzero(~np.isfinite(features).all(axis=1))):
            raise InputError(f"features {name}: those of patch {part[odd[0]]} are not finite; check the encoder")
        found.append(features)
        progress.advance(len(part))
    return np.concatenate(found)


def encode_sets(
    sets: Mapping[str, Patches], encoder: Mapping[str, Any], fit_on: str, *, compute: Compute
) -> dict[str, np.ndarray]:
    """Return the features of several sets of patches, by name, (N, D) float32 each.

    Parameters
    ----------
    sets
        By name.
    encoder
        The ``kind``, which is a module's name, and its options.
    fit_on
        Of which set what the encoder learns is learnt.
    compute
        Where and how.
    """
    kind = encoder["kind"]
    options = {key: value for key, value in encoder.items() if key != "kind"}
    learnt = sets[fit_on].read(np.arange(len(sets[fit_on].labels)))
    function = plugins.load("evaluation.features", kind).encoder(options, learnt, compute=compute)
    return {name: encode(kind, function, patches) for name, patches in sets.items()}


def _read(patches: Patches, parts: list[np.ndarray]) -> Iterator[np.ndarray]:
    return (patches.read(part) for part in parts)
