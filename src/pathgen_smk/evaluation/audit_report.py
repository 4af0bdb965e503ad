"""The audit on one page of HTML, with its pictures inside."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup
from PIL import Image

from pathgen_smk import plugins
from pathgen_smk.evaluation import audit, verdict
from pathgen_smk.evaluation.figures import image_grid
from pathgen_smk.evaluation.orientations import ELEMENTS, orient

PAIRS, PAIRS_A_ROW, ENLARGED = 32, 4, 2
# What names of values that measures report of held-out patches end in.
HELD_OUT_VALUE = " held-out"
THREATS = (
    (
        "the synthetic patches alone",
        "Copies, nearest pairs and the membership attacks below are of this case.",
    ),
    (
        "also the generator",
        "Not measured. It can draw as many patches as it likes, which makes membership attacks stronger: do not "
        "release it on the strength of this page.",
    ),
    (
        "also the discriminator",
        "Not measured, and not to be released: attacks on discriminators tell nearly every training image.",
    ),
)


def render(releases: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    """Return the page.

    Parameters
    ----------
    releases
        As `evaluation/audit_report.html.j2` takes them.
    settings
        The config's section on the audit.
    """
    environment = Environment(
        loader=PackageLoader("pathgen_smk", "evaluation"), autoescape=select_autoescape(default=True)
    )
    template = environment.get_template("audit_report.html.j2")
    return template.render(
        releases=releases,
        threats=THREATS,
        terms=terms(settings),
        deciding=" in ".join(reversed(verdict.PRIMARY)),
        level=f"{100 * settings['false_alarm_rate']:g} %",
        replicates=settings["replicates"],
        copycat=settings["copycat"],
    )


def terms(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what each measure, attack and metric of the config is, from the first sentence of its module."""
    found = []
    for key, package in (("measures", "copies"), ("attacks", "attacks"), ("fidelity", "fidelity")):
        for name in settings[key]:
            text = plugins.load(f"evaluation.{package}", name).__doc__ or ""
            found.append((name, text.strip().split("\n\n")[0].replace("\n", " ").replace("`", "")))
    return found


