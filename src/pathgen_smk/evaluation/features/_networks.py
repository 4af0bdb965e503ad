"""What encoders that are networks share: weights of the user's file, the layer that is read, and batches."""

import pickle
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from pathgen_smk.errors import InputError
from pathgen_smk.evaluation.features import Encoder
from pathgen_smk.training.device import Compute

BATCH = 128
# Mean and standard deviation of ImageNet's channels in [0, 1], which nearly all networks trained on it expect.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
IMAGE_SIZE = 224
# Under these keys checkpoints of trainings keep the network's tensors among other things.
NESTED = ("state_dict", "model")
# Maps images (n, 3, S, S) uint8 on the device to what the network takes.
Prepare = Callable[[torch.Tensor], torch.Tensor]
Network = Callable[[torch.Tensor], torch.Tensor]


def option(options: Mapping[str, Any], name: str, encoder: str) -> Any:
    """Return an option that the encoder cannot do without.

    Raises
    ------
    InputError
        If it is missing.
    """
    if options.get(name) in (None, ""):
        raise InputError(f"features {encoder}: '{name}' is missing in its options")
    return options[name]


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a file, by name: safetensors, or what `torch.save` wrote; code in it is never run.

    Raises
    ------
    InputError
        If the file cannot be read, or holds anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(f"weights {path}: it is no file of weights, or holds more than tensors") from error
    except (SafetensorError, OSError, RuntimeError, ValueError, EOFError, LookupError) as error:
        raise InputError(f"weights {path}: cannot read them: {_first_line(error)}") from error
    for key in NESTED:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not found or not all(isinstance(value, torch.Tensor) for value in found.values()):
        raise InputError(f"weights {path}: it does not hold tensors by name, as a network's state_dict does")
    return found


def fit_weights(model: nn.Module, path: Path, *, unused: Collection[str] = ()) -> None:
    """Give a model the weights of a file.

    Parameters
    ----------
    model
        Whose.
    path
        See `read_weights`.
    unused
        Modules that the file may have and the model lacks, such as a classification head.

    Raises
    ------
    InputError
        If names or shapes differ, or a weight is not finite; the message names the first.
    """
    given, wanted = read_weights(path), model.state_dict()
    known = {
        name: tensor for name, tensor in given.items() if not name.startswith(tuple(f"{part}." for part in unused))
    }
    if missing := sorted(wanted.keys() - known.keys()):
        problem = f"it lacks '{missing[0]}'" + (f" and {len(missing) - 1} more" if missing[1:] else "")
    elif extra := sorted(known.keys() - wanted.keys()):
        problem = f"the architecture has no '{extra[0]}'" + (f", nor {len(extra) - 1} more" if extra[1:] else "")
    elif odd := [name for name, tensor in known.items() if tensor.shape != wanted[name].shape]:
        problem = f"'{odd[0]}' is {tuple(known[odd[0]].shape)}, not {tuple(wanted[odd[0]].shape)}"
    elif odd := [name for name, tensor in known.items() if not torch.isfinite(tensor).all()]:
        problem = f"'{odd[0]}' is not finite"
    else:
        model.load_state_dict(known)
        return
    raise InputError(f"weights {path}: they do not fit: {problem}")


def penultimate(model: nn.Module, encoder: str) -> Network:
    """Return what maps the model's inputs to the inputs of its last linear layer, which decides between classes.

    Raises
    ------
    InputError
        If the model has no such layer.
    """
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if not linear:
        raise InputError(f"features {encoder}: {type(model).__name__} has no linear layer whose input could be read")
    caught: list[torch.Tensor] = []
    linear[-1].register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))

    def call(images: torch.Tensor) -> torch.Tensor:
        caught.clear()
        model(images)
        return caught.pop()

    return call


def network_encoder(
    encoder: str, model: nn.Module, network: Network, prepare: Prepare, fit_on: np.ndarray, compute: Compute
) -> Encoder:
    """Return an encoder that calls a network on batches, after a trial with the first training original.

    Parameters
    ----------
    encoder
        Its name, for errors.
    model
        Is moved to the device, in evaluation mode.
    network
        The model, or what calls it, from `prepare`'s images to features (n, D).
    prepare
        See `Prepare`.
    fit_on
        Training originals (N, S, S, 3) uint8, of which the first is tried.
    compute
        Where, and how precisely.

    Raises
    ------
    InputError
        If there are no originals, or the network does not take their size.
    """
    compute.place(model.eval())

    @torch.inference_mode()
    def encode(images: np.ndarray) -> np.ndarray:
        found = []
        for start in range(0, len(images), BATCH):
            batch = torch.from_numpy(np.ascontiguousarray(images[start : start + BATCH])).to(compute.device)
            prepared = prepare(batch.permute(0, 3, 1, 2)).contiguous(memory_format=torch.channels_last)
            with compute.autocast():
                found.append(network(prepared).flatten(1).float().cpu())
        return torch.cat(found).numpy()

    if not len(fit_on):
        raise InputError(f"features {encoder}: there are no training originals")
    try:
        encode(np.asarray(fit_on[:1]))
    except (RuntimeError, ValueError, AssertionError) as error:
        size = f"images of {fit_on[0].shape[0]} px"
        raise InputError(f"features {encoder}: it does not take {size}: {_first_line(error)}") from error
    return encode


def imagenet_images(options: Mapping[str, Any]) -> Prepare:
    """Return what resizes images to ``image_size`` (antialiased, bilinear) and normalises them as ImageNet's."""
    size = int(options.get("image_size", IMAGE_SIZE))

    def prepare(images: torch.Tensor) -> torch.Tensor:
        found = images.float() / 255
        if found.shape[-1] != size:
            found = F.interpolate(found, (size, size), mode="bilinear", align_corners=False, antialias=True)
        mean, deviation = (found.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        return (found - mean) / deviation

    return prepare


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
