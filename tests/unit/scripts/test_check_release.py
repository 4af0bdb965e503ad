"""The release gate allows what the audit was of, and nothing else."""

import json
from pathlib import Path

import pytest

from pathgen_smk import files
from pathgen_smk.scripts import check_release

SETTINGS = {"spaces": ["pixels"], "gate": {"most_members": 0.05}}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "train-1200.h5"
    path.write_bytes(b"patches")
    return path


def outcome(store: Path, whole: dict | None = None, **changes) -> Path:
    """Write the outcome of an audit of a store."""
    known = {"passed": True, "failed": [], "store": {"path": str(store), "sha256": files.digest_of_file(store)}}
    path, whole = store.parent / "outcome.json", whole or {"passed": changes.get("passed", True)}
    path.write_text(
        json.dumps({"passed": True, "settings": SETTINGS, "generators": {"dcgan": known | changes}} | whole)
    )
    return path


def check(path: Path, store: Path, settings: dict = SETTINGS) -> None:
    check_release.main(outcome=path, stores={"dcgan": store}, settings=settings)


def test_what_the_audit_passed_may_be_released(store: Path, caplog) -> None:
    with caplog.at_level("INFO"):
        check(outcome(store), store)
    assert f"met by dcgan ({store})" in caplog.text and "not a proof" in caplog.text


def test_reasons_are_told(store: Path, refused, caplog) -> None:
    with refused("not to be released", "dcgan"):
        check(outcome(store, passed=False, failed=["tumour: copies found"]), store)
    assert "dcgan, tumour: copies found" in caplog.text


def test_another_store_or_other_settings_are_not_what_was_audited(store: Path, refused) -> None:
    path = outcome(store)
    with refused(path, "other settings", "results/audit/report.html"):
        check(path, store, SETTINGS | {"spaces": ["pixels", "pca"]})
    store.write_bytes(b"other patches")
    with refused(path, f"it is not of {store} as it is now"):
        check(path, store)


@pytest.mark.parametrize(
    ("whole", "changes"),
    [
        ({"passed": False}, {}),
        ({"passed": "true"}, {}),
        ({"passed": True}, {"passed": "true"}),
        ({"passed": True}, {"failed": ["tumour: copies found"]}),
        ({"passed": True}, {"passed": False, "failed": ["tumour: copies found"]}),
    ],
)
def test_an_outcome_that_contradicts_itself_is_refused(store: Path, refused, whole: dict, changes: dict) -> None:
    with refused("contradicts itself"):
        check(outcome(store, whole, **changes), store)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"generators": {"dcgan": {}}}', '{"generators": 1}'])
def test_what_is_no_outcome_is_refused(store: Path, refused, content: str) -> None:
    path = store.parent / "outcome.json"
    path.write_text(content)
    with refused(path, "not an audit's outcome"):
        check(path, store)
