"""Any network of the timm library, with weights from the user's file: nothing is downloaded.

Most encoders that were trained on histology are vision transformers of this library.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from pathgen_smk.errors import InputError
from pathgen_smk.evaluation.features import Encoder
from pathgen_smk.evaluation.features._networks import fit_weights, imagenet_images, network_encoder, option
from pathgen_smk.training.device import Compute


def encoder(options: dict[str, Any], fit_on: np.ndarray, *, compute: Compute) -> Encoder:
    """Return what maps images to the network's pooled features, its classification head left out.

    Parameters
    ----------
    options
        ``architecture``: a name that timm knows, such as ``vit_small_patch16_224``; ``weights``: a file of its weights,
        with or without a head, safetensors or as torch.save writes them; ``image_size``: to which images are resized,
        224 px unless given; ``arguments``: more of what timm.create_model takes, if the weights need it.
    fit_on
        Training originals (N, S, S, 3) uint8; nothing is fitted on them, but the first is tried.
    compute
        Where, and how precisely.

    Returns
    -------
    From images (n, S, S, 3) uint8 to features (n, D) float32. Images are normalised as ImageNet's, whatever else timm's
    own weights of that name may expect.

    Raises
    ------
    InputError
        If timm is not installed, there is no such architecture, the weights do not fit it, or it does not take images
        of this size.
    """
    name, path = option(options, "architecture", "timm"), Path(option(options, "weights", "timm"))
    library = _library()
    if not library.is_model(name):  # that excludes names by which timm would download
        raise InputError(f"features timm: timm has no network '{name}'")
    arguments = options.get("arguments", {})
    try:
        model = library.create_model(name, pretrained=False, num_classes=0, **arguments)
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise InputError(f"features timm: {name} does not take the arguments {arguments}: {error}") from error
    head = model.pretrained_cfg.get("classifier") or ()
    fit_weights(model, path, unused=(head,) if isinstance(head, str) else head)
    return network_encoder(f"timm {name}", model, model, imagenet_images(options), fit_on, compute)


def _library() -> Any:
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise InputError(f"features timm: the library timm cannot be imported ({error}); install it") from error
