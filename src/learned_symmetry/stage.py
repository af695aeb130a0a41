"""How a stage's script starts: settings in, plain words for what the user can mend."""

from __future__ import annotations

import faulthandler
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from learned_symmetry import config
from learned_symmetry.errors import UserError, told_plainly

PACKAGE = Path(__file__).parent


def run(main: Callable[..., None], paper: str, *arguments: str) -> None:
    """Call ``main(cfg, *arguments)`` with the words of the command line, as many as `arguments` names."""
    words = sys.argv[1:]
    faulthandler.enable()  # where in our code a crash in native code was
    with told_plainly(f"{paper}/{Path(sys.argv[0]).stem}"):
        if len(words) != len(arguments):
            wanted = " ".join(name.upper() for name in arguments) or "no arguments"
            raise UserError(f"`python {sys.argv[0]}` takes {wanted}, not {' '.join(words) or 'nothing'}")
        main(config.load(paper), *words)


def fingerprint(cfg: Any) -> str:
    """A digest of what an unfinished training depends on: settings, code and torch; names its scratch folder.

    With another digest a stage starts afresh instead of going on from a checkpoint that no longer fits.
    """
    digest = hashlib.sha256(repr((cfg, torch.__version__)).encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
