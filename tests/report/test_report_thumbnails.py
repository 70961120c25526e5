"""Thumbnails: two small files a picture, the heat as in full size, the true mask outlined."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from report_samples import RANGE, hot_map, make_picture, make_result

from normalis.datasets.sample import Sample
from normalis.evaluation.result import Drawn
from normalis.report.thumbnails import THUMBNAIL_SIDE, Thumbnails

SAMPLE = Sample(Path("a.png"), "a.png", "nut", "test", "hole", None)


def draw(
    folder: Path, *, mask: np.ndarray | None = None, size: tuple[int, int] = (24, 32)
) -> Drawn:
    picture = make_picture(*size)
    result = make_result(picture=picture, values=np.full(size, RANGE.low, np.float32))
    return Thumbnails(folder, RANGE).draw(SAMPLE, result, mask=mask, number=7)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "WEBP"
        return np.asarray(image.convert("RGB")).astype(int)


def test_files_are_named_by_the_number_below_the_folder(tmp_path: Path) -> None:
    drawn = draw(tmp_path / "deep")
    assert drawn == Drawn("pictures/00007-picture.webp", "pictures/00007-heat.webp", (32, 24))
    files = sorted(path for path in (tmp_path / "deep").rglob("*") if path.is_file())
    assert files == [tmp_path / "deep" / drawn.heat, tmp_path / "deep" / drawn.picture]


def test_what_a_picture_would_be_is_drawn_where_the_method_says(tmp_path: Path) -> None:
    result = make_result()
    restored = np.full_like(result.picture.pixels, 90)
    drawer = Thumbnails(tmp_path, RANGE)
    drawn = drawer.draw(SAMPLE, replace(result, restored=restored), mask=None, number=7)
    assert drawn.restored == "pictures/00007-restored.webp"
    shown = pixels(tmp_path / drawn.restored)
    assert shown.shape == (drawn.shown[1], drawn.shown[0], 3)
    assert np.abs(shown - 90).max() < 5


@pytest.mark.parametrize("size", [(1000, 30), (500, 2000), (THUMBNAIL_SIDE, 2)])
def test_both_are_small_and_as_large_as_it_is_said(tmp_path: Path, size: tuple[int, int]) -> None:
    drawn = draw(tmp_path, size=size)
    assert max(drawn.shown) == THUMBNAIL_SIDE
    for name in (drawn.picture, drawn.heat):
        assert pixels(tmp_path / name).shape == (drawn.shown[1], drawn.shown[0], 3)


def test_without_heat_and_mask_both_are_alike(tmp_path: Path) -> None:
    drawn = draw(tmp_path)
    assert (pixels(tmp_path / drawn.picture) == pixels(tmp_path / drawn.heat)).all()


def test_heat_and_mask_are_drawn_in_their_places(tmp_path: Path) -> None:
    result = make_result(values=hot_map())
    mask = np.zeros((24, 32), bool)
    mask[18:22, 24:29] = True
    drawn = Thumbnails(tmp_path, RANGE).draw(SAMPLE, result, mask=mask, number=1)
    change = pixels(tmp_path / drawn.heat) - pixels(tmp_path / drawn.picture)
    changed = np.abs(change).sum(axis=2) > 150
    assert changed[9:11, 11:15].mean() > 0.5, "heat"
    assert changed[17, 24:29].mean() > 0.5, "the line above the mask"
    assert changed[:6, :6].mean() < 0.2
