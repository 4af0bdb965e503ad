"""The cells of a phantom slide: how each kind looks, rendered into a bank of sprites that is stamped many times."""

from dataclasses import astuple, dataclass

import numpy as np
from scipy import ndimage

Array = np.ndarray
Sprite = tuple[Array, Array]  # hematoxylin and eosin of one cell, uint8

OD_SCALE = 160.0  # grey values of the painted planes per unit of optical density


@dataclass(frozen=True)
class CellKind:
    """How the cells of one kind look: lengths in um, spreads relative, stains in optical density."""

    diameter: float  # of the nucleus
    spread: float  # standard deviation of the diameter / its mean
    elongation: float  # mean excess of the ratio of the axes over 1
    irregularity: float  # waviness of the outline
    hematoxylin: float
    clumping: float  # contrast of the chromatin
    rim: float  # darkening towards the nuclear membrane
    nucleoli: float  # mean number
    cytoplasm: float  # diameter of the cell / diameter of the nucleus
    eosin: float  # of the cytoplasm
    spacing: float  # between centres

    def towards(self, other: "CellKind", share: float) -> "CellKind":
        """The kind that lies `share` of the way from this one to `other`."""
        return CellKind(*(a + share * (b - a) for a, b in zip(astuple(self), astuple(other), strict=True)))


#                       diam  spr   elong irreg hema  clump rim   nucl cyto  eosin spacing
LYMPHOCYTE = CellKind(6.9, 0.11, 0.14, 0.03, 0.74, 0.16, 0.05, 0.1, 1.15, 0.24, 7.0)
CENTROBLAST = CellKind(10.0, 0.17, 0.25, 0.06, 0.50, 0.24, 0.18, 1.0, 1.40, 0.26, 11.0)
STROMA = CellKind(8.0, 0.20, 1.50, 0.05, 0.62, 0.12, 0.05, 0.0, 1.10, 0.32, 15.0)
TUMOUR = CellKind(15.0, 0.24, 0.50, 0.10, 0.44, 0.28, 0.22, 1.4, 1.60, 0.34, 16.5)


def render_sprites(kind: CellKind, um_per_px: float, gen: np.random.Generator, count: int = 96) -> list[Sprite]:
    """A bank of rendered cells, each in its eight reflections."""
    cells = [_render_cell(kind, um_per_px, gen) for _ in range(count)]
    cells += [(h.T, e.T) for h, e in cells]
    flips = [(slice(None, None, a), slice(None, None, b)) for a in (1, -1) for b in (1, -1)]
    return [(h[flip], e[flip]) for h, e in cells for flip in flips]


def _render_cell(kind: CellKind, um_per_px: float, gen: np.random.Generator) -> Sprite:
    """One cell in the middle of a square of odd side."""
    radius = kind.diameter * np.clip(gen.normal(1, kind.spread), 0.6, 1.5) / 2
    stretch = np.sqrt(1 + min(abs(gen.normal(0, 1.25 * kind.elongation)), 3.0))
    side = int(radius * stretch * max(kind.cytoplasm, 1.2) / um_per_px) + 2
    y, x = np.mgrid[-side : side + 1, -side : side + 1] * um_per_px
    angle = gen.uniform(0, 2 * np.pi)
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    theta = np.arctan2(v * stretch, u / stretch)
    waves = sum(gen.normal(0, kind.irregularity) / k * np.cos(k * theta + gen.uniform(0, 7)) for k in (2, 3, 4, 5))
    rho = np.hypot(u / stretch, v * stretch) / (radius * (1 + waves))  # 1 at the nuclear membrane

    chromatin = ndimage.gaussian_filter(gen.standard_normal(x.shape), 0.55 / um_per_px)
    density = 1 + kind.clumping * chromatin / chromatin.std() + kind.rim * (2 * rho.clip(0, 1) ** 4 - 1)
    for _ in range(gen.poisson(kind.nucleoli)):
        spot = gen.normal(0, 0.35 * radius, 2)
        density += 0.9 * np.exp(-(((y - spot[0]) ** 2 + (x - spot[1]) ** 2) / 0.9**2))
    strength = kind.hematoxylin * gen.normal(1, 0.12)
    nucleus = ((1 - rho) * radius / 0.9 + 0.5).clip(0, 1) * density * strength
    cytoplasm = ((kind.cytoplasm - rho) * radius / 1.5).clip(0, 1) * kind.eosin * gen.normal(1, 0.1)
    return tuple((plane * OD_SCALE).clip(0, 255).astype(np.uint8) for plane in (nucleus, cytoplasm))


def stamp(hematoxylin: Array, eosin: Array, places: Array, sprites: list[Sprite], gen: np.random.Generator) -> None:
    """Stamp a cell at each of the places; where cells overlap the darker one shows."""
    for (row, column), index in zip(places.tolist(), gen.integers(len(sprites), size=len(places)), strict=True):
        nucleus, cytoplasm = sprites[index]
        side = len(nucleus)
        top, left = row - side // 2, column - side // 2
        for plane, sprite in ((hematoxylin, nucleus), (eosin, cytoplasm)):
            window = plane[top : top + side, left : left + side]
            np.maximum(window, sprite, out=window)
