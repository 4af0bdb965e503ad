"""Addresses of objects in S3 buckets, ``s3://bucket/key``, and the file names that may be made of them."""

import re

from pathgen_smk.errors import InputError

SCHEME = "s3://"
# Letters that need no quoting anywhere. Every part begins with a letter or digit, so that none is "..", or hidden.
_PART = r"[A-Za-z0-9][A-Za-z0-9_.+=@-]*"
_URI = re.compile(rf"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{{1,61}}[a-z0-9])/(?P<key>{_PART}(?:/{_PART})*)")
_SUFFIX = re.compile(r".+(?P<suffix>\.[A-Za-z0-9]{1,12})")


def is_remote(path: str) -> bool:
    """Return whether a path is the address of an object in a bucket."""
    return path.startswith(SCHEME)


def split_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of ``s3://bucket/key``.

    Raises
    ------
    InputError
        If it is no such address, or holds a character that a file name of ours may not hold.
    """
    match = _URI.fullmatch(uri)
    if not match or len(match["key"]) > 1024:
        raise InputError(
            f"'{uri[:200]}' is not an address such as s3://bucket/folder/slide.tif, of letters, digits and '_.+=@-'"
        )
    return match["bucket"], match["key"]


def file_name(uri: str) -> str:
    """Return the last part of an address; raises as `split_uri`."""
    return split_uri(uri)[1].rsplit("/", 1)[-1]


def suffix(uri: str) -> str:
    """Return the suffix of the file at an address, with its dot.

    Raises
    ------
    InputError
        If it has none, or one of letters that are not plain; and as `split_uri`.
    """
    match = _SUFFIX.fullmatch(file_name(uri))
    if not match:
        raise InputError(f"'{uri}': the name has no suffix, such as .tif, by which its format is known")
    return match["suffix"]
