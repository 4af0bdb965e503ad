"""End with an error if the audit's outcome does not allow the synthetic patches to be released."""

import json
import logging
from pathlib import Path

from pathgen_smk.console.job import job
from pathgen_smk.errors import InputError

logger = logging.getLogger("pathgen_smk")


def main(*, outcome: Path) -> None:
    """Print why each generator's release is refused.

    Raises
    ------
    InputError
        If any is.
    """
    try:
        found = json.loads(outcome.read_text(encoding="utf-8"))["generators"]
        refused = {name: conclusion["failed"] for name, conclusion in found.items() if not conclusion["passed"]}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{outcome}: it is not an audit's outcome; delete it, and it is made again") from error
    for name, reasons in refused.items():
        for reason in reasons:
            logger.warning(f"{name}, {reason}")
    if refused:
        raise InputError(f"not to be released by the thresholds of audit.gate: {', '.join(refused)}; see {outcome}")
    logger.info(f"the thresholds of audit.gate are met by {', '.join(found)}: this is not a proof of anonymity")


if __name__ == "__main__":
    with job("check_release", snakemake.log[0]):
        main(outcome=Path(snakemake.input.outcome))
