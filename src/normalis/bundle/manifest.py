"""What a saved model says of itself, and the seal that nothing in it was changed."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from normalis.bundle.sealed import Kind, parsed, read_sealed, sealed_text

__all__ = ["BUNDLE", "MANIFEST", "SCHEMA", "Manifest", "PictureCounts", "read_manifest"]

MANIFEST = "manifest.json"
SCHEMA = 1
BUNDLE = Kind(
    name="normalis-bundle",
    schema=SCHEMA,
    file=MANIFEST,
    noun="model",
    command="'normalis fit --out'",
    remedy="Restore the model from a copy, or fit it anew.",
)


@dataclass(frozen=True)
class PictureCounts:
    """How many normal pictures served for what.

    Attributes:
        train: The detector learned from these.
        validation: Early stopping and the scale of the scores.
        calibration: The held-out scores that p-values compare with.
        skipped: Could not be read.
    """

    train: int
    validation: int
    calibration: int
    skipped: int


@dataclass(frozen=True)
class Manifest:
    """The manifest of a bundle.

    Attributes:
        version: Of normalis, when it was saved.
        recipe: The recipe as nested plain values.
        size: Rows and columns of the prepared picture.
        maps: `(c, h, w)` of every map of the feature pyramid.
        concepts: Codes of the concept codebook.
        concept_pictures: Training pictures of each concept.
        concept_names: What each concept is called where the pictures' categories were learned; ()
            where concepts were found.
        pictures: How many pictures served for what.
        data: sha256 over the digests of all pictures that served.
        calibration: As `Calibration.to_json` gives it.
        map_range: Usual and high value of the maps.
        files: sha256 of every other file of the bundle.
    """

    version: str
    recipe: dict[str, Any]
    size: tuple[int, int]
    maps: tuple[tuple[int, int, int], ...]
    concepts: int
    concept_pictures: tuple[int, ...]
    pictures: PictureCounts
    data: str
    calibration: dict[str, Any]
    map_range: tuple[float, float]
    files: dict[str, str]
    concept_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no fit gives, and no network can be built for."""
        sides = (*self.size, *(side for shape in self.maps for side in shape), self.concepts)
        if not self.maps or min(sides) < 1:
            raise ValueError("a size, a map or the number of concepts is below 1")

    def to_text(self) -> str:
        """JSON with the schema's number, and a seal over all the rest."""
        return sealed_text(BUNDLE, asdict(self))


def read_manifest(folder: Path) -> Manifest:
    """Read and check a bundle's manifest.

    Raises:
        BundleError: Not a bundle, a newer schema, or a manifest that was changed.
    """
    return parsed(read_sealed(folder, BUNDLE), Manifest, path=folder / MANIFEST, kind=BUNDLE)
