"""How fast networks train and patches are made: `python tests/benchmarks/training_speed.py [--device cuda] [--tiny]`.

Prints Markdown tables of images a second, peaks of memory, and ratios, for networks of the paper's size. Each way of
doing a thing has a process of its own, and all take turns, round by round, so that they share the machine's moods; the
figures are medians over the rounds, after one round that is not counted. Compared with
(a) plain loops in fp32 as tutorials write them: images from PNG files through torchvision's ImageFolder and a
DataLoader with two workers, losses read after each step; and
(b) the fastest matrix product that torch makes on the device: its share is what a step's own products take of it.
Ours are whole epochs of `Trainer.fit` over an HDF5 store, without saving states.
"""

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from phantom_patches import write_phantoms
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.flop_counter import FlopCounterMode
from torchvision import transforms
from torchvision.datasets import ImageFolder

from pathgen_smk import files, stores
from pathgen_smk.labels import NAMES
from pathgen_smk.models.classifiers.two_block_cnn import Classifier
from pathgen_smk.models.generators import dcgan
from pathgen_smk.training import device
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.classifier import ClassifierSettings, ClassifierTrainer
from pathgen_smk.training.feed import ArrayPatches, Patches, StreamedFeed
from pathgen_smk.training.gan import GanSettings, GanTrainer, draw_images
from pathgen_smk.training.generate import generate, latent_seeds, latents_of
from pathgen_smk.training.trainer import Trainer

PARTS = ("gan", "classifier", "generate", "several")
PAPER_PATCHES, PAPER_EPOCHS = 35_000, 400
SHOWN = 8  # images of fixed latents after each epoch; 64 would weigh too much in the short epochs here
AIMS = {"gan": {"cpu": "aim: 4 with AMX", "cuda": ""}, "classifier": {"cpu": "aim: 3", "cuda": ""}}
WANTED = {"gan": "aim: 100,000 on an H200", "classifier": "aim: 300,000 on an H200"}


@dataclass(frozen=True)
class Setting:
    """What is measured, and on what.

    Attributes
    ----------
    device
        ``cpu`` or ``cuda``.
    threads
        CPU threads of each process.
    folder
        Where the patches lie: ``train.h5`` and ``png/<class>/``.
    gan_options, classifier_options
        Sizes of the networks.
    gan_batch, classifier_batch
        Patches a step.
    gan_patches, classifier_patches
        Of an epoch.
    generated
        Patches of a synthetic store.
    matrix
        Rows and columns of the matrix product that is the ceiling.
    rounds
        How often each way is measured.
    seconds
        That a round of ours takes at least, in whole epochs.
    """

    device: str
    threads: int
    folder: Path
    gan_options: dict[str, Any] = field(default_factory=lambda: {"latent_size": 100, "width": 64})
    classifier_options: dict[str, Any] = field(default_factory=lambda: {"width": 32, "hidden": [512, 128]})
    gan_batch: int = 256
    classifier_batch: int = 128
    gan_patches: int = 2 * 256
    classifier_patches: int = 10 * 128
    generated: int = 2048
    matrix: int = 2048
    rounds: int = 5
    seconds: float = 0.0


def setting_for(folder: Path, *, chosen_device: str, threads: int, rounds: int, tiny: bool) -> Setting:
    """Return what is measured on a device, by default in about ten minutes."""
    if chosen_device == "auto":
        chosen_device = "cuda" if torch.cuda.is_available() else "cpu"
    if tiny:
        return Setting(
            chosen_device, threads, folder, {"latent_size": 8, "width": 4}, {"width": 4, "hidden": [16, 8]}, 16, 16,
            40, 40, 64, 128, 1,
        )  # fmt: skip
    if chosen_device == "cpu":
        return Setting("cpu", threads, folder, rounds=rounds)
    return Setting(
        chosen_device, threads, folder, gan_patches=PAPER_PATCHES, classifier_patches=PAPER_PATCHES,
        generated=2 * 35_008, matrix=8192, rounds=rounds, seconds=3.0,
    )  # fmt: skip


