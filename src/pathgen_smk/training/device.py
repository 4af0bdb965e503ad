"""Where and how tensors are computed: device, precision, threads; explicit, and the same code for CPU and GPU."""

import contextlib
import ctypes
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

from pathgen_smk.errors import InputError

Model = TypeVar("Model")
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# How a training step runs: each operation as it comes; as one CUDA graph; compiled (and on a GPU one graph as well).
EAGER, CAPTURED, COMPILED = "eager", "captured", "compiled"
# Compute capabilities from which a card's tensor cores take a precision; older cards only emulate it.
BF16_CAPABILITY, FP16_CAPABILITY = (8, 0), (7, 0)
# Parameters of glibc's mallopt, and from what size on (bytes) it gives memory back.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGE_BLOCK = 2**30


@dataclass(frozen=True)
class Compute:
    """A device, and how it computes.

    Attributes
    ----------
    device
        Where.
    precision
        Of convolutions and matrix products; fp32 means no autocast.
    execution
        ``eager``, ``captured`` or ``compiled``.
    deterministic
        Whether the same training gives the same bits on a GPU; on a CPU it always does.
    """

    device: torch.device
    precision: torch.dtype
    execution: str = EAGER
    deterministic: bool = False

    @property
    def captures(self) -> bool:
        """Whether steps are captured as CUDA graphs."""
        return self.device.type == "cuda" and self.execution != EAGER

    def autocast(self) -> AbstractContextManager:
        """Return the context in which models are called."""
        return torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32)

    def scaler(self) -> torch.amp.GradScaler:
        """Return what scales losses so that gradients do not vanish in fp16; it does nothing at other precisions."""
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == torch.float16)
        scaler.scale(torch.zeros((), device=self.device))  # makes its tensors, which the first step would do otherwise
        return scaler

    def place(self, model: nn.Module) -> nn.Module:
        """Move a model to the device, in the memory layout that its convolutions are fastest with."""
        return model.to(self.device).to(memory_format=torch.channels_last)

    def compiled(self, model: nn.Module) -> Callable[..., torch.Tensor]:
        """Return what is called in the model's stead: itself, or its compiled form, which shares its weights."""
        return torch.compile(model, dynamic=False) if self.execution == COMPILED else model

    def rng(self, seed: int) -> torch.Generator:
        """Return a generator on the device."""
        return torch.Generator(self.device).manual_seed(seed)

    def free_bytes(self) -> int:
        """Return how much memory of the device is free."""
        if self.device.type == "cuda":
            return int(torch.cuda.mem_get_info(self.device)[0])
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")

    def peak_bytes(self) -> int | None:
        """Return the most memory of a GPU that tensors took so far; None on a CPU, where the system counts it."""
        return torch.cuda.max_memory_allocated(self.device) if self.device.type == "cuda" else None

    @property
    def identity(self) -> list[str]:
        """What of this decides whether a state that another process saved can be taken up."""
        # Another number of threads of a CPU gives other last bits.
        threads = torch.get_num_threads() if self.device.type == "cpu" else 0
        return [self.device.type, str(self.precision), self.execution, str(self.deterministic), str(threads)]

    def __str__(self) -> str:
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"
        parts = [name, str(self.precision).removeprefix("torch."), self.execution]
        parts += [f"{torch.get_num_threads()} thread(s)"] if self.device.type == "cpu" else []
        return ", ".join(parts + ["deterministic"] * self.deterministic)


def prepare(
    *, device: str, precision: str, threads: int, execution: str = "auto", deterministic: bool = False, rank: int = 0
) -> Compute:
    """Choose the device and the precision, and set the process's number of CPU threads.

    Parameters
    ----------
    device
        ``cpu``, ``cuda`` (or ``cuda:1`` and so on), or ``auto``: a GPU if there is one.
    precision
        ``fp32``, ``bf16``, ``fp16``, or ``auto``: bf16 where the processor or card computes in it; else fp16 on a card
        that does; else fp32.
    threads
        CPU threads; another number gives other last bits, so it is a setting of its own.
    execution
        ``eager``, ``captured`` (a CUDA graph; on a CPU as eager), ``compiled``, or ``auto``: captured on a GPU.
    deterministic
        On a GPU use only algorithms that give the same bits each time, which are slower.
    rank
        Of this process among those that train together: which of the GPUs is its own.

    Raises
    ------
    InputError
        If a GPU is asked for and there is none.
    """
    torch.set_num_threads(threads)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(f"cuda:{rank}" if device == "cuda" else device)
    if chosen.type == "cuda":
        _prepare_cuda(chosen, precision, deterministic)
    else:
        _keep_freed_memory()
    if precision == "auto":
        precision = _fastest_precision(chosen)
    if execution == "auto" or (execution == CAPTURED and chosen.type == "cpu"):
        execution = CAPTURED if chosen.type == "cuda" else EAGER
    return Compute(chosen, PRECISIONS[precision], execution, deterministic and chosen.type == "cuda")


def count_processes(device: str, gpus: int) -> int:
    """Return how many processes a training takes: one for each of the GPUs that it was given, at least one.

    Raises
    ------
    InputError
        If it was given more GPUs than there are.
    """
    # Asks the driver and starts nothing on a GPU, which processes that are forked later could not use any more.
    there = 0 if device == "cpu" else torch.cuda.device_count()
    if there and gpus > there:
        raise InputError(f"compute.gpus asks for {gpus} GPUs for a training, and this machine shows it {there}")
    return max(1, min(gpus, there))


def _prepare_cuda(device: torch.device, precision: str, deterministic: bool) -> None:
    if not torch.cuda.is_available():
        raise InputError(f"compute.device is '{device}', but torch sees no GPU; set it to 'auto' or 'cpu'")
    if (device.index or 0) >= torch.cuda.device_count():
        there = torch.cuda.device_count()
        raise InputError(f"compute.device is '{device}', but torch sees {there} GPU(s), from cuda:0")
    torch.cuda.set_device(device)
    # Whoever asks for fp32 means it: no TF32 in its stead.
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision != "fp32"
    torch.backends.cudnn.benchmark = not deterministic
    if deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # read when cuBLAS starts, which is later
    torch.use_deterministic_algorithms(deterministic)


def _keep_freed_memory() -> None:
    """Let glibc keep the memory that tensors free, where it is the C library.

    It gives large blocks back to the system at once, which clears each page of them when the next step asks for them
    again: a tenth of a classifier's step on a CPU.
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
        mallopt(M_TRIM_THRESHOLD, LARGE_BLOCK)


def _fastest_precision(device: torch.device) -> str:
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        return "bf16" if capability >= BF16_CAPABILITY else "fp16" if capability >= FP16_CAPABILITY else "fp32"
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}  # since torch 2.12
    # Paper-size networks train 4 times as fast as in fp32 with tiles (AMX), 2 times with AVX-512's bf16 products, and
    # slower than in fp32 where bf16 is emulated: tests/benchmarks/training_speed.py measures it.
    return "bf16" if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else "fp32"


def build_seeded(build: Callable[..., Model], options: dict[str, Any], seed: int) -> Model:
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
