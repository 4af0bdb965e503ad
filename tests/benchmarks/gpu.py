"""All that a GPU must show, in stages: `python tests/benchmarks/gpu.py --out FOLDER [--minutes 9] [--tiny]`.

Takes the next stages that FOLDER has no result of, the most important first, until the minutes are over; the same
command, typed again, goes on. A stage is a process of its own, and its result is FOLDER/<stage>.json, written when it
is whole; trainings go on from their checkpoints. Each call ends with a Markdown section of all results so far, which
is also FOLDER/report.md: it is meant for docs/benchmarks.md. With `--tiny` everything is small, and it runs on a CPU
too, where it says what it left out.
"""

import argparse
import contextlib
import hashlib
import json
import logging
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import precision
import torch
import training_speed
from training_speed import Nowhere, context

from pathgen_smk import files, labels, stores
from pathgen_smk.errors import InputError, PassingError
from pathgen_smk.evaluation.figures import save_pair_of_grids
from pathgen_smk.evaluation.tables import METRICS
from pathgen_smk.models.classifiers.two_block_cnn import Classifier
from pathgen_smk.models.generators import dcgan
from pathgen_smk.processes import end_with
from pathgen_smk.training import device
from pathgen_smk.training.checkpoint import Checkpoint
from pathgen_smk.training.classifier import ClassifierSettings, ClassifierTrainer
from pathgen_smk.training.feed import ArrayPatches
from pathgen_smk.training.gan import GanSettings, GanTrainer
from pathgen_smk.training.generate import latents_of
from pathgen_smk.training.trainer import Trainer

KINDS = ("gan", "classifier")
KILLS = 3
GRACE = 25.0  # seconds that a stage gets to save its state when the time is up
SKIPPED = "skipped: "


@dataclass(frozen=True)
class Place:
    """Where and how a stage works.

    Attributes
    ----------
    device
        ``cpu`` or ``cuda``.
    out
        Folder of the results.
    tiny
        Whether sizes are toys.
    """

    device: str
    out: Path
    tiny: bool

    @property
    def threads(self) -> int:
        """CPU threads of each process."""
        return 1 if self.tiny else min(4, os.cpu_count() or 1)


# --- stage 1: does it work -------------------------------------------------------------------------------------------


def training(kind: str, compute: device.Compute, *, epochs: int = 2, seconds: float = 120.0) -> Trainer:
    """Return a training of some steps, whose last batch of an epoch is smaller."""
    gen = np.random.default_rng(5)
    images, truth = gen.integers(0, 256, (300, 64, 64, 3), np.uint8), np.arange(300, dtype=np.uint8) % 2
    patches = ArrayPatches(images, truth)
    usual: dict[str, Any] = {"seed": 3, "compute": compute, "checkpoint_seconds": seconds}
    if kind == "gan":
        generator, discriminator = device.build_seeded(dcgan.build, {"latent_size": 16, "width": 8}, seed=1)
        return GanTrainer(
            "GAN", generator, discriminator, patches, settings=GanSettings(epochs=epochs, batch_size=64),
            fixed_latents=latents_of(np.arange(8), 16), **usual,
        )  # fmt: skip
    return ClassifierTrainer(
        "classifier", device.build_seeded(Classifier, {"width": 8, "hidden": [32, 16]}, seed=1), patches, patches,
        settings=ClassifierSettings(epochs=epochs, batch_size=64, patience=10**6), **usual,
    )  # fmt: skip


def compute_on(place: Place, name: str = "fp32", **settings: Any) -> device.Compute:
    """Return where and how a check computes."""
    return device.prepare(device=place.device, precision=name, threads=1, **settings)


def tensors_of(trainer: Trainer) -> list[torch.Tensor]:
    """Return all that a training's steps change, on the CPU."""
    return [tensor.detach().cpu() for tensor in trainer._changing()]


def digest_of(trainer: Trainer) -> str:
    """Return a digest of all that a training's steps change, bit by bit."""
    digest = hashlib.sha256()
    for tensor in tensors_of(trainer):
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def largest_difference(one: Trainer, other: Trainer) -> float:
    """Return the largest difference between two trainings' weights, as a share of the largest weight of its tensor."""
    found = 0.0
    for role, model in one.models.items():
        for mine, theirs in zip(model.parameters(), other.models[role].parameters(), strict=True):
            difference = (mine.detach().cpu() - theirs.detach().cpu()).abs().max() / theirs.abs().max().cpu()
            found = max(found, difference.item())
    return found


