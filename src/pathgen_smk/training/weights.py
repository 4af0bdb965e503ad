"""Models on disk: tensors and a JSON header (safetensors), never pickled code."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from pathgen_smk import plugins
from pathgen_smk.errors import InputError
from pathgen_smk.files import replacing

# All that is said of a model stands under one key: safetensors writes several in another order each time.
KEY = "model"


def save_model(path: Path, model: nn.Module, *, package: str, architecture: str) -> None:
    """Write a model's weights, and what it takes to build it again.

    Parameters
    ----------
    path
        Where to.
    model
        An instance of a class of `package`.`architecture`; its `options` are the arguments that build it again.
    package, architecture
        Where its class is found, see `pathgen_smk.plugins`.
    """
    header = {
        "package": package,
        "architecture": architecture,
        "class": type(model).__name__,
        "options": model.options,
    }
    with replacing(path) as temporary:
        tensors = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
        save_file(tensors, temporary, {KEY: json.dumps(header)})


def load_model(path: Path, *, package: str) -> nn.Module:
    """Build the model that `path` holds, with its weights, on the CPU and in evaluation mode.

    Raises
    ------
    InputError
        If the file is not whole, or not a model of `package`, or its weights do not fit its architecture.
    """
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get(KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"weights {path}: cannot read them: {error}") from error
    needed = {"architecture", "class", "options"}
    if not isinstance(header, dict) or header.get("package") != package or not needed <= header.keys():
        raise InputError(f"weights {path}: not a model of {package}")
    try:
        module = plugins.load(package, header["architecture"])
        model = getattr(module, header["class"])(**header["options"])
        model.load_state_dict(tensors)
        if odd := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
            raise ValueError(f"{odd[0]} is not finite")
    except (InputError, AttributeError, TypeError, ValueError, RuntimeError, LookupError) as error:
        raise InputError(f"weights {path}: they do not fit {header['architecture']}: {error}") from error
    return model.eval()
