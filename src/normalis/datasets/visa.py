"""The layout of VisA, with its table of splits or without."""

from pathlib import Path

from normalis.datasets.categories import find_categories
from normalis.datasets.manifest import read_manifest
from normalis.datasets.sample import GOOD, Sample
from normalis.datasets.tree import Tree

__all__ = ["read_visa"]


def read_visa(tree: Tree) -> list[Sample] | None:
    """Read VisA: its ``split_csv/1cls.csv``, or ``<category>/Data/Images/Normal`` and ``Anomaly``.

    Without the table, every tenth normal picture of a category is kept for testing.

    Returns:
        The samples, or None where the tree is no VisA.
    """
    table = tree.root / "split_csv" / "1cls.csv"
    if tree.has_file(table):
        samples, warnings = read_manifest(table, root=tree.root)
        for warning in warnings:
            tree.warn(warning)
        return samples
    categories = find_categories(
        tree, lambda folder: folder / "Data" / "Images" in tree.folders(folder / "Data")
    )
    if not categories:
        return None
    tree.warn("split_csv/1cls.csv is missing: every tenth normal picture is kept for testing.")
    return [sample for category in categories for sample in _read_category(tree, category)]


def _read_category(tree: Tree, category: Path) -> list[Sample]:
    data, name = category / "Data", tree.category(category)
    normal = [
        Sample(path, tree.name(path), name, "test" if i % 10 == 9 else "train", GOOD, mask=None)
        for i, path in enumerate(tree.pictures(data / "Images" / "Normal"))
    ]
    masks = tree.masks(data / "Masks" / "Anomaly")
    anomalous = [
        Sample(path, tree.name(path), name, "test", "anomaly", masks.get(path.stem))
        for path in tree.pictures(data / "Images" / "Anomaly")
    ]
    return normal + anomalous