def captured_is_eager(place: Place, kind: str) -> str:
    """A captured training has the bits of an eager one where algorithms are deterministic."""
    if place.device == "cpu":
        return f"{SKIPPED}a CPU has no CUDA graphs"
    one, other = (
        training(kind, compute_on(place, execution=name, deterministic=True)) for name in ("captured", "eager")
    )
    one.fit(Nowhere())
    other.fit(Nowhere())
    assert len(one._step._graphs) == 2, f"{len(one._step._graphs)} graphs for two sizes of batch"
    assert digest_of(one) == digest_of(other), f"they differ by {largest_difference(one, other):.1e}"
    return "the same bits after 10 steps"


def compiled_is_like_eager(place: Place, kind: str) -> str:
    """A compiled training comes close to an eager one."""
    if place.device == "cpu":
        return f"{SKIPPED}compiling for a CPU takes minutes, and a compiler"
    one, other = (training(kind, compute_on(place, execution=name), epochs=1) for name in ("compiled", "eager"))
    one.fit(Nowhere())
    other.fit(Nowhere())
    difference = largest_difference(one, other)
    assert difference < 0.05, f"weights differ by {difference:.1e}"
    return f"weights differ by {difference:.1e} after 5 steps"


def device_is_like_cpu(place: Place, kind: str) -> str:
    """A GPU's training in fp32 comes close to a CPU's."""
    if place.device == "cpu":
        return f"{SKIPPED}there is no GPU to compare with the CPU"
    steps = []
    for compute in (compute_on(place), device.prepare(device="cpu", precision="fp32", threads=1)):
        trainer = training(kind, compute)
        images, truth = next(iter(trainer._feed.batches(np.arange(64), 64)))
        second = truth if kind == "classifier" else latents_of(np.arange(64), 16).to(compute.device)
        trainer._step(64, images, second)  # latents drawn on a GPU are others than those drawn on a CPU
        steps.append(trainer)
    difference = largest_difference(*steps)
    # Adam's first step has the learning rate's size whatever the gradient's, so that rounding may turn its sign.
    assert difference < 0.02, f"weights differ by {difference:.1e}"
    return f"weights differ by {difference:.1e} after a step"


def precisions_work(place: Place, kind: str) -> str:
    """Losses are finite in each precision, and near those of fp32."""
    found = {}
    for name in device.PRECISIONS:
        trainer = training(kind, compute_on(place, name))
        trainer.fit(Nowhere())
        found[name] = trainer.history[-1][trainer.MEASURES[0]]
        assert abs(found[name] - found["fp32"]) < 0.1 * found["fp32"], f"losses {found}"
    return "losses after 10 steps: " + ", ".join(f"{name} {loss:.4f}" for name, loss in found.items())


def live(place: Place, kind: str, folder: Path) -> None:
    """Train to the end, or until this process is killed; leave a digest."""
    trainer = training(kind, compute_on(place, "auto", deterministic=True), epochs=12, seconds=0.0)
    trainer.fit(Checkpoint(folder / "state.pt", "training"))
    (folder / "digest").write_text(digest_of(trainer))


def resumes_bit_by_bit(place: Place, kind: str) -> str:
    """A training that is killed and goes on has the bits of one that was left alone, in deterministic mode."""
    folders = {name: place.out / f"killed-{kind}" / name for name in ("alone", "killed")}
    shutil.rmtree(place.out / f"killed-{kind}", ignore_errors=True)
    moments, kills = random.Random(1), 0
    for name, folder in folders.items():
        folder.mkdir(parents=True)
        while not (folder / "digest").exists():
            process = context().Process(target=live, args=(place, kind, folder))
            process.start()
            if name == "killed" and kills < KILLS:
                _await_new_state(folder / "state.pt", process)
                time.sleep(moments.uniform(0, 0.05))
                process.kill()
            process.join()
            kills += process.exitcode == -signal.SIGKILL
            assert process.exitcode in (0, -signal.SIGKILL), f"exit code {process.exitcode}"
    alone, killed = ((folder / "digest").read_text() for folder in folders.values())
    assert alone == killed, f"other bits after {kills} kills"
    return f"the same bits after {kills} kills"


