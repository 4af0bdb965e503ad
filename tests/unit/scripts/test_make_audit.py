"""How results of attacks become rows of audit.csv."""

import numpy as np
import pandas as pd
import pytest

from pathgen_smk.scripts import make_audit


def attacks(rates: dict[str, float]) -> pd.DataFrame:
    """Return results of attacks on one class, with these TPR at 1 %."""
    row = {"label": "normal", "unit": "patch", "n_members": 500, "n_nonmembers": 400, "auc": 0.6, "auc_low": 0.5}
    row |= {"auc_high": 0.7, "tpr_at_0.01_declined": ""}
    return pd.DataFrame(
        row | {"attack": attack, "tpr_at_0.01": rate, "tpr_at_0.01_low": 0.0, "tpr_at_0.01_high": 0.5}
        for attack, rate in rates.items()
    )


def test_the_residual_risk_is_void_for_attacks_that_do_not_beat_the_baseline() -> None:
    table = make_audit.with_residual_risk(attacks({"nearest": 0.1, "calibrated": 0.208, "rmia": 0.1}))
    risks = table.set_index("attack")["residual_risk"]
    assert risks["nearest"] == pytest.approx(0.09 / 0.99) and risks["calibrated"] == pytest.approx(0.2)
    assert np.isnan(risks["rmia"])
    rows = make_audit.membership_rows(table).set_index(["measure", "quantity"])
    assert rows.loc[("membership: rmia", "residual risk (patch)"), "note"].startswith("void")
    assert rows.loc[("membership: calibrated", "residual risk (patch)"), "value"] == pytest.approx(0.2)
    assert "500 members" in rows.loc[("membership: calibrated", "residual risk (patch)"), "note"]


def test_without_the_baseline_guessing_is_to_be_beaten() -> None:
    table = make_audit.with_residual_risk(attacks({"calibrated": 0.208, "rmia": 0.01}))
    assert table["residual_risk"].tolist() == [pytest.approx(0.2), pytest.approx(np.nan, nan_ok=True)]


def test_what_was_declined_has_no_residual_risk() -> None:
    table = make_audit.with_residual_risk(attacks({"nearest": np.nan, "calibrated": np.nan}))
    assert table["residual_risk"].isna().all()
