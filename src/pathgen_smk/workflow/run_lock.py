"""One run at a time writes to a folder of results."""

import fcntl
import sys
from pathlib import Path
from typing import IO

from pathgen_smk.errors import InputError


def lock_results(results: Path) -> IO[str]:
    """Make the folder, and keep other runs out of it for as long as the returned file is open.

    Snakemake's own lock outlives a killed run; this one dies with the process, so that the same command works again.

    Raises
    ------
    InputError
        If another run holds it, or the folder cannot be written to.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        file = (results / ".lock").open("w")
    except OSError as error:
        raise InputError(f"{error.filename}: results cannot be written there: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise InputError(f"another run is writing to {results}; wait for it, or choose another 'experiment'") from None
    except OSError as error:
        # Some network file systems have no locks.
        print(f"WARNING: nothing keeps a second run out of {results}: {error.strerror}", file=sys.stderr)
    return file
