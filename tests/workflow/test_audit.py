"""From stores to the audit's page, its table and its gate."""

import csv
import json
import shutil

import pytest
from checkout import Project, make_project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def audited(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the finished tiny experiment, for all tests here."""
    path = tmp_path_factory.mktemp("audited") / "project"
    shutil.copytree(built.path, path, symlinks=True)
    return Project(path)


def rows(project: Project) -> list[dict[str, str]]:
    with (project.path / "results/audit/audit.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_says_what_was_found_and_never_that_a_set_is_anonymous(audited: Project) -> None:
    page = (audited.path / "results/audit/report.html").read_text()
    for part in ("Threat models", "Power: what would have been found", "The nearest pairs", "Membership", "Fidelity"):
        assert part in page
    assert page.count("data:image/png;base64,") == 2 * 3  # for each class two grids of pairs and ROC curves
    assert "is anonymous" not in page and "are anonymous" not in page
    assert 'src="http' not in page  # nothing is fetched by who opens it


def test_the_table_holds_every_measure_and_control(audited: Project) -> None:
    found = rows(audited)
    assert {row["class"] for row in found} == {"normal", "tumour"}
    assert {row["space"] for row in found} == {"pixels", "pca", "classifier"}
    controls = {
        "",
        "copycat",
        "held-out posing",
        "exact",
        "flipped",
        "jpeg",
        "stain",
        "noise",
        "blurred",
        "shifted",
        "combined",
    }
    assert {row["control"] for row in found} == controls
    measures = {
        "neighbour_gap",
        "copy_rate",
        "distance_ratio",
        "authpct",
        "c_t",
        "nearest_correlation",
        "fd",
        "kd",
        "prdc",
        "fld",
    }
    attacks = {f"membership: {name}" for name in ("nearest", "calibrated", "rmia")}
    assert {row["measure"] for row in found} == measures | attacks
    # A handful of non-members is too few for a rate of 0.1 %, and the table says so.
    declined = [row for row in found if row["quantity"].startswith("TPR at 0.1 %")]
    assert declined and all(row["value"] == "" and row["note"].startswith("declined") for row in declined)


def test_the_gate_is_an_exit_code_with_reasons(audited: Project) -> None:
    outcome = json.loads((audited.path / "results/audit/outcome.json").read_text())
    passed = all(found["passed"] for found in outcome["generators"].values())
    assert outcome["passed"] == passed
    output = audited.snakemake("check_release", succeeds=passed)
    for reason in outcome["generators"]["dcgan"]["failed"]:
        assert f"dcgan, {reason}" in output
    assert "Traceback" not in output


def test_another_perturbation_or_threshold_reruns_what_it_concerns(audited: Project) -> None:
    before = audited.planned("results/audit/report.html")
    assert before == {}
    audited.set("audit", "gate", value={"power_at": 0.5, "least_power": 0.5})
    assert audited.planned("results/audit/report.html") == {"make_audit": 1}
    audited.set("audit", "gate", value={"power_at": 0.5})
    audited.set("audit", "fidelity", value=["fd"])
    assert audited.planned("results/audit/report.html") == {"measure_fidelity": 2, "make_audit": 1}


def test_without_originals_of_other_slides_there_is_no_audit(tmp_path) -> None:
    project = make_project(tmp_path)
    project.set("split", "by", value="patch")
    assert "make_audit" not in project.planned()
    # Whoever asks for it is told at once, not after the trainings.
    assert "split.by must be patient or slide" in project.snakemake("--dry-run", "check_release", succeeds=False)
