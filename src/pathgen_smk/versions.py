"""Versions of packages, for the record."""

from importlib.metadata import PackageNotFoundError, version


def version_of(package: str) -> str:
    """Return a package's version; unknown where it is used as source without being installed, as ours may be."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "(version unknown)"