def _await_new_state(path: Path, process: Any) -> None:
    """Wait until a process has saved a state later than any that was there."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.is_alive() and (not path.exists() or path.stat().st_mtime_ns == before):
        time.sleep(0.01)


def memory_is_explained(place: Place) -> str:
    """A batch that no card holds is refused in one line, and the part that it names works."""
    if place.device == "cpu":
        return f"{SKIPPED}what is too much for a CPU's memory ends the process"
    compute = compute_on(place)
    count = compute.free_bytes() // 2**20  # a patch takes some MiB of activations, and 12 KiB itself
    patches = ArrayPatches(np.broadcast_to(np.uint8(99), (count, 64, 64, 3)), np.zeros(count, np.uint8))

    def absurd(part: int | None) -> GanTrainer:
        generator, discriminator = device.build_seeded(dcgan.build, {}, seed=1)
        settings = GanSettings(epochs=1, batch_size=count, micro_batch_size=part)
        fixed = latents_of(np.arange(8), 100)
        return GanTrainer(
            "GAN", generator, discriminator, patches, settings=settings, fixed_latents=fixed, seed=1, compute=compute
        )

    trainer = absurd(None)
    try:
        trainer.fit(Nowhere())
    except InputError as error:
        message = str(error)
    else:
        raise AssertionError(f"a batch of {count:,} was taken")
    assert "out of memory" in message and "micro_batch_size: " in message, message
    part = int(message.split("set micro_batch_size: ")[1].split(",")[0])
    del trainer
    torch.cuda.empty_cache()
    absurd(part).fit(Nowhere())
    return f"'{message}'; a training with it works"


CHECKS: dict[str, Callable[..., str]] = {
    "a captured step is an eager one": captured_is_eager,
    "resumed after kills, deterministic": resumes_bit_by_bit,
    "fp32, bf16 and fp16 work": precisions_work,
    "a step as on the CPU": device_is_like_cpu,
    "compiled is like eager": compiled_is_like_eager,
}


def check(place: Place) -> list[str]:
    """Stage: all checks, each in a process of its own."""
    calls: dict[str, tuple] = {
        f"{name}: {kind}": (function, place, kind) for name, function in CHECKS.items() for kind in KINDS
    }
    calls["out of memory is explained: gan"] = (memory_is_explained, place)
    done = place.out / "checks-done.json"
    passed = json.loads(done.read_text()) if done.exists() else {}
    lines, failures = ["| check | result |", "| --- | --- |"], 0
    for name, (function, *arguments) in calls.items():
        if name not in passed:
            try:
                with ProcessPoolExecutor(1, mp_context=context()) as pool:
                    passed[name] = pool.submit(function, *arguments).result()
                files.write_json(done, passed)
            # Whatever is wrong with one check, the others tell something too.
            except Exception as error:
                passed[name] = f"FAILED: {type(error).__name__}: {' '.join(str(error).split())[:400]}"
                failures += 1
        training_speed.say(f"{name}: {passed[name]}")
        lines.append(f"| {name} | {passed[name].replace('|', '/')} |")
    return [*lines, "", f"{failures} of {len(calls)} failed.", ""]


# --- stages 2 and 4: speed -------------------------------------------------------------------------------------------


def speed_of(part: str) -> Callable[[Place], list[str]]:
    """Return the stage that measures a part of training_speed.py."""

    def stage(place: Place) -> list[str]:
        result = place.out / "speed" / f"{part}.json"
        training_speed.main(
            ["--device", place.device, "--parts", part, "--json", str(result), "--threads", str(place.threads)]
            + ["--rounds", "3"] + ["--tiny"] * place.tiny
        )  # fmt: skip
        return json.loads(result.read_text())["markdown"]

    return stage


# --- stage 3: the whole experiment -----------------------------------------------------------------------------------


def experiment(place: Place) -> list[str]:
    """Stage: the paper's experiment on phantom patches, both GANs at once on the card."""
    scale = precision.TINY if place.tiny else precision.Scale()
    folder = place.out / "experiment"
    compute = {"device": place.device, "precision": "auto", "threads": place.threads}
    run = precision.Run(folder, scale.originals(folder), scale, 1, compute)
    at_once([(run.train_gan, label) for label in labels.NAMES])
    timed(folder / "generating.json", run.generate)
    for arm in precision.ARMS:
        run.train_classifier(arm)
    draw(run, place.out)
    lines = ["| training | images/s | epochs | minutes | memory, MiB |", "| --- | ---: | ---: | ---: | ---: |"]
    for label in labels.NAMES:
        lines.append(training_row(run, f"gan-{label}", scale.train))
    for arm in precision.ARMS:
        lines.append(training_row(run, f"classifier-{arm}", 2 * scale.train))
    seconds = json.loads((folder / "generating.json").read_text())["seconds"]
    lines += [
        "",
        f"{scale.synthetic:,} synthetic patches were made in {seconds:.1f} s, loading of the models included.",
    ]
    lines += ["The GANs trained at once, the classifiers one after the other. All arms are validated on originals.", ""]
    return [*lines, *table2(run)]


