"""Check a config before anything runs: each mistake is one line that names the file and the key."""

import json
import math
import os
import re
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from pathgen_smk import plugins
from pathgen_smk.errors import InputError
from pathgen_smk.workflow.experiment import NO_GENERATOR, ORIGINAL_ARM

# Names in results/ of the default experiment, which other experiments must not take.
RESERVED = {
    "audit", "benchmarks", "classifiers", "cohort", "fetched", "figures", "gans", "index", "logs", "patches",
    "predictions", "qc", "running", "sampling", "slides", "stores", "tensorboard",
}  # fmt: skip
# Kinds of features that need options, thus a name in audit.encoders; attacks that need not two shadow generators.
NEED_OPTIONS = {"timm", "torchvision"}
# Beside the folders of generators in <results>/audit/.
AUDIT_FILES = {"audit.csv", "copies", "outcome.json", "report.html", "shadows"}
SHADOWS_NEEDED = {"nearest": 0, "likelihood_ratio": 4}
# Keys of a collection of pre-cut patches that are paths, and how their existence is checked.
PATH_KEYS = {"images": os.path.isfile, "labels": os.path.isfile, "meta": os.path.isfile, "folder": os.path.isdir}


# JSON takes 1.0 for an integer; Snakemake would name files by it and rerun for it.
VALIDATOR = extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)


class StrictLoader(yaml.SafeLoader):
    """A YAML loader that refuses a key that stands twice in one section; YAML's own would take the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        """Return the mapping of a node, whose keys must differ."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise InputError(f"row {node.start_mark.line + 1}: the key '{key}' stands twice in this section")
        return super().construct_mapping(node, deep)


def complete(config: dict[str, Any], defaults: Path) -> dict[str, Any]:
    """Return a config laid upon the config file `defaults`: sections key by key, all else as a whole."""

    def lay(upper: Any, lower: Any) -> Any:
        if not (isinstance(upper, dict) and isinstance(lower, dict)):
            return upper
        return lower | {key: lay(value, lower.get(key)) for key, value in upper.items()}

    return lay(config, yaml.safe_load(defaults.read_text(encoding="utf-8")))


def check_config(config: dict[str, Any], schema_path: Path, files: Iterable[str]) -> None:
    """Check a merged config.

    Parameters
    ----------
    config
        The config as Snakemake merged it.
    schema_path
        Its JSON schema.
    files
        The config files it was merged from, later ones winning: to name the one that holds a mistake. The last one
        is named where none does, and need not exist.

    Raises
    ------
    InputError
        For the first mistake.
    """
    files = list(files)
    for name in files:
        _check_yaml(name)
    validator = VALIDATOR(json.loads(schema_path.read_text(encoding="utf-8")))
    # The most specific mistake first: a missing key of a section rather than "section is not valid".
    for keys, message in _odd_values(config):
        raise InputError(f"{_file_of(keys, files)}: {'.'.join(keys)}: {message}")
    for error in sorted(validator.iter_errors(config), key=lambda error: -len(error.absolute_path)):
        keys, message = _explain(error)
        raise InputError(f"{_file_of(keys, files)}: {'.'.join(keys) or 'config'}: {message}")
    for keys, message in _contradictions(config):
        raise InputError(f"{_file_of(keys, files)}: {'.'.join(keys)}: {message}")


def check_collection_files(config: dict[str, Any], files: Iterable[str]) -> None:
    """Check that the files exist which a config names as collections of pre-cut patches; raises as `check_config`."""
    files = list(files)
    for name, collection in config["precut"]["collections"].items():
        for key, value in collection.items():
            if key in PATH_KEYS and not PATH_KEYS[key](value):
                keys = ["precut", "collections", name, key]
                raise InputError(f"{_file_of(keys, files)}: {'.'.join(keys)}: '{value}': there is no such file")


def check_encoder_files(config: dict[str, Any], files: Iterable[str]) -> None:
    """Check that the weights exist which a config names for the audit's encoders; raises as `check_config`."""
    files, audit = list(files), config["audit"]
    for name in set(audit["encoders"]) & set(audit["spaces"]):
        weights, keys = audit["encoders"][name]["weights"], ["audit", "encoders", name, "weights"]
        if not Path(weights).is_file():
            raise InputError(f"{_file_of(keys, files)}: {'.'.join(keys)}: '{weights}': there is no such file")


def _check_yaml(name: str) -> None:
    try:
        yaml.load(Path(name).read_text(encoding="utf-8"), StrictLoader)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    except (OSError, ValueError, yaml.YAMLError):
        return  # Snakemake has read it already, or will say why it cannot


