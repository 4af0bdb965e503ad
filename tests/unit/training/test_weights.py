"""Weights are tensors and text: whole, of the right kind, and never code."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pathgen_smk.models.classifiers.two_block_cnn import Classifier
from pathgen_smk.models.generators.dcgan import Generator
from pathgen_smk.training.weights import KEY, load_model, save_model

GENERATORS = "models.generators"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "generator.safetensors"
    save_model(path, Generator(5, 2), package=GENERATORS, architecture="dcgan")
    return path


def test_a_model_returns_with_its_weights_and_options(tmp_path: Path) -> None:
    for model, package, architecture in (
        (Generator(5, 2).to(memory_format=torch.channels_last), GENERATORS, "dcgan"),
        (Classifier(2, (4, 3), 24), "models.classifiers", "two_block_cnn"),
    ):
        save_model(tmp_path / "m", model, package=package, architecture=architecture)
        found = load_model(tmp_path / "m", package=package)
        assert type(found) is type(model) and found.options == model.options and not found.training
        state, again = model.state_dict(), found.state_dict()
        assert list(state) == list(again) and all(torch.equal(state[name], again[name]) for name in state)
        plain = load_file(tmp_path / "m")
        assert all(torch.equal(state[name], plain[name]) for name in state)


def header(**changes: object) -> dict[str, str]:
    known = {
        "package": GENERATORS,
        "architecture": "dcgan",
        "class": "Generator",
        "options": {"latent_size": 5, "width": 2},
    }
    return {KEY: json.dumps({name: value for name, value in (known | changes).items() if value is not None})}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"package": "models.classifiers"}, "not a model of"),
        ({"package": None}, "not a model of"),
        ({"architecture": "stylegan9"}, "stylegan9"),
        ({"architecture": "../dcgan"}, "dcgan"),
        ({"architecture": None}, ""),
        ({"class": None}, ""),
        ({"class": "Nothing"}, "do not fit"),
        ({"class": "build"}, "do not fit"),
        ({"class": "nn"}, "do not fit"),
        ({"class": "Discriminator"}, "do not fit"),
        ({"options": None}, ""),
        ({"options": {"latent_size": 5, "width": 4}}, "do not fit"),
        ({"options": {"widht": 2}}, "do not fit"),
        ({"options": {"width": -2}}, "do not fit"),
        ({"options": [5, 2]}, "do not fit"),
        ({"options": "{"}, "do not fit"),
        ({"architecture": 5}, ""),
    ],
    ids=str,
)
def test_a_header_that_does_not_fit_is_refused(path: Path, refused, changes: dict, problem: str) -> None:
    save_file(Generator(5, 2).state_dict(), path, header(**changes))
    with refused(path if "architecture" not in changes else "", problem):
        load_model(path, package=GENERATORS)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", '"x"'])
def test_a_header_that_is_no_object_is_refused(path: Path, refused, text: str) -> None:
    save_file(Generator(5, 2).state_dict(), path, {KEY: text})
    with refused(path):
        load_model(path, package=GENERATORS)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    model, contents = Generator(5, 2), set()
    for number in range(20):
        save_model(tmp_path / f"{number}", model, package=GENERATORS, architecture="dcgan")
        contents.add((tmp_path / f"{number}").read_bytes())
    assert len(contents) == 1


def test_weights_of_another_shape_or_name_are_refused(path: Path, refused) -> None:
    state = Generator(5, 2).state_dict()
    first = next(iter(state))
    for wrong in ({name: t for name, t in state.items() if name != first}, state | {"extra": torch.zeros(1)}):
        save_file(wrong, path, header())
        with refused(path, "do not fit"):
            load_model(path, package=GENERATORS)


@pytest.mark.parametrize("content", ["", "text", "cut", "first bytes", "missing"])
def test_a_file_that_is_not_whole_is_refused(path: Path, refused, content: str) -> None:
    whole = path.read_bytes()
    if content == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": whole[:-50], "first bytes": whole[:20]}.get(content, content.encode()))
    with refused(path):
        load_model(path, package=GENERATORS)


def test_pickled_code_is_neither_read_nor_run(path: Path, tmp_path: Path, refused) -> None:
    class Planted:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "trace",))

    torch.save({"weights": Planted()}, path)
    with refused(path):
        load_model(path, package=GENERATORS)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(path: Path, refused, value: float) -> None:
    tensors = load_file(path)
    tensors["layers.0.weight"].view(-1)[0] = value
    save_file(tensors, path, header())
    with refused("generator.safetensors", "is not finite"):
        load_model(path, package=GENERATORS)