def at_once(calls: list[tuple[Callable[[Any], None], Any]]) -> None:
    """Make calls in processes of their own, all at once; those that are told to end save their state first."""
    told: list[int] = []
    previous = signal.signal(signal.SIGTERM, lambda number, _: told.append(number))  # the trainings answer it
    try:
        spawn = get_context("spawn")  # a fork server would be ended by the signal, and its children lost
        with ProcessPoolExecutor(len(calls), spawn, begin_beside, (os.getpid(),)) as pool:
            jobs = [pool.submit(function, argument) for function, argument in calls]
        for job in jobs:
            job.result()
    except BrokenProcessPool as error:
        if not told:
            raise
        raise PassingError("ended before the trainings had begun") from error
    finally:
        signal.signal(signal.SIGTERM, previous)


def begin_beside(other: int) -> None:
    """Prepare a process that ends with another one."""
    end_with(other)
    log_to_terminal()


def timed(path: Path, function: Callable[[], None]) -> None:
    """Call a function and note its seconds, unless they are noted already."""
    if not path.exists():
        start = time.perf_counter()
        function()
        files.write_json(path, {"seconds": time.perf_counter() - start})


def training_row(run: precision.Run, name: str, count: int) -> str:
    """Return a Markdown row of a training's speed; `count` is the number of patches of an epoch."""
    rate = run.history(name)["images_per_second"].median()
    summary = json.loads((run.folder / name / "summary.json").read_text())
    epochs = summary["epochs_run"]
    minutes = epochs * count / rate / 60
    return f"| {name} | {rate:,.0f} | {epochs} | {minutes:.2f} | {summary.get('peak_gpu_mib', '-')} |"


def table2(run: precision.Run) -> list[str]:
    """Return Table 2 as Markdown lines."""
    lines = [f"| arm | {' | '.join(METRICS)} | n_test |", f"| --- | {'---: | ' * (len(METRICS) + 1)}".rstrip()]
    for arm in precision.ARMS:
        found = run.metrics(arm)
        lines.append(f"| {arm} | {' | '.join(f'{found[name]:.3f}' for name in METRICS)} | {found['n_test']:,} |")
    return [*lines, ""]


def draw(run: precision.Run, out: Path) -> None:
    """Draw 64 originals and 64 synthetics of each class, FOLDER/samples-<class>.png."""
    for number, label in enumerate(labels.NAMES):
        pair = []
        for store in (run.originals["train"], run.synthetic):
            images, truth = stores.read_first(store, 128)
            pair.append(images[truth == number])
        save_pair_of_grids(out / f"samples-{label}.png", pair[0], pair[1], f"{label} phantom patches")


# --- stage 5: precision ----------------------------------------------------------------------------------------------


def precisions(place: Place) -> list[str]:
    """Stage: precision.py, all trainings of GANs at once."""
    scale = precision.scale_for(place.device, tiny=place.tiny)
    runs = precision.plan(place.out / "precision", scale, device=place.device, threads=place.threads)
    for label in labels.NAMES:
        at_once([(run.train_gan, label) for run in runs.values()])
    for run in runs.values():
        run.run()
    return precision.report(runs)


# --- stages ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """A stage: its heading, what does it, and how many seconds it takes at most before it is better begun next time."""

    title: str
    function: Callable[[Place], list[str]]
    seconds: float


STAGES = {
    "checks": Stage("Checks", check, 200),
    "speed-gan": Stage("Speed of training a DCGAN", speed_of("gan"), 300),
    "speed-classifier": Stage("Speed of training a classifier", speed_of("classifier"), 240),
    "experiment": Stage("The paper's experiment on phantom patches", experiment, 60),
    "several": Stage("Several GANs at once", speed_of("several"), 150),
    "generating": Stage("Speed of generating", speed_of("generate"), 120),
    "precision": Stage("Precision", precisions, 60),
}


