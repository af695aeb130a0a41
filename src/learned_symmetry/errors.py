"""What a user can mend is one sentence on stderr and a non-zero exit; everything else is a bug with its traceback."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """Something that the user can mend. The message is one sentence that names the file or key, and the mend."""


@contextmanager
def told_plainly(what: str) -> Iterator[None]:
    """Turn what a user can mend, while doing `what`, into one sentence on stderr and an exit status.

    Exit 1: a `UserError`, a full disk, a file that may not be written. Exit 130: Ctrl-C.
    """
    try:
        yield
    except UserError as error:
        _leave(f"{what}: {error}", 1)
    except KeyboardInterrupt:
        _leave(f"{what}: interrupted; run the same command again and it goes on from the last checkpoint", 130)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM):
            raise
        mend = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "make it writable"
        place = f" at {error.filename}" if error.filename else ""
        _leave(f"{what}: {error.strerror}{place}; {mend} and run the same command again", 1)


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
