"""Every rule can be run again on its own, and what follows runs with it."""

import re

from checkout import Project


def test_every_rule_can_be_forced(built: Project) -> None:
    rules = re.findall(r"^\w+$", built.snakemake("--list-rules", "--quiet", "all"), re.MULTILINE)
    assert {"make_phantom", "draw_patches", "train_gan", "make_table2"} <= set(rules)
    for rule in set(rules) - {"all", "fetch_file", "fetch_all", "preflight", "check_release"}:
        planned = built.planned("--forcerun", rule)
        assert planned.get(rule), rule


def test_forcing_the_last_rule_runs_nothing_else(built: Project) -> None:
    assert built.planned("--forcerun", "write_provenance") == {"write_provenance": 1}
