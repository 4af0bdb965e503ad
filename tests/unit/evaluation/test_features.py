"""Feature spaces, against scikit-learn, torchvision and timm themselves; what a user gives wrong is one line."""

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.models
from safetensors.torch import load_file, save_file
from sklearn.decomposition import PCA
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor
from torchvision.transforms import v2

from pathgen_smk import plugins
from pathgen_smk.evaluation.features import Encoder, _networks, encode
from pathgen_smk.evaluation.features import pca as pca_module
from pathgen_smk.models.classifiers.two_block_cnn import Classifier
from pathgen_smk.training.device import Compute, build_seeded, normalise
from pathgen_smk.training.feed import ArrayPatches
from pathgen_smk.training.weights import save_model

NOISE = np.random.default_rng(0).integers(0, 256, (9, 24, 24, 3), np.uint8)
IMAGES = (NOISE * np.linspace(0.1, 1, 9)[:, None, None, None]).astype(np.uint8)  # from dark to bright
VIT = {"architecture": "vit_tiny_patch16_224", "arguments": {"img_size": 32, "depth": 1}, "image_size": 32}


def make(name: str, options: dict[str, Any], compute: Compute, fit_on: np.ndarray = IMAGES) -> Encoder:
    return plugins.load("evaluation.features", name).encoder(options, fit_on, compute=compute)


def save_torchvision(path: Path, name: str = "resnet18") -> nn.Module:
    """Write random weights of a network, its running statistics included, and return it."""
    given = {"init_weights": False} if name == "googlenet" else {}
    network = build_seeded(torchvision.models.get_model, {"name": name, "weights": None, **given}, 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, 0, 0.1)
                nn.init.uniform_(module.running_var, 0.5, 2)
    save_file(network.state_dict(), path) if path.suffix == ".safetensors" else torch.save(network.state_dict(), path)
    return network.eval()


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nn.Module]:
    path = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    return path, save_torchvision(path)


