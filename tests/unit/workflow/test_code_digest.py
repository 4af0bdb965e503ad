"""The digest follows what a rule's code computes, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pathgen_smk.workflow import code_digest as module

RULE = "slides.tissue.otsu_hue_or_saturation"
PLUGINS = (RULE, "slides.labels.any_overlap", "slides.annotations.asap_xml")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, to edit."""
    copy = tmp_path / "pathgen_smk"
    shutil.copytree(module.ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "ROOT", copy)
    yield copy
    forget()


def forget() -> None:
    for value in vars(module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def digest(script: str = "index_slide", *plugins: str) -> str:
    forget()
    return module.code_digest(script, *(plugins or PLUGINS))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_copy_has_the_digest_of_the_package(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied = digest()
    monkeypatch.setattr(module, "ROOT", Path(module.__file__).parents[1])
    assert digest() == copied


def test_comments_docstrings_and_formatting_do_not_count(package: Path) -> None:
    before = digest()
    path = package / "slides/index.py"
    text = path.read_text(encoding="utf-8")
    text = text.replace('"""Return how to cut `slide`.', '"""Say how.').replace("import numpy", "# why\n\nimport numpy")
    path.write_text(text.replace("grid.side, 0, None", "grid.side,\n0, None") + "\n\n# the end\n", encoding="utf-8")
    edit(package / "errors.py", '"""Something that the user gave', '"""Whatever the user gave')
    edit(package / "slides/tissue/__init__.py", '"""Tissue rules', '"""The tissue rules')
    edit(
        package / "slides/index.py",
        "return Grid(size, stride, 0, native)",
        "return Grid(\n            size, stride, 0, native,\n        )",
    )
    assert digest() == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("slides/index.py", "return Grid(size, stride, 0, native)", "return Grid(stride, size, 0, native)"),
        ("slides/index.py", "(tissue > 0) &", "(tissue >= 0) &"),
        ("slides/labels/share.py", ">= threshold", "> threshold"),  # any_overlap uses it
        ("slides/tissue/__init__.py", "hsv[..., 1]", "hsv[..., 2]"),
        ("slides/tissue/otsu_hue_or_saturation.py", "hue > hue_threshold", "hue >= hue_threshold"),
        ("slides/reader.py", "BLOCK_SIDE = 2048", "BLOCK_SIDE = 1024"),
        ("labels.py", "0, 1", "1, 0"),
        ("files.py", "os.fsync", "os.fdatasync"),
    ],
)
def test_code_that_is_used_counts(package: Path, file: str, old: str, new: str) -> None:
    before = digest()
    edit(package / file, old, new)
    assert digest() != before


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("slides/tissue/otsu_saturation_above_lower_threshold.py", "X = 1"),
        ("slides/tissue/new_rule.py", "X = 1"),
        ("slides/labels/centre.py", "X = 1"),
        ("console/job.py", "X = 1"),
        ("console/progress.py", "X = 1"),
        ("training/gan.py", "X = 1"),
        ("models/generators/dcgan.py", "X = 1"),
        ("workflow/configuration.py", "X = 1"),
        ("scripts/cut_patches.py", "X = 1"),
    ],
)
def test_code_that_is_not_used_does_not_count(package: Path, file: str, text: str) -> None:
    before = digest()
    with (package / file).open("a", encoding="utf-8") as opened:
        opened.write(f"\n{text}\n")
    assert digest() == before


def test_the_chosen_plugins_count(package: Path) -> None:
    digests = {digest("train_gan", "models.generators.dcgan"), digest("train_gan"), digest("index_slide")}
    assert len(digests) == 3
    before = digest("train_gan", "models.generators.dcgan"), digest("cut_patches", "precut.pcam")
    edit(package / "models/generators/dcgan.py", "0.02)", "0.03)")
    assert digest("train_gan", "models.generators.dcgan") != before[0]
    assert digest("cut_patches", "precut.pcam") == before[1]


def test_every_script_has_a_digest(package: Path) -> None:
    scripts = [path.stem for path in (package / "scripts").glob("*.py") if path.stem != "__init__"]
    assert len(scripts) > 10
    for script in scripts:
        assert len(digest(script)) == 16


@pytest.mark.parametrize("script", ["train_gan", "index_slide"])
def test_what_a_script_imports_is_what_the_digest_follows(script: str) -> None:
    """Against Python itself: the modules of the package that are loaded once the script is."""
    code = f"import sys, pathgen_smk.scripts.{script}; print(*(m for m in sys.modules if m.startswith('pathgen_smk.')))"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True).split())
    forget()
    followed = set(module._closure(frozenset({f"pathgen_smk.scripts.{script}"})))
    empty = {name for name in loaded if not module._tree(name).body}
    assert {name for name in loaded - empty if not name.startswith(module.IGNORED)} - followed <= {
        "pathgen_smk.scripts"
    }
