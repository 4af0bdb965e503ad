"""Find an implementation by its config name: a model, a tissue rule, an annotation format is one module."""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from pathgen_smk.errors import InputError


def load(package: str, name: str) -> ModuleType:
    """Import the module `name` of `package`, for example ``load("models.generators", "dcgan")``.

    Parameters
    ----------
    package
        Dotted path of the package below ``pathgen_smk``.
    name
        The module's name, as the config gives it.

    Raises
    ------
    InputError
        If the package has no such module; the message lists those it has.
    """
    if name not in available(package):
        raise InputError(f"{package}: there is no '{name}'; choose one of {', '.join(available(package))}")
    return importlib.import_module(f"pathgen_smk.{package}.{name}")


def available(package: str) -> list[str]:
    """Return the names that :func:`load` accepts for `package`, sorted; nothing of it is imported."""
    folder = Path(__file__).parent.joinpath(*package.split("."))
    return sorted(module.name for module in pkgutil.iter_modules([str(folder)]) if not module.name.startswith("_"))