def prepared(size: int) -> torch.Tensor:
    """Return the images as torchvision's own transforms prepare them."""
    steps = [v2.ToDtype(torch.float32, scale=True), v2.Resize((size, size), antialias=True)]
    steps.append(v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    return v2.Compose(steps)(torch.from_numpy(IMAGES).permute(0, 3, 1, 2))


def check_form(found: np.ndarray, width: int) -> None:
    assert found.shape == (len(IMAGES), width) and found.dtype == np.float32 and np.isfinite(found).all()
    assert found.std(axis=0).max() > 1e-3  # not the same for all


def test_pca_is_scikit_learns(compute: Compute) -> None:
    encoder = make("pca", {"seed": 11}, compute)
    flat = IMAGES.reshape(len(IMAGES), -1).astype(np.float32) / np.float32(255)
    outsider = PCA(8, svd_solver="randomized", random_state=11).fit(flat)
    found = encoder(IMAGES)
    check_form(found, 8)
    assert found == pytest.approx(outsider.transform(flat), abs=1e-5)
    assert np.array_equal(make("pca", {"seed": 11}, compute)(IMAGES), found)
    assert encoder(IMAGES[:1]) == pytest.approx(found[:1], abs=1e-5)


def test_pca_has_64_components_and_fits_on_a_random_part(compute: Compute, monkeypatch: pytest.MonkeyPatch) -> None:
    many = np.random.default_rng(1).integers(0, 256, (90, 8, 8, 3), np.uint8)
    assert make("pca", {"seed": 2}, compute, many)(many).shape == (90, 64)
    whole = make("pca", {"seed": 2}, compute, many)(many)
    monkeypatch.setattr(pca_module, "MOST_PATCHES", 50)
    part = make("pca", {"seed": 2}, compute, many)(many)
    assert part.shape == (90, 49) and not np.allclose(part[:, :5], whole[:, :5])
    assert make("pca", {"seed": 2**63}, compute, many)(many).shape == (90, 49)


@pytest.mark.filterwarnings("error")
def test_pca_of_identical_patches_is_zero(compute: Compute) -> None:
    same = np.full_like(IMAGES, 200)
    assert make("pca", {"seed": 1}, compute, same)(same) == pytest.approx(0, abs=1e-4)


def test_pca_refuses_what_it_cannot_fit_or_project(compute: Compute, refused) -> None:
    for count in (0, 1):
        with refused("pca", "at least 2", count):
            make("pca", {"seed": 1}, compute, IMAGES[:count])
    with refused("pca", "12 px", "24 px"):
        make("pca", {"seed": 1}, compute)(IMAGES[:, :12, :12])


def test_classifier_features_through_the_last_layer_are_the_logits(compute: Compute, tmp_path: Path) -> None:
    model = build_seeded(Classifier, {"width": 4, "hidden": (16, 5), "image_size": 24}, 1).eval()
    save_model(tmp_path / "c", model, package="models.classifiers", architecture="two_block_cnn")
    found = make("classifier", {"weights": str(tmp_path / "c")}, compute)(IMAGES)
    check_form(found, 5)
    with torch.inference_mode():
        logits = model(normalise(torch.from_numpy(IMAGES).permute(0, 3, 1, 2)))
        again = model.layers[-1](torch.from_numpy(found))
    assert torch.allclose(again, logits, atol=1e-5) and logits.std() > 0


def test_a_classifier_of_other_images_is_refused(compute: Compute, tmp_path: Path, refused) -> None:
    model = Classifier(2, (4, 3), 32)
    save_model(tmp_path / "c", model, package="models.classifiers", architecture="two_block_cnn")
    with refused("classifier", "24 px"):
        make("classifier", {"weights": tmp_path / "c"}, compute)
    with refused("classifier", "no training originals"):
        make("classifier", {"weights": tmp_path / "c"}, compute, IMAGES[:0])
    with refused(tmp_path / "none"):
        make("classifier", {"weights": tmp_path / "none"}, compute)


@pytest.mark.parametrize("size", [16, 24, 64])
def test_torchvision_features_are_torchvisions(compute: Compute, resnet: tuple, size: int) -> None:
    path, network = resnet
    options = {"architecture": "resnet18", "weights": path, "image_size": size}
    found = make("torchvision", options, compute)(IMAGES)
    check_form(found, 512)
    with torch.inference_mode():
        expected = create_feature_extractor(network, {"flatten": "found"})(prepared(size))["found"]
    assert found == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-4)


def test_features_do_not_depend_on_batches(compute: Compute, resnet: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"architecture": "resnet18", "weights": resnet[0], "image_size": 32}
    whole = make("torchvision", options, compute)(IMAGES)
    monkeypatch.setattr(_networks, "BATCH", 4)
    assert make("torchvision", options, compute)(IMAGES) == pytest.approx(whole, rel=1e-4, abs=1e-5)


def test_lower_precision_gives_nearly_the_same_as_float32(compute: Compute, resnet: tuple) -> None:
    options = {"architecture": "resnet18", "weights": resnet[0], "image_size": 32}
    whole = make("torchvision", options, compute)(IMAGES)
    low = make("torchvision", options, Compute(torch.device("cpu"), torch.bfloat16))(IMAGES)
    assert low.dtype == np.float32 and np.corrcoef(low.ravel(), whole.ravel())[0, 1] > 0.99
    assert not np.array_equal(low, whole)


@pytest.mark.parametrize("nested", [None, "state_dict", "model"])
def test_weights_that_torch_wrote_are_read(compute: Compute, resnet: tuple, tmp_path: Path, nested: str | None) -> None:
    state = load_file(resnet[0])
    torch.save({nested: state, "epoch": 3} if nested else state, tmp_path / "w.pth")
    options = {"architecture": "resnet18", "image_size": 32}
    found = [
        make("torchvision", options | {"weights": path}, compute)(IMAGES) for path in (tmp_path / "w.pth", resnet[0])
    ]
    assert np.array_equal(*found)


