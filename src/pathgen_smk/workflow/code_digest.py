"""A digest of the code that a rule runs, given to Snakemake as a parameter, so that edits rerun what they change.

Snakemake looks at a rule's script, not at the modules that it imports. The digest covers the syntax trees of all
modules of this package that the script imports, directly or through others, without docstrings: an edit to comments,
docstrings or formatting does not change it. Modules found by name (a model, a tissue rule) count only where the config
chooses them.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "pathgen_smk"
ROOT = Path(__file__).parents[1]
# They talk to people, end processes, or bring files whose contents are verified; they compute nothing.
IGNORED = tuple(
    f"{PACKAGE}.{name}"
    for name in (
        "console",
        "gpus",
        "processes",
        "scratch",
        "versions",
        "cohort.download",
        "cohort.bucket",
        "cohort.uri",
    )
)


def code_digest(script: str, *plugins: str) -> str:
    """Return the digest of what `script` uses.

    Parameters
    ----------
    script
        Name of a module of ``pathgen_smk.scripts``. Its own text is Snakemake's to watch.
    plugins
        Modules that the config chooses, dotted below the package, for example ``slides.tissue.otsu_hue_or_saturation``.
    """
    modules = _closure(frozenset({f"{PACKAGE}.scripts.{script}", *(f"{PACKAGE}.{name}" for name in plugins)}))
    modules -= {f"{PACKAGE}.scripts.{script}"}
    digest = hashlib.sha256()
    for module in sorted(modules):
        digest.update(f"{module} {_tree_digest(module)}\n".encode())
    return digest.hexdigest()[:16]


@cache
def _closure(roots: frozenset[str]) -> frozenset[str]:
    found: set[str] = set()
    queue = list(roots)
    while queue:
        module = queue.pop()
        if module not in found and not module.startswith(IGNORED):
            found.add(module)
            queue += _imports(module)
    return frozenset(found)


@cache
def _imports(module: str) -> tuple[str, ...]:
    names: set[str] = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # "from package import name": name may be a module, or something that the package itself holds.
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return tuple(sorted(name for name in names if name.startswith(f"{PACKAGE}.") and _path(name)))


@cache
def _tree_digest(module: str) -> str:
    tree = _tree(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    return ast.parse(path.read_bytes() if path else b"")


def _path(module: str) -> Path | None:
    below = ROOT.joinpath(*module.split(".")[1:])
    for path in (below.with_suffix(".py"), below / "__init__.py"):
        if path.is_file():
            return path
    return None