def make_patches(setting: Setting) -> None:
    """Write the patches that all ways train on, as a store and as PNG files."""
    count = max(setting.gan_patches, setting.classifier_patches)
    store = write_phantoms(setting.folder, {"train": -(-count // 2)})["train"]
    images, labels = stores.read_first(store, count)
    for name in NAMES:
        (setting.folder / "png" / name).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        Image.fromarray(image).save(setting.folder / "png" / NAMES[label] / f"{number:06d}.png")


# --- ours ------------------------------------------------------------------------------------------------------------


class Nowhere(Checkpoint):
    """Keeps nothing."""

    def __init__(self) -> None:
        super().__init__(Path(), "")

    def load(self) -> None:
        """See `Checkpoint`."""

    def save(self, state: dict[str, Any]) -> None:
        """See `Checkpoint`."""


def build_gan(setting: Setting, patches: Patches, compute: device.Compute) -> GanTrainer:
    """Return the GAN that is measured."""
    generator, discriminator = device.build_seeded(dcgan.build, setting.gan_options, seed=1)
    return GanTrainer(
        "GAN",
        generator,
        discriminator,
        patches,
        settings=GanSettings(epochs=0, batch_size=setting.gan_batch),
        fixed_latents=latents_of(np.arange(SHOWN), generator.latent_size),
        seed=1,
        compute=compute,
    )


def build_classifier(setting: Setting, patches: Patches, compute: device.Compute) -> ClassifierTrainer:
    """Return the classifier that is measured; it has next to nothing to validate."""
    few = ArrayPatches(patches.read(np.arange(16)), patches.labels[:16])
    return ClassifierTrainer(
        "classifier",
        device.build_seeded(Classifier, setting.classifier_options, seed=1),
        patches,
        few,
        settings=ClassifierSettings(epochs=0, patience=10**9, batch_size=setting.classifier_batch),
        seed=1,
        compute=compute,
    )


BUILD: dict[str, Callable[[Setting, Patches, device.Compute], Trainer]] = {
    "gan": build_gan,
    "classifier": build_classifier,
}


def ours(
    setting: Setting, *, network: str, precision: str = "auto", execution: str = "auto", streamed: bool = False,
    deterministic: bool = False,
) -> Callable[[], int]:  # fmt: skip
    """Return what trains for a round, and returns how many images it took."""
    compute = device.prepare(
        device=setting.device, precision=precision, threads=setting.threads, execution=execution,
        deterministic=deterministic,
    )  # fmt: skip
    count = setting.gan_patches if network == "gan" else setting.classifier_patches
    patches = stores.StoredPatches([(setting.folder / "train.h5", count)])
    trainer = BUILD[network](setting, patches, compute)
    if streamed:
        trainer._feed = StreamedFeed(patches, compute)

    def run() -> int:
        start, before = time.perf_counter(), trainer.epochs
        while trainer.epochs == before or time.perf_counter() - start < setting.seconds:
            trainer.epochs += 1
            trainer.fit(Nowhere())  # an epoch ends with the reading of its losses, thus with the device's work
        return (trainer.epochs - before) * count

    return run


# --- (a) plain loops, as tutorials write them ------------------------------------------------------------------------


def png_loader(setting: Setting, batch_size: int, count: int) -> DataLoader:
    """Return the usual loader of a folder of images; its workers stay, which is in its favour in short epochs."""
    scaling = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))])
    images = ImageFolder(str(setting.folder / "png"), scaling)
    chosen = torch.utils.data.Subset(images, list(range(count)))
    return DataLoader(chosen, batch_size=batch_size, shuffle=True, num_workers=2, persistent_workers=True)