def picture(content: np.ndarray | Path) -> str:
    """Return a picture, (H, W, 3) uint8 or a PNG file, as an address that holds it."""
    if isinstance(content, Path):
        data = content.read_bytes()
    else:
        file = io.BytesIO()
        Image.fromarray(content).save(file, "PNG")
        data = file.getvalue()
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def pairs_grid(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return pairs of patches, (N, S, S, 3) uint8 each, side by side; the second is turned as fits the first best."""
    turned = [_alike(one, other) for one, other in zip(first, second, strict=True)]
    both = np.stack([first, np.stack(turned)], axis=1).reshape(-1, *first.shape[1:])
    grid = image_grid(both, columns=2 * PAIRS_A_ROW)
    return grid.repeat(ENLARGED, axis=0).repeat(ENLARGED, axis=1)


def _alike(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    wanted = first.astype(np.float64).ravel()
    return max(
        (orient(second, element) for element in ELEMENTS),
        key=lambda turned: np.dot(wanted - wanted.mean(), turned.astype(np.float64).ravel()),
    )


def html_table(table: pd.DataFrame) -> Markup:
    """Return a table as HTML; its cells are escaped."""
    with pd.option_context("display.max_colwidth", None):
        return Markup(table.to_html(index=False, border=0, na_rep="", escape=True))


def with_interval(value: float, low: float, high: float) -> str:
    """Return a value and its interval as text."""
    if pd.isna(value):
        return "-"
    return f"{value:.3g}" if pd.isna(low) else f"{value:.3g} ({low:.3g} to {high:.3g})"


def section_of(
    table: pd.DataFrame,
    found: dict[str, Any],
    sets: dict[str, audit.AuditSet],
    compared: pd.DataFrame,
) -> dict[str, Any]:
    """Return a class's part of the page."""
    held_out, synthetic = sets[audit.HELD_OUT], sets[audit.SYNTHETIC]
    counts = (
        f"{len(synthetic.patches.labels):,} synthetic patches, {len(sets[audit.TRAINING].patches.labels):,} training"
        f" originals, {len(held_out.patches.labels):,} held-out originals of {len(np.unique(held_out.slides))} slides."
    )
    return {
        "suspected": found["copies_found"] or bool(found["nearer_by"]),
        "counts": counts,
        "level_of_others": with_interval(found["level_of_others"], np.nan, np.nan),
        "tests": html_table(tests_table(table)),
        "power": power_table(found["power"]),
        "alarms": alarms_of(table),
        "pairs": pairs_of(sets, compared),
        "membership": membership_table(table),
        "fidelity": fidelity_table(table),
    }


def texts(table: pd.DataFrame) -> list[str]:
    """Return the values of rows and their intervals as text."""
    return [with_interval(*row) for row in table[["value", "low", "high"]].to_numpy(float).tolist()]


def tests_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return what each measure found in each space, of the set and of the copycat: p-values, then a row a value."""
    rows: list[list[str]] = []
    copies = table[~table["measure"].str.startswith("membership")]
    for (space, measure), part in copies.groupby(["space", "measure"], sort=False):
        own, cat = part[part["control"] == ""], part[part["control"] == audit.COPYCAT]
        if not (own["quantity"] == "p").any():
            continue  # a metric of fidelity
        p_values = [tested["value"].iloc[0] for tested in (own[own["quantity"] == "p"], cat[cat["quantity"] == "p"])]
        head = [f"{measure} in {space}", *(f"{p:.2g}" if pd.notna(p) else "-" for p in p_values)]
        values = own[(own["quantity"] != "p") & ~own["quantity"].str.startswith("p at")]
        told = dict(zip(values["quantity"], texts(values), strict=True))
        for name in (name for name in told if not name.endswith(HELD_OUT_VALUE)):
            rows.append([*head, name, told[name], told.get(f"{name}{HELD_OUT_VALUE}", "")])
            head = [""] * len(head)
    columns = ["test", "p-value", "of a copycat", "value, with 95 % interval", "synthetic", "held-out"]
    return pd.DataFrame(rows, columns=columns)


def power_table(power: dict[str, Any]) -> Markup:
    """Return the power of the deciding test, a row a perturbation, a column a rate."""
    rates = list(next(iter(power.values()), {}))
    rows = [[name, *(_power_text(found[rate]) for rate in rates)] for name, found in power.items()]
    return html_table(pd.DataFrame(rows, columns=["planted copies", *(f"{rate} of the patches" for rate in rates)]))


def _power_text(found: dict[str, float | None]) -> str:
    value, low, high = (found[key] for key in ("value", "low", "high"))
    return "untestable" if value is None or low is None or high is None else with_interval(value, low, high)


def alarms_of(table: pd.DataFrame) -> str:
    """Return how often real patches that posed as synthetic were called copies."""
    rows = table[
        (table["control"] == audit.POSING)
        & (table["quantity"] == "share found")
        & (table["space"] == verdict.PRIMARY[0])
    ]
    rows = rows[rows["measure"] == verdict.PRIMARY[1]]
    if not len(rows) or rows["value"].isna().all():
        return "Too few held-out slides for one half of them to pose as synthetic: false alarms were not measured."
    row = rows.iloc[0]
    told = with_interval(row["value"], row["low"], row["high"])
    return f"When half of the held-out slides posed as synthetic, the deciding test found copies in a share of {told}."


def membership_table(table: pd.DataFrame) -> Markup:
    """Return what attacks found, a row an attack and unit."""
    attacks = table[table["measure"].str.startswith("membership: ")].copy()
    declined = attacks["value"].isna()
    # The reasons are long and all alike: the page says them once.
    attacks["text"] = np.where(declined, attacks["note"].astype(str).str.split(":").str[0], texts(attacks))
    attacks[["quantity", "unit"]] = attacks["quantity"].str.extract(r"^(.*) \((.*)\)$")
    wide = attacks.pivot(index=["measure", "unit"], columns="quantity", values="text").reset_index()
    return html_table(wide.rename_axis(columns=None))


def fidelity_table(table: pd.DataFrame) -> Markup:
    """Return fidelity and diversity, a row a space and metric."""
    tested = table.loc[table["quantity"] == "p", "measure"].unique()
    rows = table[~table["measure"].isin(tested) & ~table["measure"].str.startswith("membership")]
    own, beside = rows[rows["control"] == ""], rows[rows["control"] == audit.POSING]
    key = ["space", "measure", "quantity"]
    joined = own.merge(beside[[*key, "value"]], on=key, how="left", suffixes=("", "_beside"))
    shown = pd.DataFrame({
        "metric": joined["quantity"] + " in " + joined["space"],
        "synthetic": texts(joined),
        "held-out": [with_interval(value, np.nan, np.nan) for value in joined["value_beside"]],
    })  # fmt: skip
    return html_table(shown)


def pairs_of(sets: dict[str, audit.AuditSet], compared: pd.DataFrame) -> dict[str, str]:
    """Return pictures of the nearest pairs: synthetic and training, held-out and training."""
    found = {}
    for name, key in (("synthetic", audit.SYNTHETIC), ("real", audit.HELD_OUT)):
        nearest = compared[compared["set"] == key].nsmallest(PAIRS, "distance")
        first = sets[key].patches.read(nearest["patch"].to_numpy())
        second = sets[audit.TRAINING].patches.read(nearest["nearest"].to_numpy())
        correlation = 1 - nearest["distance"].to_numpy() ** 2 / 2
        found[name] = picture(pairs_grid(first, second))
        found[f"{name}_range"] = f"{correlation.min():.3f} to {correlation.max():.3f}"
    return found
