"""Implementations are found by name, and a wrong name is answered with the right ones."""

import pytest

from pathgen_smk import plugins

PACKAGES = {
    "models.generators": "dcgan",
    "models.classifiers": "two_block_cnn",
    "slides.tissue": "otsu_hue_or_saturation",
    "slides.labels": "any_overlap",
    "slides.annotations": "asap_xml",
    "precut": "pcam",
    "evaluation.attacks": "nearest",
    "evaluation.fidelity": "fd",
    "evaluation.features": "torchvision",
    "evaluation.copies": "copy_rate",
    "evaluation.perturbations": "jpeg",
}


@pytest.mark.parametrize(("package", "name"), PACKAGES.items())
def test_known_names_load_and_unknown_ones_are_refused(refused, package: str, name: str) -> None:
    assert name in plugins.available(package)
    assert plugins.load(package, name).__name__ == f"pathgen_smk.{package}.{name}"
    for wrong in ("no_such", "__init__", "", f"{name}.py", "../errors", name.upper()):
        with refused(package, f"'{wrong}'", *plugins.available(package)):
            plugins.load(package, wrong)
