"""A mistake is one line that says where it is, and nothing runs."""

import pytest
import yaml
from checkout import make_project, make_project_of_a_broken_slide

CONFIG_MISTAKES = {
    "unknown key": ({"patches": {"sise": 256}}, "config/tiny.yaml: patches.sise: there is no such key"),
    "wrong type": ({"draw": {"test": "many"}}, "config/tiny.yaml: draw.test: 'many' is not of type 'integer'"),
    "missing sheet": ({"cohort": {"sheet": "nowhere.csv"}}, "nowhere.csv: cannot read this slide sheet"),
    "unknown tissue rule": ({"tissue": {"rule": "magic"}}, "config/tiny.yaml: tissue.rule: there is no 'magic'"),
    "missing collection": ({"source": "pcam"}, "precut.collections: source 'pcam' needs at least one collection"),
}
SHEET_MISTAKES = {
    "duplicate": ("a1,,,tumour,a,\na1,,,normal,a,\n", "row 3: slide_id 'a1' is there already"),
    "bad label": ("a1,,,cancer,a,\n", "row 2: label 'cancer' must be one of normal, tumour"),
    "path in id": ("../a1,,,normal,a,\n", "row 2: slide_id '../a1' must be"),
}


@pytest.mark.parametrize(("change", "expected"), CONFIG_MISTAKES.values(), ids=CONFIG_MISTAKES)
def test_mistakes_in_the_config(tmp_path, change: dict, expected: str) -> None:
    project = make_project(tmp_path)
    config = yaml.safe_load((tmp_path / "config/tiny.yaml").read_text())
    for section, value in change.items():
        config[section] = {**config.get(section, {}), **value} if isinstance(value, dict) else value
    (tmp_path / "config/tiny.yaml").write_text(yaml.safe_dump(config))
    project.refuses(expected)


@pytest.mark.parametrize(("rows", "expected"), SHEET_MISTAKES.values(), ids=SHEET_MISTAKES)
def test_mistakes_in_the_sheet(tmp_path, rows: str, expected: str) -> None:
    project = make_project(tmp_path)
    (tmp_path / "config/slides-tiny.csv").write_text(f"slide_id,path,annotation,label,patient,split\n{rows}")
    project.refuses(f"config/slides-tiny.csv: {expected}")


def test_broken_slide_is_named_with_its_log(tmp_path) -> None:
    project = make_project_of_a_broken_slide(tmp_path)
    output = project.snakemake("results/table2.csv", succeeds=False)
    assert [line for line in output.splitlines() if line.startswith(("FAILED", "ERROR: 1 of 1"))] == [
        "FAILED draw_patches: there is no patch in any of 1 index file(s); look at qc/ and the index's logs "
        "(log: results/logs/draw_patches.log)",
        "ERROR: 1 of 1 slides refused (cohort.allowed_refusals is 0): broken (slide broken.svs: OpenSlide cannot open "
        "it: Unsupported or missing image file); all of them: results/index",
    ]