def plain_gan(setting: Setting) -> Callable[[], int]:
    """Return a DCGAN's epoch in the manner of PyTorch's tutorial."""
    torch.set_num_threads(setting.threads)
    where, latent_size = torch.device(setting.device), setting.gan_options["latent_size"]
    width = setting.gan_options["width"]
    channels = [8 * width, 4 * width, 2 * width, width]

    generator_layers: list[nn.Module] = [nn.ConvTranspose2d(latent_size, channels[0], 4, 1, 0, bias=False)]
    for before, after in zip(channels, [*channels[1:], 3], strict=True):
        generator_layers += [nn.BatchNorm2d(before), nn.ReLU(True)]
        generator_layers += [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
    generator = nn.Sequential(*generator_layers, nn.Tanh()).to(where)

    judge_layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    for before, after in zip(channels[:0:-1], channels[-2::-1], strict=True):
        judge_layers += [nn.Conv2d(before, after, 4, 2, 1, bias=False)]
        judge_layers += [nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True)]
    judge = nn.Sequential(*judge_layers, nn.Conv2d(channels[0], 1, 4, 1, 0, bias=False), nn.Sigmoid()).to(where)

    criterion = nn.BCELoss()
    judge_optimiser = torch.optim.Adam(judge.parameters(), lr=2e-4, betas=(0.5, 0.999))
    generator_optimiser = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    loader = png_loader(setting, setting.gan_batch, setting.gan_patches)
    losses: list[tuple[float, ...]] = []

    def epoch() -> int:
        for batch, _ in loader:
            judge.zero_grad()
            real = batch.to(where)
            target = torch.full((len(real),), 1.0, device=where)
            on_real = judge(real).view(-1)
            loss_real = criterion(on_real, target)
            loss_real.backward()
            fake = generator(torch.randn(len(real), latent_size, 1, 1, device=where))
            target.fill_(0.0)
            on_fake = judge(fake.detach()).view(-1)
            loss_fake = criterion(on_fake, target)
            loss_fake.backward()
            judge_optimiser.step()
            generator.zero_grad()
            target.fill_(1.0)
            after = judge(fake).view(-1)
            loss = criterion(after, target)
            loss.backward()
            generator_optimiser.step()
            scores = on_real.mean().item(), on_fake.mean().item(), after.mean().item()
            losses.append((loss_real.item() + loss_fake.item(), loss.item(), *scores))
        return setting.gan_patches

    return epoch


def plain_classifier(setting: Setting) -> Callable[[], int]:
    """Return a classifier's epoch in the manner of PyTorch's tutorials."""
    torch.set_num_threads(setting.threads)
    where = torch.device(setting.device)
    width, hidden = setting.classifier_options["width"], setting.classifier_options["hidden"]
    model = nn.Sequential(
        nn.Conv2d(3, width, 3), nn.ReLU(), nn.Conv2d(width, width, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3), nn.ReLU(), nn.Conv2d(2 * width, 2 * width, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(2 * width * 13 * 13, hidden[0]), nn.ReLU(), nn.Linear(hidden[0], hidden[1]), nn.ReLU(),
        nn.Linear(hidden[1], 2),
    ).to(where)  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9, weight_decay=0.0005)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, 2000, 0.5)
    loader = png_loader(setting, setting.classifier_batch, setting.classifier_patches)

    def epoch() -> int:
        loss_sum = right = 0.0
        for batch, batch_labels in loader:
            images, truth = batch.to(where), batch_labels.to(where)
            optimiser.zero_grad()
            logits = model(images)
            loss = criterion(logits, truth)
            loss.backward()
            optimiser.step()
            schedule.step()
            loss_sum += loss.item()
            right += (logits.argmax(1) == truth).sum().item()
        return setting.classifier_patches

    return epoch


# --- generating ------------------------------------------------------------------------------------------------------


def build_generators(setting: Setting) -> tuple[list[nn.Module], np.ndarray, device.Compute]:
    """Return a generator a class, the latent seeds (N, 2) of a store, and where it is computed."""
    compute = device.prepare(device=setting.device, precision="auto", threads=setting.threads)
    generators: list[nn.Module] = [
        device.build_seeded(dcgan.build, setting.gan_options, seed)[0].eval() for seed in (1, 2)
    ]
    each = setting.generated // len(NAMES)
    return generators, np.stack([latent_seeds(each, 1, name) for name in NAMES], axis=1), compute


def generating(setting: Setting) -> Callable[[], int]:
    """Return what makes a synthetic store, as the workflow does."""
    generators, seeds, compute = build_generators(setting)
    table = pd.DataFrame({"label": np.tile(range(len(NAMES)), len(seeds)), "latent_seed": seeds.ravel()})
    store = setting.folder / "synthetic.h5"

    def run() -> int:
        with stores.writing(store, len(table), dcgan.IMAGE_SIZE) as writer:
            for images in generate(generators, seeds, batch_size=setting.gan_batch, compute=compute):
                writer.extend(images)
            writer.finish(table, stores.StoreAttributes("generator", dcgan.IMAGE_SIZE, 1.0, ""))
        return len(table)

    return run


