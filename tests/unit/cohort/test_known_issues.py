"""Known issues: every mistake is one line that names table, row and column; Camelyon16's table is what it says."""

from collections import Counter
from pathlib import Path

import pytest

from pathgen_smk.cohort.known_issues import KnownIssue, read_known_issues

HEADER = "slide_id,issue,action,certainty,note,source"
GOOD = "a,mislabelled,exclude,certain,it shows tumour,doi:10.1/2"


def write(folder: Path, content: str, header: str = HEADER) -> Path:
    path = folder / "issues.csv"
    path.write_text(f"{header}\n{content}\n", encoding="utf-8")
    return path


def test_issues_are_read_by_slide(tmp_path: Path) -> None:
    path = write(tmp_path, f'{GOOD}\n b , partly annotated,tumour_only,doubtful,"one, of two", Müller 2020\n')
    assert read_known_issues(path) == {
        "a": KnownIssue("a", "mislabelled", "exclude", "certain", "it shows tumour", "doi:10.1/2"),
        "b": KnownIssue("b", "partly annotated", "tumour_only", "doubtful", "one, of two", "Müller 2020"),
    }


WRONG = {
    "twice": (f"{GOOD}\n{GOOD}", 3, "slide_id"),
    "bad id": ("../a,x,exclude,certain,n,s", 2, "slide_id"),
    "no id": (",x,exclude,certain,n,s", 2, "slide_id"),
    "no issue": ("a,,exclude,certain,n,s", 2, "issue"),
    "bad action": ("a,x,drop,certain,n,s", 2, "action"),
    "no action": ("a,x,,certain,n,s", 2, "action"),
    "bad certainty": ("a,x,exclude,sure,n,s", 2, "certainty"),
    "no source": ("a,x,exclude,certain,n,", 2, "source"),
    "a cell too few": ("a,x,exclude,certain,n", 2, "source"),
    "a cell too many": (f"{GOOD},x", 2, ""),
    "two lines": ('a,x,exclude,certain,"n\nm",s', 3, "note"),
}


@pytest.mark.parametrize(("content", "row", "column"), WRONG.values(), ids=WRONG)
def test_mistakes_are_refused_with_their_row_and_column(
    tmp_path: Path, refused, content: str, row: int, column: str
) -> None:
    with refused("issues.csv", f"row {row}:", column):
        read_known_issues(write(tmp_path, content))


def test_files_that_are_no_such_table_are_refused(tmp_path: Path, refused) -> None:
    for header in (HEADER.removesuffix(",source"), HEADER + ",more", HEADER + ",source", ""):
        with refused("issues.csv", "row 1", HEADER):
            read_known_issues(write(tmp_path, GOOD, header))
    with refused("none.csv", "cohort.known_issues"):
        read_known_issues(tmp_path / "none.csv")
    (tmp_path / "issues.csv").write_bytes(b"\xff\xfe\0")
    with refused("issues.csv", "UTF-8"):
        read_known_issues(tmp_path / "issues.csv")


def test_camelyon16s_issues_are_those_of_its_readme_and_a_few_that_others_report(repository: Path) -> None:
    issues = read_known_issues(repository / "config/known-issues/camelyon16.csv")
    # The README names 20 training slides and one test slide that are partly annotated, and two that were removed.
    assert Counter(issue.action for issue in issues.values()) == {"tumour_only": 21, "exclude": 2, "keep": 3}
    assert {name for name, issue in issues.items() if issue.action == "exclude"} == {"normal_086", "test_049"}
    assert all(name.startswith("tumor_") or name == "test_114" for name, issue in issues.items()
               if issue.action == "tumour_only")  # fmt: skip
    assert all(("README" in issue.source) == (issue.certainty == "certain") for issue in issues.values())
