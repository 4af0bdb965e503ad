"""A disk that becomes full while patches are cut: one clear line, no slide is blamed, nothing half-written stays."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from slide_files import FORMATS

RUN = """
import json, sys
from pathlib import Path
import pandas as pd
from pathgen_smk import files
from pathgen_smk.errors import PassingError
from pathgen_smk.scripts import cut_patches
slide, disk = Path(sys.argv[1]), Path(sys.argv[2])
known = {"a": {"state": files.state_of_file(slide), "um_per_px": 0.25}}
files.write_json(slide.with_suffix(".json"), known)
places = [(x, y) for y in (0, 256, 512) for x in (0, 256, 512, 768)]
rows = pd.DataFrame(places, columns=["x", "y"]).assign(slide_id="a", patient_id="a", item=range(12), side=256, level=0)
rows.assign(label=0, split="train", rank=range(12)).to_csv(slide.with_suffix(".csv"))
try:
    cut_patches.main(
        slides=[{"slide_id": "a", "path": str(slide), "md5": ""}], draw=slide.with_suffix(".csv"),
        indexed=slide.with_suffix(".json"), store=disk / "a.h5", entries=disk / "a.json", log="", scratch=disk,
        output_size=int(sys.argv[3]), filter_name="area", decoding="exact",
    )
except PassingError as error:
    print("ERROR:", error)
print(sorted(path.name for path in disk.iterdir()))
"""


@pytest.mark.parametrize("size", [256, 1024])
def test_a_full_disk_while_cutting_is_one_clear_line(tmp_path: Path, size: int) -> None:
    slide, disk = tmp_path / "a.tif", tmp_path / "disk"
    FORMATS["generic, JPEG 4:2:0"](slide)
    disk.mkdir()
    (tmp_path / "run.py").write_text(RUN)
    run = f"{sys.executable} {tmp_path / 'run.py'} {slide} {disk}"
    script = f"mount -t tmpfs -o size=1m none {disk} || exit 77\n{run} {size}\n{run} 64"
    if not shutil.which("unshare"):
        pytest.skip("no unshare to make a small disk with")
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        text=True, capture_output=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    if done.returncode in (1, 77) and not done.stdout:
        pytest.skip(f"no small disk can be made here: {done.stderr.strip()}")
    assert done.stdout.splitlines() == [
        f"ERROR: {disk / 'a.h5'}: the disk is full; free some space, then type the same command again",
        "[]",
        "['a.h5', 'a.json']",
    ], done.stderr