def generators_alone(setting: Setting) -> Callable[[], int]:
    """Return what draws the images of latents that are there, and leaves them on the device."""
    generators, seeds, compute = build_generators(setting)
    latents = torch.randn(setting.gan_batch, setting.gan_options["latent_size"], device=compute.device)
    for generator in generators:
        compute.place(generator)

    def run() -> int:
        for start in range(0, len(seeds), setting.gan_batch):
            for generator in generators:
                images = draw_images(generator, latents[: len(seeds) - start], compute)
        images[-1].cpu()  # waits for the device
        return seeds.size

    return run


def latents_alone(setting: Setting) -> Callable[[], int]:
    """Return what draws the latents of a store."""
    _, seeds, _ = build_generators(setting)

    def run() -> int:
        for start in range(0, len(seeds), setting.gan_batch):
            for column in seeds[start : start + setting.gan_batch].T:
                latents_of(column, setting.gan_options["latent_size"])
        return seeds.size

    return run


def writing_alone(setting: Setting) -> Callable[[], int]:
    """Return what writes as many bytes to the disk as a store has."""
    size = dcgan.IMAGE_SIZE**2 * 3
    block = np.random.default_rng(1).bytes(2 * setting.gan_batch * size)

    def run() -> int:
        with (setting.folder / "bytes").open("wb") as file:
            for start in range(0, setting.generated, 2 * setting.gan_batch):
                file.write(block[: (setting.generated - start) * size])
            file.flush()
            os.fsync(file.fileno())
        return setting.generated

    return run


# --- (b) ceilings ----------------------------------------------------------------------------------------------------


def product(setting: Setting, *, precision: str) -> Callable[[], int]:
    """Return what multiplies two large random matrices, and returns how many thousand operations that takes."""
    compute = device.prepare(device=setting.device, precision=precision, threads=setting.threads)
    left, right = (
        torch.randn(setting.matrix, setting.matrix, device=compute.device, dtype=compute.precision) for _ in range(2)
    )

    def run() -> int:
        times = 20
        for _ in range(times):
            result = left @ right
        result[0, 0].item()  # waits for the device
        return times * 2 * setting.matrix**3 // 1000

    return run


def operations(setting: Setting, network: str) -> float:
    """Count the floating-point operations that a step's convolutions and products take for each image."""
    batch = 8
    images = np.random.default_rng(1).integers(0, 256, (16, dcgan.IMAGE_SIZE, dcgan.IMAGE_SIZE, 3), np.uint8)
    patches = ArrayPatches(images, np.arange(16, dtype=np.uint8) % 2)
    trainer = BUILD[network](setting, patches, device.Compute(torch.device("cpu"), torch.float32))
    inputs = trainer._inputs(torch.from_numpy(images[:batch]), torch.from_numpy(patches.labels[:batch].astype(int)))
    with FlopCounterMode(display=False) as counter:
        trainer._train_step(batch, *inputs)
    return counter.get_total_flops() / batch


# --- measuring -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """A way of doing a thing: a function of this module that returns what does it for a round."""

    make: Callable[..., Callable[[], int]]
    options: dict[str, Any] = field(default_factory=dict)


def context() -> ForkServerContext:
    """Return what starts processes: forked off one that has imported torch and used nothing of it, thus quickly."""
    found = get_context("forkserver")
    found.set_forkserver_preload(["torch", "torchvision", "pandas", "scipy.ndimage", "h5py", "sklearn.decomposition"])
    return found


class Worker:
    """A process that does a round of one way when it is told to."""

    def __init__(self, way: Way, setting: Setting) -> None:
        self._connection, other = context().Pipe()
        self._process = context().Process(target=_work, args=(other, way, setting))
        self._process.start()
        other.close()

    def answer(self) -> Any:
        """Return what the process says next.

        Raises
        ------
        RuntimeError
            If it failed.
        """
        try:
            kind, value = self._connection.recv()
        except EOFError:
            self._process.join()
            kind, value = "error", f"its process ended with exit code {self._process.exitcode}"
        if kind == "error":
            raise RuntimeError(value)
        return value

    def start(self) -> None:
        """Begin a round; its answer is (images, seconds)."""
        self._connection.send("round")

    def end(self) -> float:
        """End the process; return its peak of memory in MiB: of the GPU's where there is one."""
        self._connection.send("end")
        peak = self.answer()
        self._process.join()
        return peak


