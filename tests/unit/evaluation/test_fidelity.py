"""Fidelity metrics, against torch-fidelity, the prdc package and closed forms."""

import numpy as np
import pytest
import torch

from pathgen_smk import plugins
from pathgen_smk.evaluation.fidelity import _common, fd, fld, kd, prdc

METRICS = plugins.available("evaluation.fidelity")
KEYS = {
    "fd": {"fd"},
    "kd": {"kd"},
    "prdc": {"precision", "recall", "density", "coverage"},
    "fld": {"fld", "fld_gap"},
}


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def normal(*shape: int, seed: int = 0, shift: float = 0.0, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=shape) * scale + shift).astype(np.float32)


def measure(name: str, *sets: np.ndarray) -> dict[str, float]:
    return plugins.load("evaluation.fidelity", name).measure(*sets, gen=rng())


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_returns_its_numbers_and_the_same_each_time(name: str) -> None:
    sets = normal(60, 4), normal(50, 4, seed=1, shift=0.3), normal(40, 4, seed=2)
    before = [features.copy() for features in sets]
    found = measure(name, *sets)
    assert found.keys() == KEYS[name] and np.isfinite(list(found.values())).all()
    assert all(type(value) is float for value in found.values())
    assert measure(name, *sets) == found
    assert all(np.array_equal(features, copy) for features, copy in zip(sets, before, strict=True))


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (normal(0, 4), "there are 0 patches"),
        (normal(1, 4), "there are 1 patches"),
        (normal(20, 4)[:, 0], "shape is (20,)"),
        (normal(20, 0), "shape is (20, 0)"),
        (np.where(np.arange(80).reshape(20, 4) == 13, np.nan, 1), "the first is 3"),
        (np.where(np.arange(80).reshape(20, 4) >= 77, np.inf, 1), "1 patches have NaN or infinity"),
    ],
    ids=["empty", "one", "flat", "no features", "nan", "infinity"],
)
def test_features_that_cannot_be_measured_are_refused(
    refused, name: str, which: int, broken: np.ndarray, problem: str
) -> None:
    sets = [normal(20, 4) for _ in range(3)]
    sets[which] = broken
    with refused(_common.NAMES[which], problem):
        measure(name, *sets)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("which", [1, 2])
def test_features_of_two_encoders_are_refused(refused, name: str, which: int) -> None:
    sets = [normal(20, 4) for _ in range(3)]
    sets[which] = normal(20, 5)
    with refused(_common.NAMES[which], "5 features", "4; take one encoder"):
        measure(name, *sets)


def test_prdc_needs_one_patch_more_than_neighbours(refused) -> None:
    enough, few = normal(prdc.NEAREST_K + 1, 3), normal(prdc.NEAREST_K, 3)
    measure("prdc", enough, enough, enough)
    with refused(_common.NAMES[1], "at least 6"):
        measure("prdc", enough, few, enough)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("constant", [0.0, 0.1, 1e6])
@pytest.mark.parametrize("which", [(0,), (1,), (0, 1), (0, 1, 2)])
def test_identical_patches_give_finite_numbers(name: str, constant: float, which: tuple) -> None:
    sets = [normal(20, 4, seed=seed) + np.float32(constant) for seed in range(3)]
    for number in which:
        sets[number] = np.full((20, 4), constant, np.float32)
    found = measure(name, *sets)
    assert np.isfinite(list(found.values())).all()
    if which == (0, 1, 2):
        assert all(value == pytest.approx(0, abs=1e-3) for value in found.values())


@pytest.mark.parametrize("count", [8, 300])  # fewer than features, and more
def test_fd_is_torch_fidelitys(count: int) -> None:
    outsider = pytest.importorskip("torch_fidelity.metric_fid")
    real, synthetic = normal(count, 32, scale=3), normal(count + 5, 32, seed=1, shift=0.5)
    statistics = [
        outsider.fid_features_to_statistics(torch.from_numpy(features.astype(np.float64)))
        for features in (real, synthetic)
    ]
    expected = outsider.fid_statistics_to_metric(*statistics, verbose=False)[outsider.KEY_METRIC_FID]
    assert measure("fd", real, synthetic, real)["fd"] == pytest.approx(expected, rel=1e-5)


