"""Published checksums, in the formats that md5sum writes."""

import re

from pathgen_smk.errors import InputError

MD5 = re.compile(r"[0-9a-f]{32}")
# "<sum>  name", "<sum> *name", and md5sum --tag's "MD5 (name) = <sum>".
_LINES = (
    re.compile(r"(?P<md5>[0-9a-fA-F]{32})\s+\*?(?P<name>\S.*)"),
    re.compile(r"MD5 \((?P<name>.+)\) = (?P<md5>[0-9a-fA-F]{32})"),
)


def read_checksums(text: str, source: str) -> dict[str, str]:
    """Return the MD5 sums in a text, by the names that it gives, without a leading ``./``.

    Parameters
    ----------
    text
        A line a file, as md5sum writes it.
    source
        Where the text is from, for messages.

    Raises
    ------
    InputError
        For a line that is none of these, and a name with two sums.
    """
    sums: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        match = next((found for form in _LINES if (found := form.fullmatch(line.strip()))), None)
        if not match:
            raise InputError(f"{source}: row {number}: not an MD5 sum and a name, as md5sum writes them")
        name, md5 = match["name"].removeprefix("./"), match["md5"].lower()
        if sums.setdefault(name, md5) != md5:
            raise InputError(f"{source}: row {number}: '{name[:100]}' has another MD5 sum above")
    return sums
