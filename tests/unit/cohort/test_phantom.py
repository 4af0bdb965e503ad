"""The phantom slides: opened as scanners' slides are, annotated in ASAP's format, the same bytes every time."""

from pathlib import Path

import numpy as np
import openslide
import pytest
from defusedxml import ElementTree
from PIL import Image
from shapely.geometry import Polygon, box

from pathgen_smk.cohort import phantom
from pathgen_smk.cohort.phantom import write_phantom
from pathgen_smk.cohort.svs_writer import pyramid_downsamples

WIDTH, HEIGHT = 1536, 1024


def write(folder: Path, *, tumour: bool = True, seed: int = 3, contrast: float = 0.5) -> tuple[Path, Path]:
    slide, annotation = folder / "slide.svs", folder / "slide.xml"
    write_phantom(
        slide, annotation, slide_id="s", seed=seed, tumour=tumour, width=WIDTH, height=HEIGHT, contrast=contrast
    )
    return slide, annotation


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write(tmp_path_factory.mktemp("phantom"))


def polygons(annotation: Path) -> list[tuple[str, Polygon]]:
    found = []
    for element in ElementTree.parse(annotation).iter("Annotation"):
        assert element.get("Type") == "Polygon"
        points = sorted(element.iter("Coordinate"), key=lambda c: int(c.get("Order")))
        found.append((element.get("PartOfGroup"), Polygon([(float(c.get("X")), float(c.get("Y"))) for c in points])))
    return found


def area(found: list[tuple[str, Polygon]], *groups: str) -> float:
    return sum(polygon.area for group, polygon in found if group in groups)


def test_same_arguments_give_same_bytes(written: tuple[Path, Path], tmp_path: Path) -> None:
    for first, second in zip(written, write(tmp_path), strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_seed_and_contrast_change_the_slide(written: tuple[Path, Path], tmp_path: Path) -> None:
    reference = written[0].read_bytes()
    assert write(tmp_path / "seed", seed=4)[0].read_bytes() != reference
    assert write(tmp_path / "contrast", contrast=1.0)[0].read_bytes() != reference


def test_contrast_leaves_the_annotation_alone(written: tuple[Path, Path], tmp_path: Path) -> None:
    _, annotation = write(tmp_path, contrast=0.0)
    assert annotation.read_bytes() == written[1].read_bytes()


def test_openslide_opens_it_as_an_aperio_slide(written: tuple[Path, Path]) -> None:
    with openslide.OpenSlide(written[0]) as slide:
        assert slide.properties[openslide.PROPERTY_NAME_VENDOR] == "aperio"
        assert float(slide.properties[openslide.PROPERTY_NAME_MPP_X]) == 0.25
        assert float(slide.properties[openslide.PROPERTY_NAME_MPP_Y]) == 0.25
        assert float(slide.properties[openslide.PROPERTY_NAME_OBJECTIVE_POWER]) == 40
        assert slide.dimensions == (WIDTH, HEIGHT)
        assert slide.level_downsamples == (1, 4, 16)
        assert slide.properties["openslide.level[0].tile-width"] == "256"
        assert slide.properties["openslide.level[0].tile-height"] == "256"
        assert set(slide.associated_images) == {"thumbnail"}


def test_levels_show_the_same_picture(written: tuple[Path, Path]) -> None:
    with openslide.OpenSlide(written[0]) as slide:
        shown = [slide.read_region((0, 0), level, size) for level, size in enumerate(slide.level_dimensions)]
    box_filter = Image.Resampling.BOX
    fine, middle, coarse = (np.asarray(i.convert("L").resize(shown[2].size, box_filter), float) for i in shown)
    for other in (fine, middle):
        assert abs((other - coarse).mean()) < 1
        assert np.corrcoef(other.ravel(), coarse.ravel())[0, 1] > 0.98


def test_a_large_slide_has_a_fourth_level() -> None:
    assert pyramid_downsamples(8192, 6144) == [1, 4, 16, 64]


def test_tissue_is_darker_than_glass_and_covers_about_half(written: tuple[Path, Path]) -> None:
    with openslide.OpenSlide(written[0]) as slide:
        picture = np.asarray(slide.read_region((0, 0), 1, slide.level_dimensions[1]).convert("RGB"), float)
    grey = picture.mean(axis=2)
    corners = np.concatenate([grey[:8, :8], grey[-8:, -8:]])
    assert corners.min() > 215
    assert 0.4 < (grey < 210).mean() < 0.7
    centre = picture[100:156, 150:234].mean(axis=(0, 1))
    assert 60 < centre.mean() < 190
    assert centre[1] < centre[0], "stained pink to violet: green is absorbed most"
    assert centre[1] < centre[2]


def test_annotation_outlines_tumour_within_the_slide(written: tuple[Path, Path]) -> None:
    found = polygons(written[1])
    slide = box(0, 0, WIDTH, HEIGHT)
    assert {group for group, _ in found} <= {"_0", "_1", "_2"}
    assert all(slide.contains(polygon) for _, polygon in found)
    assert all(30 <= len(polygon.exterior.coords) - 1 <= 200 for _, polygon in found)
    assert 0.1 < (area(found, "_0", "_1") - area(found, "_2")) / slide.area < 0.5
    listed = {group.get("Name") for group in ElementTree.parse(written[1]).iter("Group")}
    assert listed == {group for group, _ in found}


def test_holes_lie_in_tumour(written: tuple[Path, Path]) -> None:
    found = polygons(written[1])
    holes = [polygon for group, polygon in found if group == "_2"]
    assert holes
    for hole in holes:
        assert any(p.buffer(0).contains(hole.representative_point()) for group, p in found if group != "_2")


@pytest.mark.parametrize("wrong", [{"width": 1000}, {"height": 256}, {"contrast": 1.5}])
def test_wrong_sizes_and_contrasts_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="s7"):
        write_phantom(tmp_path / "s7.svs", tmp_path / "s7.xml", slide_id="s7", seed=0, tumour=False, **wrong)


def test_nothing_is_left_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(phantom, "write_asap", fail)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_normal_slide_has_an_annotation_without_outlines(tmp_path: Path) -> None:
    _, annotation = write(tmp_path, tumour=False)
    assert polygons(annotation) == []
