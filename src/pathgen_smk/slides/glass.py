"""The colour of bare glass, against which stain and ink are seen."""

import numpy as np

WHITE = 254  # a pixel of at least this in all channels is what the reader fills in, not glass
DIM = 150  # grey value; bare glass is brighter in every channel
# How far red and blue of bare glass may lie from its green, in grey values. Stain absorbs green most, so that pink
# glass looks like pale tissue that has no glass beside it: the upper limit bounds what such a slide can lose.
LOWEST, HIGHEST = -25, 6
LEAST_SHARE = 0.005  # of the image, below which nothing is taken for glass


def glass_tint(image: np.ndarray) -> np.ndarray:
    """Return the colour of an image's bare glass relative to its brightest channel.

    Glass is the least pink of the shades that are common among the bright and nearly grey pixels. How bright it is does
    not matter: lamps and shadows change brightness, not colour.

    Parameters
    ----------
    image
        (H, W, 3) uint8 RGB.

    Returns
    -------
    (3,) float in (0, 1]; ones where the image shows no glass.
    """
    pixels = image.reshape(-1, 3).astype(np.int16)
    darkest = pixels.min(axis=1)
    pixels = pixels[(darkest >= DIM) & (darkest < WHITE)]
    shade = pixels[:, ::2] - pixels[:, 1:2]
    plausible = ((shade >= LOWEST) & (shade <= HIGHEST)).all(axis=1)
    pixels, shade = pixels[plausible], shade[plausible] - LOWEST
    steps = HIGHEST - LOWEST + 1
    counts = np.bincount(shade @ np.array([steps, 1]), minlength=steps**2).reshape(steps, steps)
    if counts.max() < max(1, LEAST_SHARE * image.shape[0] * image.shape[1]):
        return np.ones(3)
    common = np.argwhere(counts >= counts.max() / 2)
    glass = common[common.sum(axis=1).argmin()]
    mean = pixels[(abs(shade - glass) <= 1).all(axis=1)].mean(axis=0)
    return mean / mean.max()
