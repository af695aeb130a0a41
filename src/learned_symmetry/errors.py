"""What a user can mend is one sentence on stderr and a non-zero exit; everything else is a bug with its traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

MENDS = {  # of errors that have the same mend wherever they come up
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on the size of files (`ulimit -f unlimited`)",
    errno.EMFILE: "raise the limit on open files (`ulimit -n 4096`)",
    errno.ENAMETOOLONG: "choose a shorter path",
    errno.ELOOP: "mend the link",
    errno.EIO: "check the disk",
}
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
IN_THE_WAY = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST)


class UserError(Exception):
    """Something that the user can mend. The message is one sentence that names the file or key, and the mend."""


@contextmanager
def told_plainly(what: str) -> Iterator[None]:
    """Turn what a user can mend, while doing `what`, into one sentence on stderr and an exit status.

    Exit 1: a `UserError`, a full disk, a file that may not be read or written, a folder where a file belongs, and the
    like. Exit 130: Ctrl-C.
    """
    try:
        yield
    except UserError as error:
        _leave(f"{what}: {error}", 1)
    except KeyboardInterrupt:
        _leave(f"{what}: interrupted; run the same command again and it goes on from the last checkpoint", 130)
    except OSError as error:
        if (told := _told(error)) is None:
            raise
        _leave(f"{what}: {told} and run the same command again", 1)


def _told(error: OSError) -> str | None:
    """What is wrong at which path, and the mend; None for what the user cannot have caused."""
    named = error.filename2 or error.filename  # of two, as for a rename, the second is what was to be made
    path = Path(os.fsdecode(named)) if isinstance(named, str | bytes | os.PathLike) else None
    what = error.strerror if path is None else f"{error.strerror} at {path}"
    if error.errno in MENDS:
        return f"{what}; {MENDS[error.errno]}"
    if error.errno in DENIED:
        return f"{what}; make {'it writable' if path is None else _permission(path)}"
    if error.errno in IN_THE_WAY and path is not None:
        return f"{_in_the_way(path) or what}; move it away"
    return None


def _permission(path: Path) -> str:
    """Which of the file and the folder that it is (or would be) in lacks which permission."""
    around = next((folder for folder in path.parents if os.access(folder, os.F_OK)), Path())
    for place, told in ((path, "it"), (around, f"the folder {around}")):
        if os.access(place, os.F_OK):  # which, unlike `Path.exists`, raises nothing where a folder may not be read
            if not os.access(place, os.R_OK | (os.X_OK if place.is_dir() else 0)):
                return f"{told} readable"
            if not os.access(place, os.W_OK):
                return f"{told} writable"
    return "it writable"


def _in_the_way(path: Path) -> str | None:
    """What is a file but should be a folder on the way to `path`, or at `path` the one where the other belongs."""
    for place in (*reversed(path.parents), path):
        if os.path.lexists(place) and not place.is_dir():
            return f"{place} is {'a file' if place.exists() else 'a link to nothing'} where a folder belongs"
    return f"{path} is a folder where a file belongs" if path.is_dir() else None


def _leave(message: str, status: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(status)


def command(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorate a command's entry point with `told_plainly`."""

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        def wrapped(*args: object, **kwargs: object) -> None:
            with told_plainly(what):
                function(*args, **kwargs)

        return wrapped

    return decorate