def _explain(error: ValidationError) -> tuple[list[str], str]:
    keys = [str(key) for key in error.absolute_path]
    schema, expected, found = cast(dict, error.schema), cast(list, error.validator_value), cast(Any, error.instance)
    if error.validator == "additionalProperties":
        known = sorted(schema.get("properties", {}))
        unknown = next(key for key in found if key not in known)
        return [*keys, str(unknown)], f"there is no such key; known here: {', '.join(known)}"
    if error.validator == "required":
        missing = next(key for key in expected if key not in found)
        return [*keys, missing], "this key is missing"
    if error.validator == "contains":
        return keys, f"{schema['contains']['const']} must be among them"
    hint = ""
    if isinstance(found, str) and error.validator == "type" and _is_number(found):
        hint = " (YAML reads it as text; write it in full, such as 0.0002)"
    return keys, f"{error.message}{hint}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _file_of(keys: list[str], files: list[str]) -> str:
    for name in reversed(files):
        try:
            value: Any = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            continue
        for key in keys:
            value = value.get(key, ...) if isinstance(value, dict) else ...
        if value is not ...:
            return name
    # A missing key stands in no file; what stands in none but is there came from the command line.
    return files[-1] if files else "config"


def _contradictions(config: dict[str, Any]) -> Iterable[tuple[list[str], str]]:
    """Yield what a schema cannot say, as (keys, message)."""
    yield from _unknown_plugins(config)
    patches = config["patches"]
    if config["split"]["by"] == "patch" and patches["stride"] < patches["size"]:
        message = f"it is less than the size, {patches['size']}, so that patches overlap, and split.by: patch would put"
        yield ["patches", "stride"], f"{message} the same tissue into training and test; split by patient or slide"
    if config["experiment"] in RESERVED:
        yield ["experiment"], f"'{config['experiment']}' is a folder of the default experiment; choose another name"
    yield from _arm_mistakes(config["arms"])
    yield from _audit_mistakes(config["audit"])
    for name in sorted(AUDIT_FILES & set(config["generators"])):
        yield ["generators", name], f"'{name}' is something else in the audit's results; choose another name"
    if NO_GENERATOR in config["generators"]:
        yield ["generators", NO_GENERATOR], f"'{NO_GENERATOR}' stands for arms without a generator; choose another name"
    if len(set(config["seeds"])) < len(config["seeds"]):
        yield ["seeds"], "each seed may stand there once"
    if config["labels"]["rule"] == "share" and config["labels"]["threshold"] == 0:
        yield ["labels", "threshold"], "the rule 'share' needs a share above 0"
    if config["patches"]["decoding"] == "scaled" and config["patches"]["filter"] != "area":
        yield ["patches", "decoding"], "'scaled' averages over areas; it needs patches.filter: area"
    groups = [(key, config["annotations"][key]) for key in ("tumour_groups", "normal_groups", "ignored_groups")]
    for (first, names), (second, others) in combinations(groups, 2):
        if both := set(names) & set(others):
            yield ["annotations", second], f"{', '.join(sorted(both))} is in {first} too"
    if config["source"] in ("phantoms", "slides"):
        if not config["cohort"]["sheet"]:
            yield ["cohort", "sheet"], f"source '{config['source']}' needs a slide sheet"
    else:
        yield from _collection_mistakes(config["source"], config["precut"]["collections"])


def _arm_mistakes(arms: dict[str, Any]) -> Iterable[tuple[list[str], str]]:
    if ORIGINAL_ARM not in arms:
        yield ["arms"], f"there is no arm '{ORIGINAL_ARM}', whose originals the GANs are trained on"
    for arm, parts in arms.items():
        for split in ("train", "validate"):
            if parts["original"][split] + parts["synthetic"][split] == 0:
                yield ["arms", arm], f"it has no patches to {split} on"
    if any(arms[ORIGINAL_ARM]["synthetic"].values()):
        yield ["arms", ORIGINAL_ARM, "synthetic"], "the original arm has no synthetic patches"


