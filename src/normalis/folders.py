"""The folders that a command makes: a mistake leaves none empty, and a kill none for good."""

import os
import shutil
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

__all__ = ["folder_made", "held", "scratch_beside"]

_SCRATCH = ".scratch"
_NAME = 40  # characters of a place's name that its scratch folder bears
_YOUNG = 2.0  # seconds in which whoever made a folder comes to hold it


@contextmanager
def folder_made(folder: Path) -> Generator[None]:
    """Make a folder, with those above it; after an error those that hold no file go again.

    Of a folder that was there before nothing is removed.

    Raises:
        OSError: It cannot be made.
    """
    absent = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        below = [path for path, _, _ in os.walk(folder, topdown=False)] if absent else []
        for path in (*below, *absent):
            with suppress(OSError):  # not empty, or it was never made
                Path(path).rmdir()
        raise


@contextmanager
def scratch_beside(place: Path) -> Generator[Path]:
    """A hidden folder on the disk of what is to be written, for the length of a block.

    A process that is killed leaves it behind; the next one that asks for a scratch folder beside
    the same place removes it, but never one whose process still runs, here or on another machine.

    Args:
        place: What is to be written; the folder above it is there.

    Raises:
        OSError: The folder cannot be made; the error names `place`.
    """
    whole = place.absolute()
    prefix = f".{whole.name[:_NAME]}."
    try:
        _sweep(whole.parent, prefix)
        folder = Path(mkdtemp(dir=whole.parent, prefix=prefix, suffix=_SCRATCH))
    except OSError as error:
        error.filename = str(place)  # the scratch folder's own name says nothing to a user
        raise
    with held(folder):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def held(folder: Path) -> Generator[bool | None]:
    """Hold a folder for the length of a block: other processes that ask see that it is held.

    The system itself lets go of it when the process ends, however it ends.

    Gives:
        True: it is ours. False: another holds it. None: the system cannot tell, as Windows and
        some network disks.
    """
    handle = None
    try:
        import fcntl  # here, for Windows does not have it

        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine = True
    except BlockingIOError:
        mine = False
    except (ImportError, OSError):
        mine = None
    try:
        yield mine
    finally:
        if handle is not None:
            os.close(handle)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove the scratch folders that no process holds any more."""
    for path in parent.iterdir():
        if path.name.startswith(prefix) and path.name.endswith(_SCRATCH):
            with held(path) as mine:
                if mine and time.time() - path.stat().st_mtime > _YOUNG:
                    shutil.rmtree(path, ignore_errors=True)
