"""Where a fit writes: beside its model until the model is whole."""

import json
import shutil
from pathlib import Path
from typing import Any

from normalis.bundle.manifest import MANIFEST
from normalis.errors import FitError
from normalis.folders import folder_made
from normalis.images.write import write_text

__all__ = ["Output"]


class Output:
    """The folder of a model to be, and the folder in which it comes to be.

    While a fit runs, all it writes lies in `<out>.partial`; at the end the finished model is moved
    to `<out>` in one step. A fit that is killed leaves the partial folder, from which it resumes.

    Args:
        path: Folder of the model to be.
        resume: Go on with an interrupted fit.
        overwrite: Replace a model that is already there, and discard an interrupted fit.
    """

    def __init__(self, path: Path, *, resume: bool, overwrite: bool) -> None:
        self.path = path
        # A path such as "." has a name only in full.
        whole = path.absolute()
        self.partial = whole.parent / f"{whole.name}.partial"
        self.bundle = self.partial / "bundle"
        self.checkpoint = self.partial / "checkpoint.pt"
        self.resume = resume
        self.overwrite = overwrite

    def check(self) -> None:
        """Refuse before any work what would be refused after it.

        Raises:
            FitError: Something is in the way, or the parent folder is missing.
        """
        if not self.path.absolute().parent.is_dir():
            raise FitError(f"{self.path}: the folder {self.path.parent} does not exist; make it.")
        if self.path.exists() and not (self.path / MANIFEST).is_file():
            raise FitError(
                f"{self.path}: is already there and is not a normalis model, which alone may be "
                "replaced; choose another --out."
            )
        if self.path.exists() and not self.overwrite:
            raise FitError(
                f"{self.path}: is already there; choose another --out, or add --overwrite."
            )
        if self.partial.exists() and not (self.resume or self.overwrite):
            raise FitError(
                f"{self.partial}: an interrupted fit lies here; add --resume to go on with it, or "
                "--overwrite to start anew."
            )

    def begin(self, request: dict[str, Any]) -> None:
        """Make the partial folder, or enter that of the interrupted fit.

        Args:
            request: What decides the result; an interrupted fit of another request is refused.

        Raises:
            FitError: The interrupted fit had other settings or pictures, or the folder cannot be
                written.
        """
        text = json.dumps(request, sort_keys=True, indent=1)
        note = self.partial / "request.json"
        if self.resume and note.is_file():
            if note.read_text(encoding="utf-8") != text:
                raise FitError(
                    f"{self.partial}: the interrupted fit had other settings or pictures; give the "
                    "same as then, or --overwrite to start anew."
                )
            return
        if self.partial.exists():
            shutil.rmtree(self.partial)
        try:
            with folder_made(self.partial):
                write_text(note, text)
        except OSError as error:
            raise FitError(f"{self.partial}: cannot be written ({error.strerror}).") from error

    def start_bundle(self) -> None:
        """Make the folder of the model's files; what a killed fit left in it goes."""
        shutil.rmtree(self.bundle, ignore_errors=True)
        self.bundle.mkdir(parents=True)

    def publish(self) -> None:
        """Put the finished model in its place, and remove what it was made with."""
        if self.path.exists():
            old = self.partial / "replaced"
            self.path.replace(old)
        self.bundle.replace(self.path)
        shutil.rmtree(self.partial)
