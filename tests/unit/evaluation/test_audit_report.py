"""Tables of the audit's page."""

import numpy as np
import pandas as pd

from pathgen_smk.evaluation import audit_report

COLUMNS = ["space", "measure", "control", "quantity", "value", "low", "high"]


def test_values_of_synthetic_patches_stand_beside_those_of_held_out_ones() -> None:
    table = pd.DataFrame(
        [
            ("pixels", "neighbour_gap", "", "p", 0.5, np.nan, np.nan),
            ("pixels", "neighbour_gap", "copycat", "p", 1e-9, np.nan, np.nan),
            ("pixels", "neighbour_gap", "", "median gap", 0.4, 0.3, 0.5),
            ("pixels", "neighbour_gap", "", "median gap held-out", 0.7, 0.6, 0.8),
            ("pixels", "neighbour_gap", "", "largest", 4.0, 3.0, 5.0),
            ("pixels", "nearest_correlation", "", "p", np.nan, np.nan, np.nan),
            ("pixels", "nearest_correlation", "copycat", "p", np.nan, np.nan, np.nan),
            ("pixels", "nearest_correlation", "", "mean", 0.6, 0.5, 0.7),
            ("pca", "fd", "", "fd", 9.0, 8.0, 10.0),
        ],
        columns=COLUMNS,
    )
    assert audit_report.tests_table(table).to_numpy().tolist() == [
        ["neighbour_gap in pixels", "0.5", "1e-09", "median gap", "0.4 (0.3 to 0.5)", "0.7 (0.6 to 0.8)"],
        ["", "", "", "largest", "4 (3 to 5)", ""],
        ["nearest_correlation in pixels", "-", "-", "mean", "0.6 (0.5 to 0.7)", ""],
    ]


def test_names_from_a_table_are_text_in_the_page() -> None:
    table = pd.DataFrame([{"planted copies": "<script>"}])
    assert "<script>" not in audit_report.html_table(table)
