"""Streams of random numbers depend on the seed and the name, and on nothing else."""

import numpy as np
import pytest

from pathgen_smk.seeding import derive_seed, rng


def test_the_same_name_gives_the_same_stream() -> None:
    np.random.seed(1)
    first = rng(7, "draw", "slide-1").random(5)
    np.random.seed(2)
    assert (rng(7, "draw", "slide-1").random(5) == first).all()
    assert derive_seed(7, "gan", "tumour") == derive_seed(7, "gan", "tumour")


@pytest.mark.parametrize(
    "names", [("draw", "slide-2"), ("draw",), ("draw", "slide-1", ""), ("drawslide-1",), ("draw", 1)]
)
def test_another_name_or_seed_gives_another_stream(names: tuple) -> None:
    assert rng(7, *names).random() != rng(7, "draw", "slide-1").random() != rng(8, "draw", "slide-1").random()
    assert derive_seed(7, *names) != derive_seed(7, "draw", "slide-1")


def test_derived_seeds_fill_64_bits_and_do_not_meet() -> None:
    seeds = np.array([derive_seed(0, "a", number) for number in range(2000)], np.uint64)
    assert len(np.unique(seeds)) == 2000
    assert np.mean(seeds / 2.0**64) == pytest.approx(0.5, abs=0.03)
