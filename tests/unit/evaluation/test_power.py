"""What an audit would have found: power, false alarms, intervals."""

from dataclasses import replace

import numpy as np
import pytest

from pathgen_smk.evaluation.copies import Compared, fit_measures
from pathgen_smk.evaluation.power import FEWEST_COPIES, false_alarms, intervals, planted_power
from pathgen_smk.evaluation.resampling import clopper_pearson

MEASURES = ["copy_rate", "authpct", "nearest_correlation"]


def compared(gen: np.random.Generator, count: int, slides: int | None = None) -> Compared:
    """Return clean patches."""
    distance, own = np.exp(0.1 * gen.normal(size=count)), np.exp(0.1 * gen.normal(size=count) - 0.1)
    groups = None if slides is None else np.arange(count) % slides
    return Compared(distance, own, own * 1.1, distance, own, gen.integers(0, 3, count), groups)


@pytest.fixture
def gen() -> np.random.Generator:
    return np.random.default_rng(8)


@pytest.fixture
def copied(gen) -> Compared:
    clean = compared(gen, 30)
    return replace(clean, distance=np.full(30, 0.01))


def power(gen: np.random.Generator, copied: Compared, rate: float, **changes) -> dict[str, dict]:
    sets = {"synthetic": compared(gen, 1000), "held_out": compared(gen, 1000, 20), "copies": copied}
    settings = {"rate": rate, "false_alarm_rate": 0.01, "replicates": 20, "gen": gen}
    return {row["measure"]: row for row in planted_power(MEASURES, **{**sets, **settings, **changes})}


def test_copies_are_found_and_the_interval_is_the_exact_one(gen, copied) -> None:
    rows = power(gen, copied, 0.01)
    assert list(rows) == MEASURES
    row = rows["copy_rate"]
    assert row["n_copies"] == 10 and row["rate"] == 0.01 and row["power"] == 1
    assert (row["low"], row["high"]) == clopper_pearson(20, 20)
    weak = rows["authpct"]
    assert 0 <= weak["low"] <= weak["power"] <= weak["high"] <= 1 and weak["power"] < 1


def test_copies_that_are_none_are_not_found(gen) -> None:
    assert power(gen, compared(gen, 50), 0.05)["copy_rate"]["power"] <= 0.1


@pytest.mark.parametrize("rate", [0.0, 0.001, 0.004])
def test_fewer_than_five_copies_are_untestable(gen, copied, rate: float) -> None:
    for row in power(gen, copied, rate).values():
        assert row["n_copies"] < FEWEST_COPIES == 5
        assert np.isnan([row["power"], row["low"], row["high"]]).all()
    assert np.isfinite(power(gen, copied, 0.005)["copy_rate"]["power"])


def test_a_measure_without_a_test_has_no_power(gen, copied) -> None:
    """Not a power of 0: nobody asked it."""
    row = power(gen, copied, 0.05)["nearest_correlation"]
    assert np.isnan([row["power"], row["low"], row["high"]]).all() and row["n_copies"] == 50
    alarms = false_alarms(["nearest_correlation"], compared(gen, 100, 8), false_alarm_rate=0.01, replicates=3, gen=gen)
    assert np.isnan(alarms[0]["power"])


def test_a_pool_smaller_than_the_number_of_copies_is_drawn_from_again(gen, copied) -> None:
    assert power(gen, copied.take(np.arange(3)), 0.05)["copy_rate"]["power"] == 1


def test_the_same_generator_gives_the_same_rows(copied) -> None:
    first, second = (power(np.random.default_rng(5), copied, 0.005) for _ in range(2))
    for name in ("copy_rate", "authpct"):
        assert first[name] == second[name]


def test_held_out_slides_that_pose_are_rarely_called_copies(gen) -> None:
    """Of 200, more than 6 with a probability of 0.4 % at a rate of 1 %."""
    slides = gen.normal(size=30)
    held_out = compared(gen, 1500, 30)
    held_out.distance[:] *= np.exp(0.1 * slides[held_out.groups])
    rows = false_alarms(
        ["copy_rate", "authpct", "c_t"], held_out, false_alarm_rate=0.01, replicates=200, gen=gen
    )  # fmt: skip
    assert [row["measure"] for row in rows] == ["copy_rate", "authpct", "c_t"]
    for row in rows:
        assert row["power"] <= 6 / 200
        assert (row["low"], row["high"]) == clopper_pearson(round(200 * row["power"]), 200)


def test_with_three_slides_none_can_pose(gen) -> None:
    row = false_alarms(["copy_rate"], compared(gen, 90, 3), false_alarm_rate=0.01, replicates=9, gen=gen)[0]
    assert np.isnan([row["power"], row["low"], row["high"]]).all()


def test_slides_that_pose_are_whole(gen, monkeypatch) -> None:
    seen = []

    def fit(names, held_out: Compared) -> dict:
        seen.append(set(held_out.groups))
        return {name: lambda found: seen.append(set(found.groups)) or _NOTHING for name in names}

    monkeypatch.setattr("pathgen_smk.evaluation.power.fit_measures", fit)
    false_alarms(["copy_rate"], compared(gen, 90, 9), false_alarm_rate=0.01, replicates=5, gen=gen)
    for control, posing in zip(seen[::2], seen[1::2], strict=True):
        assert len(posing) == 4 and not posing & control and posing | control == set(range(9))
    assert len({frozenset(one) for one in seen[1::2]}) > 1


class _NOTHING:
    p_value = 1.0


def test_intervals_hold_the_estimates(gen) -> None:
    measures = ["copy_rate", "authpct", "c_t", "distance_ratio", "nearest_correlation"]
    synthetic, held_out = compared(gen, 800), compared(gen, 900, 15)
    found = intervals(measures, synthetic, held_out, replicates=60, gen=gen)
    assert list(found) == measures
    for name, measure in fit_measures(measures, held_out).items():
        for key, value in measure(synthetic).values.items():
            low, high = found[name][key]
            assert low <= high
            # A p-value and an extreme are no means, and their intervals are not centred.
            if not key.startswith("p at"):
                assert low - 1e-9 <= value <= high + 1e-9, (name, key)


def test_intervals_of_more_slides_are_narrower(gen) -> None:
    widths = []
    for slides, count in ((8, 400), (80, 4000)):
        low, high = intervals(
            ["authpct"], compared(gen, count), compared(gen, count, slides), replicates=60, gen=gen
        )["authpct"]["authentic held-out"]  # fmt: skip
        widths.append(high - low)
    assert widths[1] < 0.6 * widths[0]