def log_to_terminal() -> None:
    """Show the progress of trainings."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")


def take(name: str, place: Place) -> int:
    """Take a stage in this process; return its exit code: 0 whole, 3 it goes on next time, 1 failed."""
    log_to_terminal()
    try:
        lines = STAGES[name].function(place)
    except PassingError as error:
        training_speed.say(str(error))
        return 3
    # Told in the report, so that later stages still have their turn.
    except Exception:
        files.write_text(place.out / f"{name}.failed", traceback.format_exc())
        traceback.print_exc()
        return 1
    files.write_json(place.out / f"{name}.json", {"markdown": lines})
    (place.out / f"{name}.failed").unlink(missing_ok=True)
    return 0


def take_all(place: Place, seconds: float, only: list[str]) -> None:
    """Take the next stages, each in a process of its own, until the time is up."""
    end = time.monotonic() + seconds
    for number, name in enumerate(only):
        left = end - time.monotonic() - GRACE
        if (place.out / f"{name}.json").exists():
            continue
        if left < (STAGES[name].seconds if not place.tiny else 0):
            training_speed.say(f"{name}: not begun, {left:.0f} s are left of this call")
            if left < 60 or number == 0:
                return
            continue
        training_speed.say(f"stage {name}: {left:.0f} s are left of this call")
        arguments = ["--out", str(place.out), "--stage", name, "--device", place.device, *["--tiny"] * place.tiny]
        process = subprocess.Popen([sys.executable, __file__, *arguments], start_new_session=True)
        try:
            process.wait(left)
        except subprocess.TimeoutExpired:
            training_speed.say(f"{name}: the time is up; it goes on, or begins again, with the next call")
            end_group(process)
            return
        except KeyboardInterrupt:
            end_group(process)
            raise


def end_group(process: subprocess.Popen) -> None:
    """Tell a stage and its processes to end, and make them end."""
    os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def machine(place: Place) -> list[str]:
    """Return Markdown lines that say what was measured on."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}"
    versions += f", pandas {pd.__version__}"
    lines = [f"* date: {date.today().isoformat()}" + (", toy sizes: no measurement" if place.tiny else "")]
    if place.device == "cpu":
        return [*lines, f"* a CPU, {os.cpu_count()} core(s): no GPU", f"* {versions}", ""]
    card = torch.cuda.get_device_properties(0)
    capability = f"{card.major}.{card.minor}"
    return [
        *lines,
        f"* card: {card.name}, {card.total_memory / 2**30:.0f} GiB, compute capability {capability}, driver {driver()}",
        f"* {versions}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}; {os.cpu_count()} CPU cores",
        "",
    ]


def driver() -> str:
    """Return the version of the GPU's driver."""
    try:
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        return subprocess.run(asked, capture_output=True, text=True, check=True, timeout=30).stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown"


def report(place: Place) -> str:
    """Return the Markdown section of all results so far."""
    lines = ["## GPU", "", *machine(place)]
    for name, stage in STAGES.items():
        result = place.out / f"{name}.json"
        lines += [f"### {stage.title}", ""]
        if result.exists():
            lines += json.loads(result.read_text())["markdown"]
        elif (place.out / f"{name}.failed").exists():
            lines += [f"FAILED: {(place.out / f'{name}.failed').read_text().splitlines()[-1]}", ""]
        else:
            lines += ["Not finished yet.", ""]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Take stages and print what there is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--minutes", type=float, default=9, help="that this call takes at most (default: %(default)s)")
    parser.add_argument("--tiny", action="store_true", help="toy sizes: whether it works, in minutes, on a CPU too")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="only these")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)  # in this process
    chosen = parser.parse_args(arguments)
    found = "cuda" if torch.cuda.is_available() else "cpu"
    place = Place(found if chosen.device == "auto" else chosen.device, chosen.out.resolve(), chosen.tiny)
    if place.device == "cpu" and not place.tiny:
        parser.error("there is no GPU; with --tiny it runs on a CPU")
    place.out.mkdir(parents=True, exist_ok=True)
    if chosen.stage:
        return take(chosen.stage, place)
    take_all(place, 60 * chosen.minutes, chosen.stages)
    files.write_text(place.out / "report.md", report(place))
    print(report(place))
    return 0 if all((place.out / f"{name}.json").exists() for name in chosen.stages) else 3


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
