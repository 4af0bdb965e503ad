"""What a capture tries out leaves no trace."""

import torch
from small_trainings import IMAGES, classifier, gan

from pathgen_smk.training.device import Compute
from pathgen_smk.training.step import unchanged


def test_steps_inside_are_undone_and_the_next_is_the_first(compute: Compute) -> None:
    """As it is for Adam and for SGD with momentum, whose states begin inside."""
    images = torch.from_numpy(IMAGES[:8])
    for build, batch in ((gan, images), (classifier, images[:, :20, :20])):
        tried, plain = build(compute), build(compute)
        for one in (tried, plain):
            inputs = one._inputs(batch, torch.tensor([0, 1] * 4))
            for count in range(3):
                if one is tried and count == 0:
                    with unchanged(one._changing):
                        one._train_step(8, *inputs)
                        one._train_step(8, *inputs)
                one._train_step(8, *inputs)
        for mine, theirs in zip(tried._changing(), plain._changing(), strict=True):
            assert torch.equal(mine, theirs)
