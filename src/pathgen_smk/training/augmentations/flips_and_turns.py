"""One of the eight flips and quarter turns of a square for each patch: tissue has no upper side."""

import torch


def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return images (B, S, S, 3), each flipped along rows, along columns and over the diagonal with probability 1/2."""
    chosen = torch.randint(8, (len(images), 1, 1, 1), generator=generator, device=images.device)
    for bit, flipped in enumerate((lambda x: x.flip(1), lambda x: x.flip(2), lambda x: x.transpose(1, 2))):
        images = torch.where(chosen.bitwise_and(1 << bit).bool(), flipped(images), images)
    return images
