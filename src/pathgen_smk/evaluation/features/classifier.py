"""What one of the project's own classifiers sees: the input of its last linear layer."""

from pathlib import Path
from typing import Any

import numpy as np

from pathgen_smk.evaluation.features import Encoder
from pathgen_smk.evaluation.features._networks import network_encoder, option, penultimate
from pathgen_smk.training.device import Compute, normalise
from pathgen_smk.training.weights import load_model


def encoder(options: dict[str, Any], fit_on: np.ndarray, *, compute: Compute) -> Encoder:
    """Return what maps images to the penultimate activations of a trained classifier.

    Parameters
    ----------
    options
        ``weights``: its file, as the training wrote it.
    fit_on
        Training originals (N, S, S, 3) uint8; nothing is fitted on them, but the first is tried.
    compute
        Where, and how precisely.

    Returns
    -------
    From images (n, S, S, 3) uint8 to features (n, D) float32.

    Raises
    ------
    InputError
        If the file is not that of a classifier, or it does not take images of this size.
    """
    model = load_model(Path(option(options, "weights", "classifier")), package="models.classifiers")
    return network_encoder("classifier", model, penultimate(model, "classifier"), normalise, fit_on, compute)
