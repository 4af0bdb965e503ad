"""Where and how tensors are computed: device, precision, threads; explicit, and the same code for CPU and GPU."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from pathgen_smk.errors import InputError

Model = TypeVar("Model")
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Compute:
    """A device, and the precision of its matrix products (fp32 means no autocast)."""

    device: torch.device
    precision: torch.dtype

    def autocast(self) -> AbstractContextManager:
        """Return the context in which models are called."""
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)

    def place(self, model: nn.Module) -> nn.Module:
        """Move a model to the device, in the memory layout that its convolutions are fastest with."""
        return model.to(self.device).to(memory_format=torch.channels_last)

    def rng(self, seed: int) -> torch.Generator:
        """Return a generator on the device."""
        return torch.Generator(self.device).manual_seed(seed)

    def resident(self, images: np.ndarray) -> torch.Tensor:
        """Copy images (N, S, S, 3) uint8 to the device as (N, 3, S, S) uint8, channels last."""
        return torch.from_numpy(images).to(self.device).permute(0, 3, 1, 2)

    def __str__(self) -> str:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"
        threads = f", {torch.get_num_threads()} thread(s)" if self.device.type == "cpu" else ""
        return f"{name}, {str(self.precision).removeprefix('torch.')}{threads}"


def prepare(*, device: str, precision: str, threads: int) -> Compute:
    """Choose the device and the precision, and set the number of CPU threads.

    Parameters
    ----------
    device
        ``cpu``, ``cuda`` (or ``cuda:1`` and so on), or ``auto``: a GPU if there is one.
    precision
        ``fp32``, ``bf16``, or ``auto``: bf16 where the processor (AMX) or card computes in it, else fp32.
    threads
        CPU threads; another number gives other last bits, so it is a setting of its own.

    Raises
    ------
    InputError
        If a GPU is asked for and there is none.
    """
    torch.set_num_threads(threads)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"compute.device is '{device}', but torch sees no GPU; set it to 'auto' or 'cpu'")
    chosen = torch.device(device)
    if precision == "auto":
        precision = "bf16" if _computes_in_bf16(chosen) else "fp32"
    return Compute(chosen, PRECISIONS[precision])


def _computes_in_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)  # older cards only emulate it
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # since torch 2.12
    # Tiles (AMX) make bf16 several times faster than fp32; with avx512_bf16 alone it was measured to be slower.
    return bool(capabilities.get("amx_bf16"))


def build_seeded(build: Callable[..., Model], options: dict, seed: int) -> Model:
    """Build models whose initial weights depend on `seed` alone; torch's layers know only the global generator.

    Raises
    ------
    InputError
        If `build` does not take the `options`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return build(**options)
        except (TypeError, ValueError, RuntimeError, LookupError) as error:
            raise InputError(f"options {options} in the config do not fit the model: {error}") from error


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Map uint8 images to [-1, 1], float32."""
    return images.to(torch.float32).div_(127.5).sub_(1)


def denormalise(images: torch.Tensor) -> torch.Tensor:
    """Map images in [-1, 1] to uint8, rounding to nearest."""
    return images.to(torch.float32).add(1).mul(127.5).round_().clamp_(0, 255).to(torch.uint8)
