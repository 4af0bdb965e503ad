"""Signs that a GAN does not do well: its samples are all alike, its discriminator has won, it does not move."""

import numpy as np
import torch

# What is judged is the mean over the last tenth of the epochs.
JUDGED_SHARE = 0.1
# Samples differ from each other by less than this share of what real patches do.
COLLAPSED = 0.25
# Mean scores of the discriminator on originals and on synthetics, at which it tells them apart without fail.
WON_REAL, WON_FAKE = 0.98, 0.02
# Grey levels (root mean square) by which images of fixed latents change from epoch to epoch.
STILL = 0.5


def spread(images: torch.Tensor) -> float:
    """Return the mean root-mean-square difference, in grey levels, between any two of images (N, S, S, 3) uint8."""
    flat = images.reshape(len(images), -1).float()
    return (torch.pdist(flat).mean() / flat.shape[1] ** 0.5).item()


def movement(before: torch.Tensor, after: torch.Tensor) -> float:
    """Return the root-mean-square difference, in grey levels, between images of the same latents."""
    return (after.float() - before.float()).square().mean().sqrt().item()


def warnings_of(history: list[dict[str, float]]) -> list[str]:
    """Return a line for each sign that the last tenth of a GAN's epochs shows.

    Parameters
    ----------
    history
        A row an epoch, with ``score_real``, ``score_fake``, ``diversity`` (the samples' `spread` as a share of that of
        real patches) and ``movement``.
    """
    last = history[-max(1, round(JUDGED_SHARE * len(history))) :]
    names = ("score_real", "score_fake", "diversity", "movement")
    mean = {name: float(np.mean([row[name] for row in last])) for name in names}
    epochs = f"over the last {len(last)} epoch(s)"
    found = []
    if mean["diversity"] < COLLAPSED:
        found.append(
            f"mode collapse: its samples differ from each other by {mean['diversity']:.0%} of what originals do, "
            f"{epochs}"
        )
    if mean["score_real"] > WON_REAL and mean["score_fake"] < WON_FAKE:
        found.append(
            f"the discriminator has won: it gives originals {mean['score_real']:.3f} and synthetics "
            f"{mean['score_fake']:.3f} {epochs}"
        )
    if mean["movement"] < STILL:
        found.append(
            f"the generator does not move: its samples change by {mean['movement']:.2f} grey levels an epoch {epochs}"
        )
    return found
