"""The layout of the MOOD challenge: healthy volumes to learn from, and a toy set with labels.

    brain/brain_train/*.nii.gz          healthy
    brain/toy/toy_0.nii.gz              a few volumes with planted anomalies
    brain/toy_label/pixel/toy_0.nii.gz  where they lie, 0 to 1
    brain/toy_label/sample/toy_0.nii.gz.txt   whether there is one, 0 or 1

The data need a registration with the challenge; the same layout serves any volumes.
"""

from dataclasses import dataclass
from pathlib import Path

from normalis.errors import DatasetError
from normalis.volumes.open import SUFFIXES

__all__ = ["Mood", "MoodCase", "open_mood"]


@dataclass(frozen=True)
class MoodCase:
    """A labelled volume.

    Attributes:
        path: Its file.
        is_anomalous: The sample-level label.
        mask: The file that marks the anomaly voxel by voxel; None where there is none.
    """

    path: Path
    is_anomalous: bool
    mask: Path | None


@dataclass(frozen=True)
class Mood:
    """One task of the challenge.

    Attributes:
        train: Healthy volumes.
        toy: Labelled ones.
    """

    train: tuple[Path, ...]
    toy: tuple[MoodCase, ...]


def open_mood(root: Path) -> Mood:
    """The volumes of one task, such as `data/brain`.

    Raises:
        DatasetError: A folder is missing or empty, or a toy volume has no sample-level label, or
            one that is neither 0 nor 1.
    """
    folders = sorted(path for path in root.glob("*_train") if path.is_dir())
    if len(folders) != 1:
        raise DatasetError(
            f"{root}: has {len(folders)} folders whose name ends in _train; the MOOD layout has "
            "one, such as brain/brain_train, beside toy and toy_label."
        )
    toy = tuple(_case(path, root / "toy_label") for path in _volumes(root / "toy"))
    return Mood(_volumes(folders[0]), toy)


def _volumes(folder: Path) -> tuple[Path, ...]:
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is not there; the MOOD layout has it.")
    found = sorted(path for path in folder.iterdir() if path.name.lower().endswith(SUFFIXES))
    if not found:
        raise DatasetError(f"{folder}: no file here ends in .nii or .nii.gz.")
    return tuple(found)


def _case(path: Path, labels: Path) -> MoodCase:
    sample, mask = labels / "sample" / f"{path.name}.txt", labels / "pixel" / path.name
    try:
        word = sample.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{sample}: the label of {path.name} cannot be read; it is a text of 0 or 1."
        ) from error
    if word not in ("0", "1"):
        raise DatasetError(f"{sample}: the label is {word[:20]!r}; 0 and 1 are allowed.")
    return MoodCase(path, word == "1", mask if mask.is_file() else None)
