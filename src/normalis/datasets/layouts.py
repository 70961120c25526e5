"""From a folder or manifest to a data set: the layout is recognised, or stated."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from normalis.datasets.categories import BTAD, MVTEC, MVTEC3D, read_categories
from normalis.datasets.manifest import MANIFEST_SUFFIXES, read_manifest
from normalis.datasets.sample import Dataset, Sample
from normalis.datasets.tree import Tree, is_file, shorten
from normalis.datasets.visa import read_visa
from normalis.errors import DatasetError, SettingsError
from normalis.images.decode import PICTURE_SUFFIXES

__all__ = ["LAYOUTS", "open_dataset"]


@dataclass(frozen=True)
class _Layout:
    """A layout's name, what tells it, and its reader (None: the tree is of another layout)."""

    name: str
    sign: str
    read: Callable[[Tree], list[Sample] | None]


# What people call the folders of their defects and of their masks.
_DEFECT_FOLDERS = (
    *("abnormal", "anomalies", "anomalous", "anomaly", "bad", "defect", "defective", "defects"),
    *("fail", "failed", "faulty", "ko", "ng", "nok", "reject", "rejected", "rejects", "scrap"),
    *("ground_truth", "mask", "masks"),
)


def _read_folder(tree: Tree) -> list[Sample]:
    samples = [
        Sample(path, tree.name(path), category=None, split="train", defect=None, mask=None)
        for path in tree.all_pictures()
    ]
    folders = {
        folder for sample in samples for folder in sample.path.relative_to(tree.root).parents
    }
    bad = sorted(tree.name(tree.root / f) for f in folders if f.name.lower() in _DEFECT_FOLDERS)
    if bad:
        tree.warn(
            f"{shorten(bad)}: in a plain folder every picture is taken for good, and learned from, "
            "whatever its folder is called; give the folder of the good ones alone."
        )
    return samples


_FOLDER_LAYOUTS = (  # in the order in which they are tried
    _Layout("visa", "split_csv/1cls.csv or <category>/Data/Images", read_visa),
    _Layout("mvtec3d", "<category>/train/good/rgb", partial(read_categories, shape=MVTEC3D)),
    _Layout("btad", "<category>/train/ok", partial(read_categories, shape=BTAD)),
    _Layout("mvtec", "<category>/train/good", partial(read_categories, shape=MVTEC)),
    _Layout("folder", "any pictures", _read_folder),
)

LAYOUTS = ("auto", *(layout.name for layout in _FOLDER_LAYOUTS), "manifest")
"""What `open_dataset` takes for ``layout``."""


def open_dataset(root: Path, *, layout: str = "auto") -> Dataset:
    """List the pictures of a data set; none is opened.

    Args:
        root: A folder in one of the layouts, or a manifest (``.csv``, ``.parquet``).
        layout: One of `LAYOUTS`. "auto" takes the first that fits; "folder" takes all pictures in
            the root and below for training, with no label and no category.

    Returns:
        The pictures sorted by name. Hidden files are passed over; folders that cannot be read and
        links that leave the root are left out with a warning.

    Raises:
        SettingsError: There is no such layout.
        DatasetError: The root cannot be read, is of another layout, or holds no picture; a manifest
            is not as it should be (see `read_manifest`); no category has normal pictures.
    """
    if layout not in LAYOUTS:
        raise SettingsError(f'layout is "{layout}"; {", ".join(LAYOUTS)} are allowed.')
    if layout == "manifest" or is_file(root):
        return _open_manifest(root, layout)
    tree = Tree(root)
    name, samples = _read_tree(tree, layout)
    return _dataset(root, name, samples, tree.warnings)


def _open_manifest(manifest: Path, layout: str) -> Dataset:
    if layout not in ("auto", "manifest") or manifest.suffix.lower() not in MANIFEST_SUFFIXES:
        raise DatasetError(
            f'{manifest}: with the layout "{layout}" this must be a folder; '
            f"a manifest is a file that ends in {' or '.join(MANIFEST_SUFFIXES)}."
        )
    samples, warnings = read_manifest(manifest)
    if not samples:
        raise DatasetError(" ".join((f"{manifest}: names no picture that is there.", *warnings)))
    return _dataset(manifest.parent, "manifest", samples, warnings)


def _read_tree(tree: Tree, wanted: str) -> tuple[str, list[Sample]]:
    layouts = [layout for layout in _FOLDER_LAYOUTS if wanted in ("auto", layout.name)]
    for layout in layouts:
        if (samples := layout.read(tree)) is not None:
            return layout.name, samples
    raise DatasetError(
        f'{tree.root}: this is not of the layout "{wanted}", which has {layouts[0].sign}; '
        'choose another, or "auto".'
    )


def _dataset(root: Path, layout: str, samples: list[Sample], warnings: tuple[str, ...]) -> Dataset:
    if not samples:
        endings = ", ".join(PICTURE_SUFFIXES)
        raise DatasetError(
            " ".join((f"{root}: there are no pictures here ({endings}).", *warnings))
        )
    owners = Counter(sample.mask for sample in samples if sample.mask is not None)
    if shared := [mask.name for mask, pictures in owners.items() if pictures > 1]:
        warnings += (f"{len(shared)} masks belong to several pictures ({shorten(shared)}).",)
    return Dataset(root, layout, tuple(sorted(samples, key=lambda s: s.name)), warnings)