def _work(connection: Connection, way: Way, setting: Setting) -> None:
    try:
        run = way.make(setting, **way.options)
        run()
        connection.send(("ready", None))
        while connection.recv() == "round":
            start = time.perf_counter()
            images = run()
            connection.send(("round", (images, time.perf_counter() - start)))
        connection.send(("peak", _peak_mib(setting.device)))
    except (EOFError, ConnectionError):
        pass  # nobody is there any more
    except Exception as error:
        connection.send(("error", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"))


def _peak_mib(where: str) -> float:
    if where != "cpu":
        return torch.cuda.max_memory_allocated() / 2**20
    return int(re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[0]) / 1024


@dataclass
class Measured:
    """What was found.

    Attributes
    ----------
    rates
        By way, images a second in each round.
    peaks
        By way, the peak of memory in MiB.
    failures
        By way, why there are no figures.
    """

    rates: dict[str, list[float]] = field(default_factory=dict)
    peaks: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def rate(self, way: str) -> float:
        """Return the median over the rounds, images a second."""
        return statistics.median(self.rates[way])

    def ratio(self, way: str, other: str) -> float:
        """Return how many times as fast as another one a way is: the median over the rounds."""
        return statistics.median(a / b for a, b in zip(self.rates[way], self.rates[other], strict=True))


def say(text: str) -> None:
    """Tell those who wait."""
    print(text, file=sys.stderr, flush=True)


def measure(ways: dict[str, Way], setting: Setting) -> Measured:
    """Let all ways take turns for so many rounds."""
    found, workers = Measured(), {name: Worker(way, setting) for name, way in ways.items()}
    for name in ways:
        say(f"preparing: {name}")
        try:
            workers[name].answer()
        except RuntimeError as error:
            del workers[name]
            found.failures[name] = str(error)
            say(f"failed: {name}: {error}")
        else:
            found.rates[name] = []
    for turn in range(setting.rounds):
        for name, worker in workers.items():
            worker.start()
            images, seconds = worker.answer()
            found.rates[name].append(images / seconds)
            say(f"round {turn + 1} of {setting.rounds}: {name}, {seconds:.1f} s")
    found.peaks = {name: worker.end() for name, worker in workers.items()}
    return found


def table(found: Measured, wanted: str = "") -> list[str]:
    """Return rates and peaks as a Markdown table."""
    lines = ["| way | images/s | lowest to highest | peak of memory, MiB |", "| --- | ---: | ---: | ---: |"]
    for name, rates in found.rates.items():
        spread = f"{min(rates):,.0f} to {max(rates):,.0f}"
        lines.append(f"| {name} | {found.rate(name):,.0f} | {spread} | {found.peaks[name]:,.0f} |")
    lines += [f"| {name} | failed | {reason} | |" for name, reason in found.failures.items()]
    return [*lines, *([f"| ({wanted}) | | | |"] if wanted else []), ""]


def ratios(found: Measured, pairs: list[tuple[str, str, str]]) -> list[str]:
    """Return lines of ratios between two ways each, with a remark."""
    there = [(way, other, remark) for way, other, remark in pairs if way in found.rates and other in found.rates]
    lines = [
        f"* {way}: {found.ratio(way, other):.2f} x {other}" + (f" ({remark})" if remark else "")
        for way, other, remark in there
    ]
    return [*lines, ""]


def training_ways(setting: Setting, network: str) -> dict[str, Way]:
    """Return the ways to train a network on a device."""

    def way(**options: Any) -> Way:
        return Way(ours, {"network": network, **options})

    ways = {
        "plain loop, fp32, PNG files": Way(plain_gan if network == "gan" else plain_classifier),
        "ours, fp32": way(precision="fp32"),
        "ours": way(),
        "ours, streamed": way(streamed=True),
    }
    if setting.device == "cpu":
        return ways
    return ways | {
        "ours, eager": way(execution="eager"),
        "ours, compiled": way(execution="compiled"),
        "ours, fp16": way(precision="fp16"),
        "ours, deterministic": way(deterministic=True),
    }


def measure_training(setting: Setting, network: str) -> list[str]:
    """Measure the training of the GAN or the classifier; return Markdown lines."""
    products = {f"product, {name}": Way(product, {"precision": name}) for name in ("bf16", "fp32")}
    found = measure(training_ways(setting, network) | products, setting)
    ceiling = max(1000 * found.rate(name) for name in products if name in found.rates)
    for name in products:
        found.rates.pop(name, None)
    plain = "plain loop, fp32, PNG files"
    lines = table(found, WANTED[network] if setting.device == "cuda" else "")
    lines += ratios(
        found,
        [
            ("ours", plain, AIMS[network][setting.device]),
            ("ours, fp32", plain, "the same precision"),
            ("ours, streamed", "ours", "patches from disk, not from the device's memory"),
            ("ours, eager", "ours", "operations launched one by one"),
            ("ours, compiled", "ours", ""),
            ("ours, fp16", "ours", ""),
            ("ours, deterministic", "ours", ""),
        ],
    )[:-1]
    if "ours" in found.rates:
        each = operations(setting, network)
        lines.append(
            f"* share of the ceiling: {each * found.rate('ours') / ceiling:.0%} ({each / 1e9:.3f} GFLOP an image; the "
            f"fastest product of {setting.matrix} x {setting.matrix} matrices: {ceiling / 1e12:.3g} TFLOP/s)"
        )
    if network == "gan" and "ours" in found.rates:
        minutes = PAPER_PATCHES * PAPER_EPOCHS / found.rate("ours") / 60
        lines.append(f"* {PAPER_EPOCHS} epochs of {PAPER_PATCHES:,} patches would take {minutes:,.1f} minutes")
    return [*lines, ""]


def measure_generating(setting: Setting) -> list[str]:
    """Measure the making of a synthetic store; return Markdown lines."""
    ways = {
        "a synthetic store": Way(generating),
        "its latents alone": Way(latents_alone),
        "its images alone": Way(generators_alone),
        "its bytes to disk alone": Way(writing_alone),
    }
    found = measure(ways, setting)
    return table(found) + ratios(found, [("a synthetic store", other, "") for other in list(ways)[1:]])


def measure_several(setting: Setting) -> list[str]:
    """Measure GANs that train at once on one device, a process each; return Markdown lines."""
    one_thread = Setting(**vars(setting) | {"threads": 1 if setting.device == "cpu" else setting.threads})
    counts = (1, 2) if setting.device == "cpu" else (1, 2, 4)
    workers = [Worker(Way(ours, {"network": "gan"}), one_thread) for _ in range(counts[-1])]
    for worker in workers:
        worker.answer()
    rates: dict[int, list[float]] = {count: [] for count in counts}
    for turn in range(setting.rounds):
        for count in counts:
            start = time.perf_counter()
            for worker in workers[:count]:
                worker.start()
            images = sum(worker.answer()[0] for worker in workers[:count])
            rates[count].append(images / (time.perf_counter() - start))
            say(f"round {turn + 1} of {setting.rounds}: {count} at once")
    peak = max(worker.end() for worker in workers)
    lines = ["| GANs at once | images/s of all | x one |", "| ---: | ---: | ---: |"]
    for count in counts:
        gain = statistics.median(a / b for a, b in zip(rates[count], rates[1], strict=True))
        lines.append(f"| {count} | {statistics.median(rates[count]):,.0f} | {gain:.2f} |")
    threads = ", one CPU thread each" if setting.device == "cpu" else ""
    return [*lines, "", f"A process each{threads}; the peak of memory of each is {peak:,.0f} MiB.", ""]


MEASURE: dict[str, tuple[str, Callable[[Setting], list[str]]]] = {
    "gan": ("DCGAN", lambda setting: measure_training(setting, "gan")),
    "classifier": ("Classifier", lambda setting: measure_training(setting, "classifier")),
    "generate": ("Generating", measure_generating),
    "several": ("Several GANs at once", measure_several),
}


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, help="CPU threads (default: all cores; tiny: 1)")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--tiny", action="store_true", help="toy sizes: whether it works, in a minute")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--json", type=Path, help="write the lines to a file as well")
    chosen = parser.parse_args(arguments)
    threads = chosen.threads or (1 if chosen.tiny else os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as folder:
        setting = setting_for(
            Path(folder), chosen_device=chosen.device, threads=threads, rounds=chosen.rounds, tiny=chosen.tiny
        )
        make_patches(setting)
        compute = device.prepare(device=setting.device, precision="auto", threads=setting.threads)
        lines = [f"{compute}; torch {torch.__version__}; medians of {setting.rounds} rounds", ""]
        for part in chosen.parts:
            title, measured = MEASURE[part]
            lines += [f"#### {title}", "", *measured(setting)]
    print("\n".join(lines))
    if chosen.json:
        files.write_json(chosen.json, {"markdown": lines})


if __name__ == "__main__":
    main(sys.argv[1:])