def test_fd_of_known_gaussians() -> None:
    def exact(mean: np.ndarray, deviations: np.ndarray) -> np.ndarray:
        """Return features with exactly this mean and diagonal covariance."""
        white = np.linalg.qr(normal(200, len(mean)) - normal(200, len(mean)).mean(0))[0] * np.sqrt(199)
        return white * deviations + mean

    first, second = (np.array([1.0, -2, 0, 5]), np.array([1.0, 2, 3, 0])), (np.array([0.0, 0, 2, 5]), np.ones(4))
    expected = sum(np.square(a - b).sum() for a, b in zip(first, second, strict=True))
    real = exact(*first)
    assert measure("fd", real, exact(*second), real)["fd"] == pytest.approx(expected)
    assert measure("fd", real, real, real)["fd"] == pytest.approx(0, abs=1e-9)


def test_fd_is_zero_for_equal_sets_of_fewer_patches_than_features() -> None:
    features = normal(20, 200, scale=100, shift=1000)
    assert measure("fd", features, features[::-1], features)["fd"] == pytest.approx(0, abs=1e-6)


def test_kd_is_torch_fidelitys() -> None:
    outsider = pytest.importorskip("torch_fidelity.metric_kid")
    real, synthetic = normal(120, 16), normal(120, 16, seed=1, shift=0.4)
    expected = outsider.kid_features_to_metric(
        *(torch.from_numpy(features.astype(np.float64)) for features in (real, synthetic)),
        kid_subsets=1,
        kid_subset_size=120,
        verbose=False,
    )
    assert measure("kd", real, synthetic, real)["kd"] == pytest.approx(expected[outsider.KEY_METRIC_KID_MEAN], rel=1e-9)


def test_kd_of_subsets_is_that_of_the_whole_but_for_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    real, synthetic = normal(400, 8), normal(400, 8, seed=1, shift=0.5)
    whole = measure("kd", real, synthetic, real)["kd"]
    monkeypatch.setattr(kd, "SUBSET_SIZE", 100)
    assert measure("kd", real, synthetic, real)["kd"] == pytest.approx(whole, rel=0.1)
    same = [kd.measure(real, normal(400, 8, seed=seed), real, gen=rng())["kd"] for seed in range(2, 8)]
    assert abs(np.mean(same)) < 0.05 * whole  # unbiased


@pytest.mark.parametrize("block", [7, 2**21])
@pytest.mark.parametrize(("counts", "width", "offset"), [((90, 70), 3, 0), ((64, 130), 40, 50)])
def test_prdc_is_the_prdc_packages(
    monkeypatch: pytest.MonkeyPatch, block: int, counts: tuple, width: int, offset: float
) -> None:
    outsider = pytest.importorskip("prdc")
    monkeypatch.setattr(_common, "BLOCK_ELEMENTS", block)
    real = normal(counts[0], width) + np.float32(offset)
    synthetic = normal(counts[1], width, seed=1, shift=0.3, scale=0.8) + np.float32(offset)
    synthetic[:10] = real[:10]  # copies, and
    synthetic[10:20] = real[0]  # ties
    expected = outsider.compute_prdc(real, synthetic, nearest_k=prdc.NEAREST_K)
    assert measure("prdc", real, synthetic, real) == pytest.approx(expected, rel=1e-12)
    assert 0 < expected["recall"] < 1


def test_precision_and_recall_are_torch_fidelitys() -> None:
    outsider = pytest.importorskip("torch_fidelity.metric_prc")
    real, synthetic = normal(90, 6), normal(70, 6, seed=1, shift=0.4, scale=0.8)
    expected = outsider.prc_features_to_metric(
        torch.from_numpy(synthetic), torch.from_numpy(real), prc_neighborhood=prdc.NEAREST_K, verbose=False
    )
    found = measure("prdc", real, synthetic, real)
    assert {name: found[name] for name in ("precision", "recall")} == pytest.approx(
        {name: expected[name] for name in ("precision", "recall")}, rel=1e-5
    )


