"""The layouts with one folder for each product, split and defect: MVTec AD, BTAD, MVTec 3D-AD."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from normalis.datasets.sample import GOOD, Sample
from normalis.datasets.tree import Tree
from normalis.errors import DatasetError

__all__ = ["BTAD", "MVTEC", "MVTEC3D", "CategoryShape", "find_categories", "read_categories"]

_TRAIN_FOLDERS = ("train", "validation")


@dataclass(frozen=True)
class CategoryShape:
    """How one product's folder is built: ``<split>/<defect>[/<inner>]/<picture>``.

    Attributes:
        good: The folder of the normal pictures.
        inner: The folder between the defect's and the pictures, or "".
        masks: Where a defect's masks lie below the product's folder.
        telling: The folders of which ``train`` or ``test`` must have one; () for any.
    """

    good: str
    inner: str
    masks: str
    telling: tuple[str, ...]


MVTEC = CategoryShape("good", "", "ground_truth/{defect}", ())
"""MVTec AD: ``train/good``, ``test/<defect>``, ``ground_truth/<defect>/<stem>[_mask].png``."""

BTAD = CategoryShape("ok", "", "ground_truth/{defect}", ("ok", "ko"))
"""BTAD: ``train/ok``, ``test/ok``, ``test/ko``, ``ground_truth/ko/<stem>.png``."""

MVTEC3D = CategoryShape("good", "rgb", "test/{defect}/gt", ())
"""MVTec 3D-AD: ``train/good/rgb``, ``test/<defect>/rgb``, ``test/<defect>/gt/<stem>.png``."""


def read_categories(tree: Tree, shape: CategoryShape) -> list[Sample] | None:
    """Read one category's folder, or a folder of them.

    ``validation`` is joined to ``train``. A category without normal training pictures is kept,
    with a warning, for it can still be tested.

    Returns:
        The samples, or None where the tree is not of this shape.

    Raises:
        DatasetError: No category has normal pictures, neither to train on nor to test.
    """
    categories = find_categories(tree, lambda folder: _is_category(tree, folder, shape))
    samples = [s for category in categories for s in _read_category(tree, category, shape)]
    if samples and not any(s.defect == GOOD for s in samples):
        raise DatasetError(
            f'{tree.root}: no category has normal pictures in a folder "{shape.good}" (such as '
            f"{_train_good(tree, categories[0], shape)}); rename the folder that holds them, or "
            'choose the layout "folder" to take every picture for normal.'
        )
    return samples if categories else None


def find_categories(tree: Tree, is_category: Callable[[Path], bool]) -> tuple[Path, ...]:
    """The root, if it is a category itself, else its sub-folders that are."""
    if is_category(tree.root):
        return (tree.root,)
    folders = tree.folders(tree.root)
    categories = tuple(f for f in folders if is_category(f))
    if categories:
        others = (f for f in folders if f not in categories)
        tree.leave_out("Folders that are no categories", (tree.name(f) for f in others))
    return categories


def _is_category(tree: Tree, category: Path, shape: CategoryShape) -> bool:
    below = [f for split in ("train", "test") for f in tree.folders(category / split)]
    if shape.telling:
        below = [f for f in below if f.name in shape.telling]
    if shape.inner:
        below = [f for f in below if f / shape.inner in tree.folders(f)]
    return bool(below)


def _read_category(tree: Tree, category: Path, shape: CategoryShape) -> list[Sample]:
    train = [s for split in _TRAIN_FOLDERS for s in _read_split(tree, category, split, shape)]
    if not any(s.defect == GOOD for s in train):
        tree.warn(
            f"{tree.category(category)}: there are no normal pictures to train on, as "
            f"{_train_good(tree, category, shape)} is missing or empty."
        )
    return train + _read_split(tree, category, "test", shape)


def _read_split(tree: Tree, category: Path, split: str, shape: CategoryShape) -> list[Sample]:
    samples: list[Sample] = []
    for folder in tree.folders(category / split):
        good = folder.name == shape.good
        masks = {} if good else tree.masks(category / shape.masks.format(defect=folder.name))
        samples.extend(
            Sample(
                path=path,
                name=tree.name(path),
                category=tree.category(category),
                split="train" if split in _TRAIN_FOLDERS else "test",
                defect=GOOD if good else folder.name,
                mask=masks.get(path.stem),
            )
            for path in tree.pictures(folder / shape.inner)
        )
    return samples


def _train_good(tree: Tree, category: Path, shape: CategoryShape) -> str:
    return tree.name(category / "train" / shape.good / shape.inner)
