"""Attacks find what a generator memorised and nothing where there is nothing, and are their papers' formulas."""

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from pathgen_smk import plugins
from pathgen_smk.evaluation.attacks import calibrated, likelihood_ratio, nearest, rmia
from pathgen_smk.evaluation.membership import auc, set_scores, tpr_at

ATTACKS = ("calibrated", "likelihood_ratio", "nearest", "rmia")


def simulate(*, effect: float, seed: int = 0, patients: int = 60, shadows: int = 8) -> dict[str, np.ndarray]:
    """Return similarities of 30 patches of each patient, of whom the first half is what the target was trained on.

    Some patches, and some patients, resemble anything more than others do. What a generator was trained on resembles
    its patches by `effect` more on average, some by much and most hardly.
    """
    gen, per = np.random.default_rng(seed), 30
    member = np.arange(patients) < patients // 2
    halves = np.stack([gen.permuted(member) for _ in range(shadows // 2)])
    inside = np.stack([halves, ~halves], axis=1).reshape(shadows, patients)
    trained = np.vstack([member, inside]).T.repeat(per, axis=0)
    ease = gen.normal(size=len(trained)) + gen.normal(size=patients).repeat(per)
    scores = ease[:, None] + 0.5 * gen.normal(size=trained.shape)
    scores += effect * gen.exponential(size=(len(trained), 1)) * trained
    groups = np.arange(patients).repeat(per)
    parts = {"target": scores[:, 0], "shadows": scores[:, 1:], "inside": trained[:, 1:]}
    return {"member": trained[:, 0], "groups": groups, **parts}


def attacked(simulated: dict[str, np.ndarray], name: str) -> np.ndarray:
    return plugins.load("evaluation.attacks", name).scores(*(simulated[key] for key in ("target", "shadows", "inside")))


def test_the_attacks_are_found_by_name() -> None:
    assert tuple(plugins.available("evaluation.attacks")) == ATTACKS


def test_attacks_find_what_is_memorised_and_references_help() -> None:
    simulated = simulate(effect=0.7)
    member = simulated["member"]
    found = {name: attacked(simulated, name) for name in ATTACKS}
    areas = {name: auc(member, scores) for name, scores in found.items()}
    rates = {name: tpr_at(member, scores, 0.01) for name, scores in found.items()}
    assert 0.55 < areas["nearest"] < min(areas[name] for name in ATTACKS if name != "nearest") - 0.05
    assert rates["likelihood_ratio"] > 0.15 > 2 * rates["nearest"]
    assert rates["calibrated"] > 0.15 and rates["rmia"] > 0.05
    # A patient's patches together say more than each alone.
    of_patient = set_scores(member.astype(float), simulated["groups"])[1] == 1
    for name in ATTACKS:
        assert auc(of_patient, set_scores(found[name], simulated["groups"])[1]) > areas[name]


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_find_nothing_where_nothing_is_memorised(name: str) -> None:
    rates, areas = [], []
    for seed in range(12):
        simulated = simulate(effect=0, seed=seed)
        scores = attacked(simulated, name)
        rates.append(tpr_at(simulated["member"], scores, 0.01))
        areas.append(auc(simulated["member"], scores))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.04)
    assert np.mean(rates) == pytest.approx(0.01, abs=0.006)


@pytest.mark.parametrize("name", ATTACKS)
def test_scores_do_not_depend_on_the_order_of_patches_nor_change_their_input(name: str) -> None:
    simulated = simulate(effect=0.5, patients=8)
    kept = {key: values.copy() for key, values in simulated.items()}
    scores = attacked(simulated, name)
    assert scores.shape == simulated["target"].shape and scores.dtype == np.float64
    assert all((simulated[key] == kept[key]).all() for key in kept)
    order = np.random.default_rng(1).permutation(len(scores))
    shuffled = {key: values[order] for key, values in simulated.items()}
    assert attacked(shuffled, name) == pytest.approx(scores[order])


def test_nearest_is_the_target_score_and_needs_no_references() -> None:
    target = np.array([0.2, 0.9, 0.2], np.float32)
    nothing = np.empty((3, 0))
    assert (nearest.scores(target, nothing, nothing.astype(bool)) == target).all()


def test_calibrated_takes_only_references_that_were_trained_without_the_patch() -> None:
    shadows = np.array([[0.2, 0.4, 0.9], [0.8, 0.1, 0.3]])
    inside = np.array([[False, False, True], [True, True, False]])
    assert calibrated.scores(np.array([0.5, 0.5]), shadows, inside) == pytest.approx([0.2, 0.2])


@pytest.mark.parametrize("shadows", [4, 14, 16])
def test_likelihood_ratio_is_that_of_two_normal_densities(shadows: int) -> None:
    simulated = simulate(effect=0.5, patients=6, shadows=shadows)
    scores = attacked(simulated, "likelihood_ratio")
    sides = {}
    for name, side in (("in", simulated["inside"]), ("out", ~simulated["inside"])):
        values = simulated["shadows"][side].reshape(len(side), shadows // 2)
        variance = values.var(axis=1, ddof=1)
        # Of few scores the variance is that of all patches, here of equally many scores each.
        sides[name] = values.mean(axis=1), np.sqrt(variance if shadows == 16 else variance.mean())
    target = simulated["target"]
    expected = norm.logpdf(target, *sides["in"]) - norm.logpdf(target, *sides["out"])
    assert scores == pytest.approx(expected)


def test_likelihood_ratio_is_offline_where_no_patch_is_inside_any_reference() -> None:
    simulated = simulate(effect=0.5, patients=6, shadows=4)
    simulated["inside"] = np.zeros_like(simulated["inside"])
    mean, variance = simulated["shadows"].mean(axis=1), simulated["shadows"].var(axis=1, ddof=1).mean()
    expected = (simulated["target"] - mean) / np.sqrt(variance)
    assert attacked(simulated, "likelihood_ratio") == pytest.approx(expected)


def test_likelihood_ratio_bears_a_patch_whose_scores_are_all_equal() -> None:
    simulated = simulate(effect=0.5, patients=6, shadows=16)
    simulated["shadows"][0] = 1.0
    assert np.isfinite(attacked(simulated, "likelihood_ratio")).all()


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_rmia_counts_the_pairs(gamma: float) -> None:
    simulated = simulate(effect=0.5, patients=4, shadows=4)
    target, shadows, inside = (simulated[key] for key in ("target", "shadows", "inside"))
    scores = rmia.scores(target, shadows, inside, gamma=gamma, temperature=0.7)
    probability = np.exp(shadows / 0.7)
    both = [np.mean(probability, axis=1, where=side) for side in (inside, ~inside)]
    ratio = np.exp(target / 0.7) / np.mean(both, axis=0)
    assert (scores == np.mean(ratio[:, None] / ratio >= gamma, axis=1)).all()
    if gamma == 1:
        assert (scores == rankdata(ratio) / len(ratio)).all()


def test_rmia_does_not_depend_on_unit_and_zero_of_the_similarity() -> None:
    simulated = simulate(effect=0.5, patients=4)
    target, shadows, inside = (simulated[key] for key in ("target", "shadows", "inside"))
    expected = rmia.scores(target, shadows, inside)
    assert (rmia.scores(1e3 * target - 1e6, 1e3 * shadows - 1e6, inside) == expected).mean() > 0.99
    outside = np.zeros_like(inside)
    offline = rmia.scores(target, shadows[:, :1], outside[:, :1])
    assert (offline == rankdata(target - shadows[:, 0]) / len(target)).all()
    assert (rmia.scores(target, np.ones_like(shadows), inside) == rankdata(target) / len(target)).all()


@pytest.mark.parametrize("name", ATTACKS)
def test_bad_input_is_refused(refused, name: str) -> None:
    scores = plugins.load("evaluation.attacks", name).scores
    target, shadows = np.arange(4.0), np.arange(16.0).reshape(4, 4)
    inside = np.tile([True, False], (4, 2))
    for wrong in ((target[:3], shadows, inside), (target, shadows, inside[:, :2]), (target[:, None], shadows, inside)):
        with refused("must be (N,), (N, K) and (N, K)"):
            scores(*wrong)
    with refused("no patch"):
        scores(target[:0], shadows[:0], inside[:0])
    with refused("inside must be bool"):
        scores(target, shadows, inside.astype(int))
    for bad in (np.nan, np.inf):
        with refused("1 of 4 scores in target"):
            scores(np.array([0, 1, bad, 2]), shadows, inside)
        with refused("1 of 16 scores in shadows"):
            scores(target, np.where(shadows == 5, bad, shadows), inside)


@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "nearest"])
def test_references_that_do_not_serve_are_refused(refused, name: str) -> None:
    scores = plugins.load("evaluation.attacks", name).scores
    target, shadows = np.arange(4.0), np.arange(16.0).reshape(4, 4)
    inside = np.tile([True, False], (4, 2))
    with refused(name, "there are none"):
        scores(target, shadows[:, :0], inside[:, :0])
    inside[2] = True
    with refused(name, "1 of 4 patches are in the training sets of all"):
        scores(target, shadows, inside)
    inside[2] = False
    if name != "calibrated":
        with refused(name, "1 of 4 patches are in no reference's"):
            scores(target, shadows, inside)


def test_likelihood_ratio_needs_scores_that_vary(refused) -> None:
    target, shadows, inside = np.arange(3.0), np.full((3, 4), 0.3), np.tile([True, False], (3, 2))
    with refused("likelihood_ratio", "at least 4 references"):
        likelihood_ratio.scores(target, shadows[:, :2], inside[:, :2])
    with refused("likelihood_ratio", "never differ"):
        likelihood_ratio.scores(target, shadows, inside)


@pytest.mark.parametrize("setting", [{"gamma": 0}, {"gamma": np.nan}, {"temperature": 0}, {"temperature": -1.0}])
def test_rmia_refuses_settings_out_of_range(refused, setting: dict) -> None:
    with refused("rmia", *setting, "above 0"):
        rmia.scores(np.arange(3.0), np.ones((3, 2)), np.tile([True, False], (3, 1)), **setting)
