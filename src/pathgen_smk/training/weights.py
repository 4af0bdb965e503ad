"""Models on disk: tensors and a JSON header (safetensors), never pickled code."""

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from pathgen_smk import plugins
from pathgen_smk.errors import InputError
from pathgen_smk.files import replacing


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
        "options": json.dumps(model.options, sort_keys=True),
    }
    with replacing(path) as temporary:
        save_file({name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}, temporary, header)


def load_model(path: Path, *, package: str) -> nn.Module:
    """Build the model that `path` holds, with its weights, on the CPU and in evaluation mode.

    Raises
    ------
    InputError
        If the file is not whole, or not a model of `package`, or its weights do not fit its architecture.
    """
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise InputError(f"weights {path}: cannot read them: {error}") from error
    if header.get("package") != package or not {"architecture", "class", "options"} <= header.keys():
        raise InputError(f"weights {path}: not a model of {package}")
    try:
        module = plugins.load(package, header["architecture"])
        model = getattr(module, header["class"])(**json.loads(header["options"]))
        model.load_state_dict(tensors)
    except (InputError, AttributeError, TypeError, ValueError, RuntimeError, LookupError) as error:
        raise InputError(f"weights {path}: they do not fit {header['architecture']}: {error}") from error
    return model.eval()
