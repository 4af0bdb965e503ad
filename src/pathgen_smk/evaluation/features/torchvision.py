"""Any classification network of torchvision, with weights from the user's file: nothing is downloaded."""

from pathlib import Path
from typing import Any

import numpy as np
import torchvision.models

from pathgen_smk.errors import InputError
from pathgen_smk.evaluation.features import Encoder
from pathgen_smk.evaluation.features._networks import (
    fit_weights,
    imagenet_images,
    network_encoder,
    option,
    penultimate,
)
from pathgen_smk.training.device import Compute

# Their weights expect inputs in [-1, 1], to which the networks convert ImageNet's if told so.
CONVERTING = ("googlenet", "inception_v3")
CONVERT = {"transform_input": True, "init_weights": False}


def encoder(options: dict[str, Any], fit_on: np.ndarray, *, compute: Compute) -> Encoder:
    """Return what maps images to the input of the network's last linear layer.

    Parameters
    ----------
    options
        ``architecture``: a name of `torchvision.models`, such as ``resnet50``; ``weights``: a file of all its weights,
        safetensors or as torch.save writes them; ``image_size``: to which images are resized, 224 px unless given.
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
        If there is no such architecture, the weights do not fit it, or it does not take images of this size.
    """
    name, path = option(options, "architecture", "torchvision"), Path(option(options, "weights", "torchvision"))
    # Its other networks, for detection and the like, would download the weights of a part of themselves.
    if name not in torchvision.models.list_models(module=torchvision.models):
        raise InputError(f"features torchvision: torchvision.models has no classification network '{name}'")
    model = torchvision.models.get_model(name, weights=None, **(CONVERT if name in CONVERTING else {}))
    fit_weights(model, path)
    network = penultimate(model, f"torchvision {name}")
    return network_encoder(f"torchvision {name}", model, network, imagenet_images(options), fit_on, compute)
