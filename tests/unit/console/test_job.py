"""A job's errors: one line on the terminal, more in the log, and an exit status that is not zero."""

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pathgen_smk.console.job import PARENT_VARIABLE, job, last_errors
from pathgen_smk.console.progress import Progress, clock
from pathgen_smk.errors import InputError
from pathgen_smk.files import replacing


@pytest.fixture(autouse=True)
def own_logging():
    """Leave the handlers of the process as they were."""
    loggers = [logging.getLogger(name) for name in ("pathgen_smk", "py.warnings")]
    kept = [(one, one.handlers, one.propagate, one.level) for one in loggers]
    yield
    logging.captureWarnings(False)
    for one, handlers, propagate, level in kept:
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(level)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("slide a: it is blank"), "slide a: it is blank"),
        (FileNotFoundError(2, "No such file or directory", "x.h5"), "x.h5: No such file or directory"),
        (OSError("disk full"), "disk full"),
        (MemoryError(), "out of memory"),
        (KeyError("two\nlines"), "KeyError: "),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_errors_are_one_line_and_end_the_job(tmp_path: Path, capsys, error: Exception, line: str) -> None:
    log = tmp_path / "logs" / "rule" / "a.log"
    with pytest.raises(SystemExit) as ended, job("rule a", str(log)):
        raise error
    assert ended.value.code == 1
    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 1 and printed[0].startswith(f"[rule a] {line}")
    defect = not isinstance(error, InputError | OSError | MemoryError)
    assert ("Traceback" in log.read_text()) == defect == ("please report" in printed[0])
    (failed,) = last_errors(tmp_path / "logs", since=time.time() - 60)
    assert failed.startswith(f"FAILED rule/a: {line}") and str(log) in failed
    assert last_errors(tmp_path / "logs", since=time.time() + 60) == []


def test_what_is_logged_goes_to_the_terminal_and_the_log(tmp_path: Path, capsys) -> None:
    with job("rule a", str(tmp_path / "a.log")):
        logging.getLogger("pathgen_smk").info("5 patches")
    assert capsys.readouterr().err == "[rule a] 5 patches\n"
    assert (tmp_path / "a.log").read_text().endswith("INFO 5 patches\n")
    assert last_errors(tmp_path, since=0) == []


def test_a_job_ends_soon_after_the_workflow_that_started_it(tmp_path: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    log = str(tmp_path / "a.log")
    code = f"import time\nfrom pathgen_smk.console.job import job\nwith job('a', {log!r}):\n    time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {PARENT_VARIABLE: str(parent.pid)})
    try:
        time.sleep(1)
        assert child.poll() is None
        parent.kill()
        parent.wait()
        assert child.wait(timeout=10) != 0
    finally:
        child.kill()
        parent.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_job_that_is_asked_to_end_says_so_and_cleans_up(tmp_path: Path, capsys, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    ending = pytest.raises(SystemExit, match="1")
    with ending, job("cut a", str(tmp_path / "log")), replacing(tmp_path / "store.h5") as temporary:
        temporary.touch()
        os.kill(os.getpid(), number)
        time.sleep(5)
    assert f"[cut a] ended by {number.name}" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert signal.getsignal(number) is before


def test_progress_says_how_much_is_done_and_how_long_it_takes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pathgen_smk")
    progress = Progress("GAN", 3000, "images", every=0)
    progress.skip(1000)
    progress.advance(1000, lambda: "loss 0.5")
    progress.advance(1000)
    first, last = (record.getMessage() for record in caplog.records)
    assert first.startswith("GAN: 2,000 of 3,000 images | ") and "loss 0.5" in first and first.endswith(" left")
    assert last.startswith("GAN: 3,000 of 3,000 images | ") and "took 0:00" in last


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (13752, "3:49:12")])
def test_durations(seconds: float, text: str) -> None:
    assert clock(seconds) == text
    assert clock(float("inf")) == "?"
