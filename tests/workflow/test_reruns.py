"""What reruns after a change, and what does not."""

import os

import pytest
from checkout import Project, executed

TABLES = {"make_table2": 1, "plot_confusion": 1, "write_provenance": 1}
pytestmark = pytest.mark.slow


def test_second_run_has_nothing_to_do(built: Project) -> None:
    assert built.planned() == {}


def test_learning_rate_of_the_classifier_reruns_its_trainings_and_what_follows(project: Project) -> None:
    project.set("classifiers", "two_block_cnn", "learning_rate", value=0.02)
    # The audit compares patches by the classifier's features as well.
    audit = {"compare_patches": 1, "measure_copies": 1, "measure_fidelity": 1, "make_audit": 1}
    assert project.planned() == {
        "train_classifier": 3, "plot_classifier": 3, "predict_patches": 3, **TABLES, **audit
    }  # fmt: skip


def test_epochs_of_the_gan_leave_the_original_arm_alone(project: Project) -> None:
    project.set("generators", "dcgan", "epochs", value=1)
    planned = project.planned()
    assert planned["train_gan"] == 2
    assert planned["train_classifier"] == planned["predict_patches"] == 2
    assert not {"index_slide", "draw_patches", "cut_patches", "collect_patches", "make_phantom"} & planned.keys()


def test_tissue_rule_reruns_from_the_index_on(project: Project) -> None:
    project.set("tissue", "rule", value="otsu_hue_or_saturation")
    planned = project.planned()
    assert planned["index_slide"] == 6
    assert planned["draw_patches"] == 1
    assert "make_phantom" not in planned


def test_seed_of_the_trainings_leaves_the_draw_alone(project: Project) -> None:
    project.set("seeds", value=[2])
    planned = project.planned()
    assert planned["train_gan"] == 2
    assert planned["train_classifier"] == 3
    assert not {"index_slide", "draw_patches", "cut_patches", "collect_patches", "make_phantom"} & planned.keys()


def test_touching_library_and_config_reruns_nothing(project: Project) -> None:
    for path in [*project.path.rglob("src/**/*.py"), *project.path.glob("config/*")]:
        if "scripts" not in path.parts:
            os.utime(path)
    assert project.planned() == {}


def test_comments_docstrings_and_formatting_rerun_nothing(project: Project) -> None:
    library = "src/pathgen_smk"
    project.edit(f"{library}/evaluation/metrics.py", '"""Metrics of a binary classifier;', '"""Measures of one;')
    project.edit(f"{library}/training/gan.py", "import numpy as np\n", "import numpy as np  # a comment\n\n\n")
    project.edit(f"{library}/slides/index.py", "native = stated_um_per_px or", "native = (stated_um_per_px) or")
    assert project.planned() == {}


def test_edits_of_unused_siblings_and_of_messages_rerun_nothing(project: Project) -> None:
    library = "src/pathgen_smk"
    project.edit(f"{library}/slides/tissue/otsu_hue_or_saturation.py", "hue > hue_threshold", "hue >= hue_threshold")
    project.edit(f"{library}/console/progress.py", "every: float = 5.0", "every: float = 4.0")
    project.edit(f"{library}/console/monitor.py", "SECONDS_BETWEEN_PICTURES = 60.0", "SECONDS_BETWEEN_PICTURES = 9.0")
    project.edit(f"{library}/training/augmentations/flips_and_turns.py", "def augment(", "def augment_not(")
    project.set("monitoring", value={"checkpoint_minutes": 9, "tensorboard": True})
    assert project.planned() == {}


@pytest.mark.parametrize(
    ("module", "old", "new", "reran", "left_alone"),
    [
        ("evaluation/metrics.py", "(self.tp + self.tn)", "(self.tn + self.tp)", "make_table2", "train_classifier"),
        (
            "training/gan.py",
            "_binary_cross_entropy(real, 1)",
            "_binary_cross_entropy(real, 2)",
            "train_gan",
            "collect_patches",
        ),
        ("models/classifiers/two_block_cnn.py", "* side * side", "* side**2", "train_classifier", "train_gan"),
        ("slides/labels/share.py", "shapely.area(cut)", "shapely.area(cut) + 0", "index_slide", "make_phantom"),
    ],
)
def test_edits_of_computing_code_rerun_what_used_it(
    project: Project, module: str, old: str, new: str, reran: str, left_alone: str
) -> None:
    project.edit(f"src/pathgen_smk/{module}", old, new)
    planned = project.planned()
    assert reran in planned
    assert left_alone not in planned


def test_another_slide_recuts_only_where_the_draw_changed(project: Project) -> None:
    project.edit("config/slides-tiny.csv", "d2,,,normal,d,test\n", "d2,,,normal,d,test\ne1,,,tumour,e,test\n")
    done = executed(project.snakemake())
    assert done["make_phantom"] == done["index_slide"] == 1
    # The test slides share their number of patches with one more; training and validation stay as they were.
    assert done["cut_patches"] <= 3
    assert done["collect_patches"] == 1
    assert not {"train_gan", "train_classifier", "generate_patches"} & done.keys()
    assert done["predict_patches"] == 3
    assert project.planned() == {}