@pytest.mark.parametrize("block", [7, 2**21])
def test_squared_distances_are_exact_for_equal_rows(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(_common, "BLOCK_ELEMENTS", block)
    rows = torch.from_numpy(normal(50, 12, shift=1e3).astype(np.float64))
    found = torch.cat([_common.squared_distances(rows[part], rows) for part in _common.blocks(50, 50)])
    assert (found.diagonal() == 0).all()
    assert torch.allclose(found, (rows[:, None] - rows).square().sum(2), rtol=1e-8)


def two_modes(count: int, seed: int) -> np.ndarray:
    return normal(count, 8, seed=seed) + np.where(np.arange(count) % 2, 4, -4)[:, None].astype(np.float32)


def test_fld_of_an_honest_generator_is_near_zero_and_worse_for_a_worse_one() -> None:
    real, held_out, honest = two_modes(400, 0), two_modes(400, 1), two_modes(200, 2)
    good = measure("fld", real, honest, held_out)
    assert abs(good["fld"]) < 5 and -15 < good["fld_gap"] < 0
    for worse in (honest + 2, honest[::2], 3 * honest):  # another place, one mode, a wider spread
        assert measure("fld", real, worse, held_out)["fld"] > good["fld"] + 10
    assert measure("fld", real, honest, real)["fld_gap"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_gap_of_copies_is_clearly_negative(noise: float) -> None:
    real, held_out = normal(400, 8), normal(400, 8, seed=1)
    honest = measure("fld", real, normal(400, 8, seed=2), held_out)
    copies = measure("fld", real, real + normal(400, 8, seed=3, scale=noise), held_out)
    assert copies["fld_gap"] < honest["fld_gap"] - 100
    assert copies["fld"] > honest["fld"] + 50


@pytest.mark.parametrize("keep", [True, False])
def test_the_gradient_of_the_fit_is_autograds(monkeypatch: pytest.MonkeyPatch, keep: bool) -> None:
    monkeypatch.setattr(_common, "BLOCK_ELEMENTS", 40)
    points, centres = (torch.from_numpy(normal(30, 5, seed=seed).astype(np.float64)) for seed in range(2))
    origin = (points - 1).square().sum(1, keepdim=True)
    log_variances = torch.from_numpy(normal(31, seed=2).astype(np.float64)).requires_grad_()
    log_weights = torch.full((31,), -np.log(30), dtype=torch.float64)
    spread = (log_variances / 2).exp()
    each = torch.distributions.Normal(centres[None], spread[:-1, None]).log_prob(points[:, None]).sum(2)
    shrunk = origin.sqrt() * np.sqrt(fld.ORIGIN_SHRINKAGE)
    last = torch.distributions.Normal(0, spread[-1]).log_prob(shrunk) + 4 * torch.distributions.Normal(
        0, spread[-1]
    ).log_prob(torch.zeros(1))
    (-(log_weights + torch.cat([each, last], 1)).logsumexp(1).mean() / 5).backward()
    distances = fld._Distances(points, torch.ones(5, dtype=torch.float64), centres, keep)
    with torch.no_grad():
        found = fld._gradient(distances, log_variances, log_weights)
    assert torch.allclose(found, log_variances.grad, rtol=1e-4, atol=1e-9)


def test_fld_is_the_same_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = normal(40, 4), normal(30, 4, seed=1), normal(20, 4, seed=2)
    whole = measure("fld", *sets)
    monkeypatch.setattr(_common, "BLOCK_ELEMENTS", 100)
    monkeypatch.setattr(fld, "KEPT_BYTES", 0)
    assert measure("fld", *sets) == pytest.approx(whole, rel=1e-4)


def test_a_feature_that_is_constant_in_the_originals_is_not_scaled() -> None:
    sets = [np.column_stack([normal(50, 3, seed=seed), np.full(50, 0.1)]) for seed in range(3)]
    sets[1][:, 3] = 0.4
    scaled = fld._standardised(*sets)
    assert torch.allclose(scaled[1][:, 3], torch.full((50,), 0.3, dtype=torch.float64))
    assert scaled[0][:, :3].std(0).numpy() == pytest.approx(np.ones(3))


def test_metrics_rank_a_copy_a_sample_and_another_distribution() -> None:
    real, held_out = normal(300, 6), normal(300, 6, seed=1)
    sets = (real, normal(300, 6, seed=2), normal(300, 6, seed=2, shift=2))
    for name, key, sign in (("fd", "fd", 1), ("kd", "kd", 1), ("prdc", "coverage", -1), ("prdc", "density", -1)):
        values = [sign * measure(name, real, synthetic, held_out)[key] for synthetic in sets]
        assert values == sorted(values) and values[0] < values[2]
    assert fd.measure(real, real, held_out, gen=rng())["fd"] == pytest.approx(0, abs=1e-9)
