"""What a data set is once its layout has been read: a list of samples."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["GOOD", "Dataset", "Sample", "printable"]

GOOD = "good"
"""The `Sample.defect` of a picture that is known to be normal."""


@dataclass(frozen=True)
class Sample:
    """One picture of a data set.

    Attributes:
        path: The file.
        name: Unique in the data set: the path below its root with forward slashes, such as
            "bottle/train/good/000.png".
        category: The product, where the layout knows it. Training without labels never reads it.
        split: Whether the picture may be learned from or is kept for testing.
        defect: None where it is not known, "good" for a normal picture, else the defect's name.
        mask: The file with the defective pixels, where there is one.
        position: Of a slice, where in its volume it lies, from -1/2 to 1/2, as a manifest says;
            None leaves it to the file.
        group: The part, patient or lot that the picture shows, if others show it too: one group
            is held out of the training as a whole. None leaves it to the file.
    """

    path: Path
    name: str
    category: str | None
    split: Literal["train", "test"]
    defect: str | None
    mask: Path | None
    position: float | None = None
    group: str | None = None

    @property
    def is_defect(self) -> bool | None:
        """Whether the picture shows a defect; None where it is not known."""
        return None if self.defect is None else self.defect != GOOD


@dataclass(frozen=True)
class Dataset:
    """The pictures of a folder or manifest, in the order of their names.

    Attributes:
        root: The folder that all names are relative to; that of the first of several data sets.
        layout: The layout that was recognised: "mvtec", "visa", "btad", "mvtec3d", "folder" or
            "manifest".
        samples: Every picture, sorted by name; whether it can be decoded is not known yet.
        warnings: What was left out or looks wrong, one sentence each.
    """

    root: Path
    layout: str
    samples: tuple[Sample, ...]
    warnings: tuple[str, ...]

    @property
    def train_good(self) -> tuple[Sample, ...]:
        """The pictures to learn from: of the split "train" and not known to be defective."""
        return tuple(s for s in self.samples if s.split == "train" and not s.is_defect)

    @property
    def test(self) -> tuple[Sample, ...]:
        """The pictures of the split "test"."""
        return tuple(s for s in self.samples if s.split == "test")

    @property
    def categories(self) -> tuple[str, ...]:
        """The products that the layout names, sorted."""
        return tuple(sorted({s.category for s in self.samples if s.category is not None}))


def printable(text: str) -> str:
    """A name or sentence that every program can read: bytes of it that are no text are escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
