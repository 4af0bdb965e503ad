"""The state of an unfinished training: written whole or not at all, and taken up only by the very same training."""

import io
import logging
import pickle
from pathlib import Path
from typing import Any

import torch

from pathgen_smk.files import replacing

logger = logging.getLogger("pathgen_smk")


class Checkpoint:
    """A file that holds the last whole state of one training.

    Parameters
    ----------
    path
        The file; it lies outside the outputs of a Snakemake rule, which are deleted when a job fails.
    identity
        Digest of all that decides the training's result; a state with another identity is not taken up.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity

    def save(self, state: dict[str, Any]) -> None:
        """Write `state` (tensors and plain values), replacing the previous one once it is whole."""
        # By way of the memory: what torch says of a full disk names neither.
        content = io.BytesIO()
        torch.save({"identity": self.identity, "state": state}, content)
        with replacing(self.path) as temporary:
            temporary.write_bytes(content.getbuffer())

    def load(self) -> dict[str, Any] | None:
        """Return the last state if there is one of this very training, else None, saying why in the log.

        Raises
        ------
        OSError
            If there is a file that cannot be read: it may hold a state that is worth more than a new beginning.
        """
        if not self.path.is_file():
            return None
        file = io.BytesIO(self.path.read_bytes())
        try:
            content = torch.load(file, map_location="cpu", weights_only=True)
        # What a damaged file makes torch raise depends on where the damage is.
        except (RuntimeError, EOFError, ValueError, LookupError, OSError, pickle.UnpicklingError) as error:
            logger.warning(f"checkpoint {self.path} is not a whole state, starting anew ({type(error).__name__})")
            return None
        if not isinstance(content, dict) or content.get("identity") != self.identity or "state" not in content:
            logger.warning(f"checkpoint {self.path} is of other settings, data or code, starting anew")
            return None
        return content["state"]

    def remove(self) -> None:
        """Forget the state: the training is finished and its result is on disk."""
        self.path.unlink(missing_ok=True)
