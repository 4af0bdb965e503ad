"""Collections of patches that somebody cut already, one format a module.

Each module has ``index(collection, files) -> table`` (columns slide_id, patient_id, item, x, y, side, level, label)
and ``read(files, rows) -> iterator of (H, W, 3) uint8``. `files` maps the format's keys in the config to values.
"""

import numpy as np
import pandas as pd


def index_table(groups: np.ndarray, label: np.ndarray, **columns: np.ndarray) -> pd.DataFrame:
    """Return the index of a collection: `groups` (N,) names the slide or patient of each patch, `label` (N,) is 0 or 1.

    Pre-cut patches have no level and no side on a slide: these columns are 0, as are x and y where unknown.
    """
    table = pd.DataFrame({"slide_id": pd.Series(groups).astype(str), "patient_id": pd.Series(groups).astype(str)})
    table["item"] = np.arange(len(table))
    for name in ("x", "y", "side", "level"):
        table[name] = columns.pop(name, np.zeros(len(table), np.int64))
    table["label"] = label.astype(np.uint8)
    return table.assign(**columns)
