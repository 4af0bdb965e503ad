"""End with an error if the audit's outcome does not allow the synthetic patches to be released."""

import json
import logging
from pathlib import Path
from typing import Any

from pathgen_smk import files
from pathgen_smk.console.job import job
from pathgen_smk.errors import InputError

logger = logging.getLogger("pathgen_smk")


def main(*, outcome: Path, stores: dict[str, Path], settings: dict[str, Any]) -> None:
    """Print why each generator's release is refused.

    `stores` are what is to be released, by generator, and `settings` the config's section on the audit. An outcome of
    other files or other settings, as remains where the audit cannot be made again, allows nothing.

    Raises
    ------
    InputError
        If any is.
    """
    try:
        known = json.loads(outcome.read_text(encoding="utf-8"))
        found = known["generators"]
        digests = {name: conclusion["store"]["sha256"] for name, conclusion in found.items()}
        failed = {name: [str(reason) for reason in conclusion["failed"]] for name, conclusion in found.items()}
        refused = {name: failed[name] for name, conclusion in found.items() if conclusion["passed"] is not True}
        contradicts = any(failed[name] for name in found.keys() - refused.keys()) or known["passed"] is not (
            not refused
        )
        same_settings = known["settings"] == settings
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{outcome}: it is not an audit's outcome; delete it, and it is made again") from error
    if contradicts:
        raise InputError(f"{outcome}: it contradicts itself; delete it, and it is made again")
    again = "make results/audit/report.html, which says what is missing"
    if not same_settings:
        raise InputError(f"{outcome}: it is of other settings than those in the config's section audit; {again}")
    for name, store in stores.items():
        if digests.get(name) != files.digest_of_file(store):
            raise InputError(f"{outcome}: it is not of {store} as it is now; {again}")
    for name, reasons in refused.items():
        for reason in reasons:
            logger.warning(f"{name}, {reason}")
    if refused:
        raise InputError(f"not to be released by the thresholds of audit.gate: {', '.join(refused)}; see {outcome}")
    met = ", ".join(f"{name} ({store})" for name, store in stores.items())
    logger.info(f"the thresholds of audit.gate are met by {met}: this is not a proof of anonymity")


if __name__ == "__main__":
    with job("check_release", snakemake.log[0]):
        main(
            outcome=Path(snakemake.input.outcome),
            stores=dict(zip(snakemake.params.generators, map(Path, snakemake.input.stores), strict=True)),
            settings=snakemake.params.settings,
        )
