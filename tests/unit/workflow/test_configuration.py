"""The config and its schema are complete and closed, and each mistake is one line that names file and key."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from pathgen_smk import plugins
from pathgen_smk.workflow.configuration import RESERVED, check_config, complete

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "config/schemas/config.schema.json"
DEFAULT = ROOT / "config/config.yaml"
PRESETS = sorted(set((ROOT / "config").glob("*.yaml")) - {DEFAULT})


def default() -> dict:
    return yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))


def merged(tmp_path: Path, changes: str) -> tuple[dict, list[str]]:
    """Lay changes upon the default as Snakemake does; give the config and its files."""
    path = tmp_path / "mine.yaml"
    path.write_text(changes, encoding="utf-8")
    config = default()
    update_config(config, yaml.safe_load(changes))
    return config, [str(DEFAULT), str(path)]


def test_the_default_is_valid() -> None:
    check_config(default(), SCHEMA, [str(DEFAULT)])


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_presets_are_valid_upon_the_default(preset: Path) -> None:
    config = default()
    update_config(config, yaml.safe_load(preset.read_text(encoding="utf-8")))
    check_config(config, SCHEMA, [str(DEFAULT), str(preset)])


def objects(schema: dict, place: str = "config") -> Iterator[tuple[str, dict]]:
    """Yield every object schema, with its place."""
    types = schema.get("type", [])
    if "object" in ([types] if isinstance(types, str) else types):
        yield place, schema
    for name, inner in schema.get("properties", {}).items():
        yield from objects(inner, f"{place}.{name}")
    for key in ("additionalProperties", "items"):
        if isinstance(schema.get(key), dict):
            yield from objects(schema[key], f"{place}.*")


def test_the_schema_is_closed_at_every_level() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    found = dict(objects(schema))
    assert len(found) > 15
    for place, inner in found.items():
        if place.endswith(".options"):
            continue
        # Either nothing but the known keys, or names of the user's own, each with a closed schema.
        assert inner.get("additionalProperties") is False or isinstance(inner.get("additionalProperties"), dict), place
        if inner.get("additionalProperties") is False:
            optional = set(inner["properties"]) - set(inner.get("required", []))
            assert not optional or place in ("config.precut.collections.*", "config.audit.encoders.*"), place


def test_every_key_is_described() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for place, inner in objects(schema):
        for name, value in inner.get("properties", {}).items():
            assert value.get("description"), f"{place}.{name}"


def leaves(schema: dict, config: dict, place: str = "") -> Iterator[tuple[str, set, set]]:
    for name, inner in schema.get("properties", {}).items():
        if inner.get("type") == "object" and name != "options" and inner.get("additionalProperties") is False:
            yield f"{place}{name}", set(inner["properties"]), set(config[name])
            yield from leaves(inner, config[name], f"{place}{name}.")
        elif isinstance(inner.get("additionalProperties"), dict) and name != "collections":
            for own, value in config[name].items():
                entry = inner["additionalProperties"]
                yield f"{place}{name}.{own}", set(entry["properties"]), set(value)
                yield from leaves(entry, value, f"{place}{name}.{own}.")


def test_schema_and_default_have_the_same_keys() -> None:
    schema, config = json.loads(SCHEMA.read_text(encoding="utf-8")), default()
    pairs = [("config", set(schema["properties"]), set(config)), *leaves(schema, config)]
    assert len(pairs) > 15
    for place, described, given in pairs:
        assert described == given, place


def test_reserved_names_are_the_folders_that_rules_write_to() -> None:
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "rules").glob("*.smk"))
    folders = set(re.findall(r"<results>/(\w+)/", rules)) | {"logs", "benchmarks"}
    assert len(folders) > 8 and folders <= RESERVED


WRONG = {
    "unknown key": ("sede: 1", "sede"),
    "unknown key within": ("patches: {sise: 256}", "patches.sise"),
    "unknown key of an arm": ("arms: {mixed: {orignal: {train: 2}}}", "arms.mixed.orignal"),
    "unknown key of a generator": ("generators: {dcgan: {epoch: 3}}", "generators.dcgan.epoch"),
    "number as text": ("generators: {dcgan: {learning_rate: 2e-4}}", "generators.dcgan.learning_rate"),
    "wrong type": ("patches: {size: big}", "patches.size"),
    "list for a number": ("seed: [1]", "seed"),
    "nothing for a section": ("patches:", "patches"),
    "truth for a number": ("draw: {test: true}", "draw.test"),
    "odd number of patches": ("draw: {test: 801}", "draw.test"),
    "odd number in an arm": ("arms: {mixed: {original: {train: 3}}}", "arms.mixed.original.train"),
    "negative": ("patches: {stride: -1}", "patches.stride"),
    "unknown source": ("source: slide", "source"),
    "unknown tissue rule": ("tissue: {rule: otsu}", "tissue.rule"),
    "size of a speck that is none": ("tissue: {min_speck: -1}", "tissue.min_speck"),
    "fraction of a pixel": ("tissue: {min_hole: 2.5}", "tissue.min_hole"),
    "word for a truth": ("tissue: {exclude_pen: blue}", "tissue.exclude_pen"),
    "unknown label rule": ("labels: {rule: majority}", "labels.rule"),
    "unknown format": ("annotations: {format: coco}", "annotations.format"),
    "unknown filter": ("patches: {filter: nearest}", "patches.filter"),
    "unknown generator": ("generators: {dcgan: {architecture: stylegan2}}", "generators.dcgan.architecture"),
    "unknown classifier": (
        "classifiers: {two_block_cnn: {architecture: vit}}",
        "classifiers.two_block_cnn.architecture",
    ),
    "reserved experiment": ("experiment: stores", "experiment"),
    "experiment with a path": ("experiment: ../mine", "experiment"),
    "arm with a path": (
        "arms: {../mine: {original: {train: 2, validate: 2}, synthetic: {train: 0, validate: 0}}}",
        "arms",
    ),
    "new arm, half given": ("arms: {mine: {original: {train: 2, validate: 2}}}", "arms.mine.synthetic"),
    "new generator, half given": ("generators: {mine: {architecture: dcgan}}", "generators.mine"),
    "arm without validation": ("arms: {synthetic: {original: {validate: 0}}}", "arms.synthetic"),
    "synthetics in the original arm": ("arms: {original: {synthetic: {train: 2}}}", "arms.original.synthetic"),
    "a fraction for a whole number": ("seeds: [1.0]", "seeds.0"),
    "a seed beyond all bounds": ("seeds: [99999999999999999999]", "seeds.0"),
    "a key twice": ("tissue: {min_share: 0, min_share: 1}", "'min_share' stands twice"),
    "generator called none": (
        "generators: {none: {architecture: dcgan, options: {}, epochs: 1, batch_size: 2, learning_rate: 0.1, "
        "betas: [0.5, 0.9], sample_epochs: [0]}}",
        "generators.none",
    ),
    "seed twice": ("seeds: [1, 2, 1]", "seeds"),
    "no seed": ("seeds: []", "seeds"),
    "no collection": ("{source: pcam, precut: {collections: {}}}", "precut.collections"),
    "no sheet": ("cohort: {sheet: null}", "cohort.sheet"),
    "share without a threshold": ("labels: {rule: share, threshold: 0}", "labels.threshold"),
    "collection of the other format": (
        "{source: pcam, precut: {collections: {a: {folder: x, normal: n, tumour: t}}}}",
        "precut.collections.a",
    ),
    "pattern that is none": (
        "{source: folders, precut: {collections: {a: {folder: x, normal: n, tumour: t, group_pattern: '('}}}}",
        "precut.collections.a.group_pattern",
    ),
    "overlapping patches, divided one by one": (
        "{patches: {stride: 128}, split: {by: patch}}",
        "patches.stride",
    ),
    "number for an arm's name": (
        "arms: {1: {original: {train: 2, validate: 2}, synthetic: {train: 0, validate: 0}}}",
        "arms",
    ),
}


@pytest.mark.parametrize(("changes", "key"), WRONG.values(), ids=WRONG)
def test_mistakes_are_refused_with_their_file_and_key(tmp_path: Path, refused, changes: str, key: str) -> None:
    config, files = merged(tmp_path, changes)
    with refused(tmp_path / "mine.yaml", f"{key}"):
        check_config(config, SCHEMA, files)


def test_a_number_that_yaml_reads_as_text_is_explained(tmp_path: Path, refused) -> None:
    config, files = merged(tmp_path, "classifiers: {two_block_cnn: {learning_rate: 1e-3}}")
    with refused("'1e-3'", "write it in full"):
        check_config(config, SCHEMA, files)


@pytest.mark.parametrize("section", ["seed", "arms", "compute"])
def test_a_missing_key_is_named(refused, section: str) -> None:
    config = default()
    del config[section]
    with refused(f"{section}: this key is missing"):
        check_config(config, SCHEMA, [str(DEFAULT)])


def test_a_missing_key_within_is_named(refused) -> None:
    config = default()
    del config["draw"]["weights"]
    with refused("draw.weights: this key is missing"):
        check_config(config, SCHEMA, [str(DEFAULT)])


def test_the_file_named_is_the_last_that_holds_the_mistake(tmp_path: Path, refused) -> None:
    config, files = merged(tmp_path, "patches: {stride: 0}")
    config["seed"] = "one"
    broken = copy.deepcopy(config)
    config["seed"] = 1
    with refused(f"{tmp_path / 'mine.yaml'}: patches.stride"):
        check_config(config, SCHEMA, files)
    broken["patches"]["stride"] = 4
    with refused(f"{DEFAULT}: seed"):
        check_config(broken, SCHEMA, files)


def test_plugins_that_exist_are_accepted(tmp_path: Path) -> None:
    for section, package in (("tissue", "slides.tissue"), ("labels", "slides.labels")):
        for name in plugins.available(package):
            config, files = merged(tmp_path, f"{section}: {{rule: {name}}}")
            config["labels"]["threshold"] = 0.5
            check_config(config, SCHEMA, files)


def test_a_config_is_laid_upon_the_defaults_as_snakemake_lays_one(tmp_path: Path) -> None:
    changes = {
        "seeds": [3],
        "patches": {"stride": 128},
        "generators": {"other": {"epochs": 1}},
        "precut": {"um_per_px": 1},
    }
    expected = default()
    update_config(expected, copy.deepcopy(changes))
    before = copy.deepcopy(changes)
    assert complete(changes, DEFAULT) == expected
    assert changes == before
    assert complete({}, DEFAULT) == complete(default(), DEFAULT) == default()