def test_networks_that_convert_their_inputs_do(compute: Compute, tmp_path: Path) -> None:
    network = save_torchvision(tmp_path / "w.pth", "googlenet")
    network.transform_input = True
    found = make("torchvision", {"architecture": "googlenet", "weights": tmp_path / "w.pth", "image_size": 64}, compute)
    caught: list[torch.Tensor] = []
    network.fc.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    with torch.inference_mode():
        network(prepared(64))
    assert found(IMAGES) == pytest.approx(caught[0].numpy(), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", ["resnet", "fasterrcnn_resnet50_fpn", "", "../resnet18"])
def test_unknown_torchvision_networks_are_refused(compute: Compute, resnet: tuple, refused, name: str) -> None:
    with refused("torchvision", f"'{name}'" if name else "'architecture'"):
        make("torchvision", {"architecture": name, "weights": resnet[0]}, compute)


def test_a_network_without_a_linear_layer_is_refused(compute: Compute, tmp_path: Path, refused) -> None:
    save_torchvision(tmp_path / "w.pth", "squeezenet1_1")
    with refused("SqueezeNet", "no linear layer"):
        make("torchvision", {"architecture": "squeezenet1_1", "weights": tmp_path / "w.pth"}, compute)


@pytest.mark.parametrize("encoder", ["classifier", "torchvision", "timm"])
def test_missing_options_are_named(compute: Compute, refused, encoder: str) -> None:
    with refused(encoder, "'weights'"):
        make(encoder, {"architecture": "resnet18"}, compute)


def broken(kind: str, state: dict[str, torch.Tensor]) -> Any:
    """Return a state_dict that does not fit."""
    changed = {
        "lacks": {name: tensor for name, tensor in state.items() if name not in ("conv1.weight", "fc.bias")},
        "extra": state | {"other.weight": torch.zeros(1)},
        "shape": state | {"conv1.weight": torch.zeros(64, 3, 3, 3)},
        "nan": state | {"conv1.weight": torch.full((64, 3, 7, 7), torch.nan)},
        "numbers": {"conv1.weight": 5},
        "list": [torch.zeros(1)],
        "nothing": {},
    }
    return changed[kind]


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("lacks", "it lacks 'conv1.weight' and 1 more"),
        ("extra", "no 'other.weight'"),
        ("shape", "'conv1.weight' is (64, 3, 3, 3), not (64, 3, 7, 7)"),
        ("nan", "'conv1.weight' is not finite"),
        ("numbers", "does not hold tensors by name"),
        ("list", "does not hold tensors by name"),
        ("nothing", "does not hold tensors by name"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    compute: Compute, resnet: tuple, tmp_path: Path, refused, kind: str, problem: str
) -> None:
    torch.save(broken(kind, load_file(resnet[0])), tmp_path / "w.pt")
    with refused(tmp_path / "w.pt", problem):
        make("torchvision", {"architecture": "resnet18", "weights": tmp_path / "w.pt"}, compute)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"text", b"PK\x03\x04", "cut"], ids=str)
def test_files_that_are_no_weights_are_refused(
    compute: Compute, resnet: tuple, tmp_path: Path, refused, suffix: str, content: bytes | str | None
) -> None:
    path = tmp_path / f"w{suffix}"
    if content is not None:
        whole = tmp_path / f"whole{suffix}"
        state = {"a": torch.zeros(9)}
        save_file(state, whole) if suffix == ".safetensors" else torch.save(state, whole)
        path.write_bytes(whole.read_bytes()[:-20] if isinstance(content, str) else content)
    with refused(path):
        make("torchvision", {"architecture": "resnet18", "weights": path}, compute)


