"""What a run leaves behind, checked against the stores and against scikit-learn."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from checkout import Project, make_project, stores_of
from PIL import Image
from sklearn import metrics

pytestmark = pytest.mark.slow
COLUMNS = (
    "arm generator classifier n_train_original n_train_synthetic seed "
    "accuracy precision recall f1 roc_auc tn fp fn tp n_test"
)


def test_table2_has_its_columns_and_rows_and_follows_from_the_predictions(built: Project) -> None:
    table = pd.read_csv(built.path / "results/table2.csv")
    assert list(table.columns) == COLUMNS.split()
    assert list(table["arm"]) == ["original", "mixed", "synthetic"]
    paths = {arm: next(built.path.glob(f"results/predictions/{arm}/**/*.csv")) for arm in table["arm"]}
    for row in table.itertuples():
        predictions = pd.read_csv(paths[row.arm])
        truth, called = predictions["label"], predictions["predicted"]
        assert [row.tn, row.fp, row.fn, row.tp] == metrics.confusion_matrix(truth, called).ravel().tolist()
        assert row.accuracy == pytest.approx(metrics.accuracy_score(truth, called), abs=1e-6)
        assert row.f1 == pytest.approx(metrics.f1_score(truth, called, zero_division=0), abs=1e-6)
        assert row.roc_auc == pytest.approx(metrics.roc_auc_score(truth, predictions["p_tumour"]), abs=1e-6)
        assert row.n_test == len(predictions)


def test_all_arms_are_tested_on_the_same_patches(built: Project) -> None:
    tables = [pd.read_csv(path) for path in built.path.glob("results/predictions/**/*.csv")]
    assert len(tables) == 3
    with h5py.File(built.path / "results/stores/original/test.h5") as store:
        for table in tables:
            assert table["x"].tolist() == store["x"][...].tolist()
            assert table["slide_id"].tolist() == store["slide_id"].asstr()[...].tolist()


def test_table1_counts_what_the_stores_hold(built: Project) -> None:
    table = pd.read_csv(built.path / "results/table1.csv").set_index(["arm", "set"])
    with h5py.File(built.path / "results/stores/original/test.h5") as store:
        labels = store["labels"][...]
    for arm in ("original", "mixed", "synthetic"):
        row = table.loc[(arm, "test")]
        assert row["n_original_normal"] == (labels == 0).sum()
        assert row["n_original_tumour"] == (labels == 1).sum()
    for arm, kind in (("original", "original"), ("synthetic", "synthetic")):
        counts = table.loc[(arm, "train"), [f"n_{kind}_normal", f"n_{kind}_tumour"]]
        assert counts.tolist() == [12, 12]


def test_no_patient_is_in_two_sets(built: Project) -> None:
    patients = []
    for split in ("train", "validate", "test"):
        with h5py.File(built.path / f"results/stores/original/{split}.h5") as store:
            patients.append(set(store["patient_id"].asstr()[...]))
    assert all(patients)
    assert not patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2]


def test_synthetic_stores_point_to_no_slide_and_no_person(built: Project) -> None:
    paths = list(built.path.glob("results/stores/synthetic/**/*.h5"))
    assert len(paths) == 3
    for path in paths:
        with h5py.File(path) as store:
            assert set(store) == {"images", "labels", "latent_seed"}
            assert len(np.unique(store["latent_seed"])) == len(store["images"])
            assert re.fullmatch(r"[0-9a-f]{64} [0-9a-f]{64}", store.attrs["generator_digest"])


def test_pictures_exist_and_show_something(built: Project) -> None:
    figures = [*built.path.glob("results/figures/**/*.png"), *built.path.glob("results/qc/*/*.png")]
    names = {path.name for path in figures}
    assert {"figure1.png", "figure2.png", "confusion.png", "tumour-samples.png", "seed1.png", "a1.png"} <= names
    for path in figures:
        with Image.open(path) as image:
            assert min(image.size) > 200
            assert np.asarray(image.convert("L")).std() > 5, path


def test_provenance_names_the_stores_behind_each_row(built: Project) -> None:
    provenance = json.loads((built.path / "results/provenance.json").read_text())
    digests = stores_of(built)
    assert [row["arm"] for row in provenance["rows"]] == ["original", "mixed", "synthetic"]
    for row in provenance["rows"]:
        for store in row["stores"].values():
            assert store["sha256"] == digests[str(Path(store["path"]).relative_to("results"))]
    assert {"commit", "versions", "hardware", "config"} <= provenance.keys()


def test_every_rule_left_a_log_and_a_benchmark(built: Project) -> None:
    results = built.path / "results"
    logs = {path.relative_to(results / "logs").with_suffix("") for path in results.glob("logs/**/*.log")}
    benchmarks = {
        path.relative_to(results / "benchmarks").with_suffix("") for path in results.glob("benchmarks/**/*.tsv")
    }
    assert logs == benchmarks
    text = "".join(path.read_text() for path in built.path.glob("rules/*"))
    of_other_sources = {"index_collection", "import_patches", "fetch_file", "fetch_all"}
    on_its_own = {"preflight", "check_release"}
    rules = set(re.findall(r"^ *(?:rule|checkpoint|use rule \w+ as) (\w+)(?: with)?:", text, re.M))
    assert {path.parts[0] for path in logs} == rules - of_other_sources - on_its_own


def test_report_is_one_page_with_all_pictures(project: Project) -> None:
    project.snakemake("--report", "results/report.html")
    page = (project.path / "results/report.html").read_text()
    for expected in ("1 Slides", "2 Tables", "3 Figures", "4 Trainings", "5 Provenance", "figure2.png", "table2.md"):
        assert expected in page
    assert len(page) > 500_000


def test_same_config_and_seed_give_the_same_tables_and_stores(built: Project, tmp_path: Path) -> None:
    other = make_project(tmp_path)
    other.snakemake(cores=8)
    for name in ("table1.csv", "table2.csv"):
        assert (other.path / "results" / name).read_bytes() == (built.path / "results" / name).read_bytes()
    assert stores_of(other) == stores_of(built)


def test_experiments_keep_apart(project: Project) -> None:
    before = (project.path / "results/table2.csv").read_bytes()
    project.set("experiment", value="other")
    project.set("seed", value=5)
    project.snakemake("results/other/table1.csv")
    assert (project.path / "results/other/table1.csv").is_file()
    assert (project.path / "results/table2.csv").read_bytes() == before


def test_seeds_and_a_further_arm_add_rows(project: Project) -> None:
    project.set("seeds", value=[1, 2])
    project.set(
        "arms", "half", value={"original": {"train": 12, "validate": 8}, "synthetic": {"train": 0, "validate": 0}}
    )
    project.snakemake("results/table2.csv", "results/table1.csv")
    table = pd.read_csv(project.path / "results/table2.csv")
    assert list(zip(table["arm"], table["seed"], strict=True)) == [
        (arm, seed) for arm in ("original", "mixed", "synthetic", "half") for seed in (1, 2)
    ]
    assert "±" in (project.path / "results/table2.md").read_text()
    assert (pd.read_csv(project.path / "results/table1.csv")["arm"] == "half").sum() == 3


def test_real_patches_in_pcam_format_go_all_the_way(built: Project, data_folder: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path)
    files = {"images": "idc_x.h5", "labels": "idc_y.h5", "meta": "idc_meta.csv"}
    project.set("source", value="pcam")
    project.set(
        "precut", "collections", "idc", value={key: str(data_folder / "idc" / name) for key, name in files.items()}
    )
    project.snakemake()
    table = pd.read_csv(project.path / "results/table2.csv")
    assert list(table["arm"]) == ["original", "mixed", "synthetic"]
    assert (table["n_test"] == 16).all()


def test_folders_of_images_go_all_the_way(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    random = np.random.default_rng(0)
    for name, mean in (("benign", 80), ("malignant", 160)):
        for patient in range(6):
            (tmp_path / "patches" / name / f"p{patient}").mkdir(parents=True)
            for number in range(12):
                pixels = random.integers(mean - 40, mean + 40, (50, 50, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "patches" / name / f"p{patient}" / f"{number}.png")
    collection = {"folder": "patches", "normal": "benign", "tumour": "malignant", "group_pattern": "/(p[0-9]+)/"}
    project.set("source", value="folders")
    project.set("precut", "collections", "mine", value=collection)
    project.snakemake("results/table2.csv")
    with h5py.File(project.path / "results/stores/original/train.h5") as store:
        assert set(store["patient_id"].asstr()[...]) <= {f"p{number}" for number in range(6)}
        assert store["images"].shape[1:] == (64, 64, 3)