def _audit_mistakes(audit: dict[str, Any]) -> Iterable[tuple[list[str], str]]:
    known = {"pixels", *audit["encoders"], *(set(plugins.available("evaluation.features")) - NEED_OPTIONS)}
    for space in audit["spaces"]:
        if space not in known:
            yield ["audit", "spaces"], f"there is no '{space}'; choose of {', '.join(sorted(known))}"
    for key, package in (
        ("measures", "copies"),
        ("fidelity", "fidelity"),
        ("attacks", "attacks"),
        ("perturbations", "perturbations"),
    ):
        for name in audit[key]:
            if name not in plugins.available(f"evaluation.{package}"):
                there = ", ".join(plugins.available(f"evaluation.{package}"))
                yield ["audit", key], f"there is no '{name}'; choose of {there}"
    for keys, chosen, key in (
        (["copycat"], audit["copycat"], "perturbations"),
        (["gate", "power_of"], audit["gate"]["power_of"], "perturbations"),
        (["gate", "power_at"], audit["gate"]["power_at"], "planted"),
    ):
        if chosen not in audit[key]:
            yield ["audit", *keys], f"{chosen} is not among audit.{key}"
    for name, encoder in audit["encoders"].items():
        kind, keys = encoder["kind"], ["audit", "encoders", name]
        if name in {"pixels", *plugins.available("evaluation.features")}:
            yield keys, f"'{name}' is a space that there is already; choose another name"
        if kind not in plugins.available("evaluation.features"):
            yield (
                [*keys, "kind"],
                f"there is no '{kind}'; choose of {', '.join(plugins.available('evaluation.features'))}",
            )
        if kind in NEED_OPTIONS and "architecture" not in encoder:
            yield [*keys, "architecture"], f"this key is missing; kind '{kind}' needs it"
        if set(encoder["weights"]) & set("{}"):
            yield [*keys, "weights"], f"'{encoder['weights']}': a path with braces is a pattern for Snakemake"
        if "checkpoint_path" in encoder.get("arguments", {}):
            yield [*keys, "arguments"], "weights come from the file in 'weights', not from 'checkpoint_path'"
    rates = [f"{100 * share:g} %" for share in audit["planted"]]
    if len(set(rates)) < len(rates):
        yield ["audit", "planted"], f"two shares are the same in print: {', '.join(rates)}"
    for attack in audit["attacks"]:
        needed = SHADOWS_NEEDED.get(attack, 2)
        if audit["shadows"] < needed:
            yield ["audit", "shadows"], f"the attack '{attack}' needs at least {needed}"


def _collection_mistakes(source: str, collections: dict[str, Any]) -> Iterable[tuple[list[str], str]]:
    if not collections:
        yield ["precut", "collections"], f"source '{source}' needs at least one collection of files"
    form = plugins.load("precut", source)
    for name, files in collections.items():
        keys = ["precut", "collections", name]
        for key in form.REQUIRED:
            if key not in files:
                yield [*keys, key], f"this key is missing; source '{source}' needs {', '.join(form.REQUIRED)}"
        for key in files:
            if key not in (*form.REQUIRED, *form.OPTIONAL, "split"):
                yield [*keys, key], f"source '{source}' has no such key"
        try:
            re.compile(files.get("group_pattern", ""))
        except re.error as error:
            yield [*keys, "group_pattern"], f"not a regular expression: {error}"


def _odd_values(value: Any, keys: tuple[str, ...] = ()) -> Iterable[tuple[list[str], str]]:
    """Yield what YAML can say and JSON cannot: keys that are not text, numbers that are not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        yield list(keys), f"{value} is not a finite number"
    for key, inner in value.items() if isinstance(value, dict) else ():
        if not isinstance(key, str):
            yield [*keys, str(key)], "YAML reads this key as a number or truth value; put it in quotes"
        yield from _odd_values(inner, (*keys, str(key)))
    for inner in value if isinstance(value, list) else ():
        yield from _odd_values(inner, keys)


def _unknown_plugins(config: dict[str, Any]) -> Iterable[tuple[list[str], str]]:
    chosen = [
        (["tissue", "rule"], "slides.tissue"),
        (["labels", "rule"], "slides.labels"),
        (["annotations", "format"], "slides.annotations"),
        *((["generators", name, "architecture"], "models.generators") for name in config["generators"]),
        *((["classifiers", name, "architecture"], "models.classifiers") for name in config["classifiers"]),
        *((["audit", "encoders", name, "kind"], "evaluation.features") for name in config["audit"]["encoders"]),
        *(
            ([section, name, "augmentation"], "training.augmentations")
            for section in ("generators", "classifiers")
            for name in config[section]
        ),
    ]
    for keys, package in chosen:
        value: Any = config
        for key in keys:
            value = value[key]
        known = plugins.available(package)
        if value not in known:
            yield keys, f"there is no '{value}'; choose one of {', '.join(known)}"