def test_pickled_code_is_not_run(compute: Compute, tmp_path: Path, refused) -> None:
    class Planted:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "trace",))

    torch.save({"conv1.weight": Planted()}, tmp_path / "w.pth")
    with refused(tmp_path / "w.pth", "more than tensors"):
        make("torchvision", {"architecture": "resnet18", "weights": tmp_path / "w.pth"}, compute)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize(
    ("options", "width"), [({"architecture": "resnet10t", "image_size": 64}, 512), (VIT, 192)], ids=["cnn", "vit"]
)
def test_timm_features_are_timms(compute: Compute, tmp_path: Path, options: dict, width: int, head: bool) -> None:
    timm = pytest.importorskip("timm")
    build = {"model_name": options["architecture"], "num_classes": 5 if head else 0, **options.get("arguments", {})}
    network = build_seeded(timm.create_model, build, 3).eval()
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    found = make("timm", options | {"weights": tmp_path / "w.safetensors"}, compute)(IMAGES)
    check_form(found, width)
    with torch.inference_mode():
        maps = network.forward_features(prepared(options["image_size"]))
        expected = network.forward_head(maps, pre_logits=True)
    assert found == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-4)


def test_what_timm_does_not_take_is_refused(compute: Compute, tmp_path: Path, refused) -> None:
    timm = pytest.importorskip("timm")
    network = timm.create_model(VIT["architecture"], num_classes=0, **VIT["arguments"])
    path = tmp_path / "w.safetensors"
    save_file(network.state_dict(), path)
    for name in ("no_such_net", "hf-hub:someone/something"):
        with refused("timm", f"'{name}'"):
            make("timm", VIT | {"weights": path, "architecture": name}, compute)
    with refused("vit_tiny_patch16_224", "24 px", "match"):
        make("timm", VIT | {"weights": path, "image_size": 48}, compute)
    with refused("vit_tiny_patch16_224", "deph"):
        make("timm", VIT | {"weights": path, "arguments": {"deph": 1}}, compute)
    with refused(path, "lacks 'blocks.1"):
        make("timm", VIT | {"weights": path, "arguments": {"img_size": 32, "depth": 2}}, compute)


def test_a_missing_timm_is_named(compute: Compute, resnet: tuple, refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with refused("library timm"):
        make("timm", {"architecture": "resnet18", "weights": resnet[0]}, compute)


def patches(count: int = 9) -> ArrayPatches:
    return ArrayPatches(IMAGES[:count], np.zeros(count, np.uint8))


def means(images: np.ndarray) -> np.ndarray:
    return images.mean(axis=(1, 2), dtype=np.float32)


@pytest.mark.parametrize("batch", [1, 4, 9, 1024])
def test_encode_reads_in_batches_and_keeps_the_order(caplog: pytest.LogCaptureFixture, batch: int) -> None:
    caplog.set_level(logging.INFO, "pathgen_smk")
    sizes: list[int] = []

    def counted(images: np.ndarray) -> np.ndarray:
        sizes.append(len(images))
        return means(images)

    assert np.array_equal(encode("means", counted, patches(), batch=batch), means(IMAGES))
    assert max(sizes) <= batch and sum(sizes) == 9
    rows = np.array([7, 0, 7, 3])
    assert np.array_equal(encode("means", means, patches(), rows, batch=batch), means(IMAGES[rows]))
    assert "features means: 9 of 9 patches" in caplog.text


def test_features_that_are_not_finite_are_refused(refused) -> None:
    def odd(images: np.ndarray) -> np.ndarray:
        return np.where((images == IMAGES[6]).all(axis=(1, 2, 3))[:, None], np.nan, means(images))

    with refused("features odd", "patch 6 "):
        encode("odd", odd, patches(), batch=4)
    with refused("features odd", "no patches"):
        encode("odd", odd, patches(), np.array([], np.int64))


def test_the_modules_named_as_libraries_are_not_taken_for_them() -> None:
    own = plugins.load("evaluation.features", "torchvision")
    assert own.torchvision.models is torchvision.models
    assert plugins.available("evaluation.features") == ["classifier", "pca", "timm", "torchvision"]
