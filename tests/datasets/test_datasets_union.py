"""Several data sets as one: nothing collides, nothing is lost."""

from pathlib import Path

import pytest
from PIL import Image

from normalis.datasets import open_dataset, open_union, set_name
from normalis.errors import DatasetError


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(path)
    return path


@pytest.fixture
def plants(tmp_path: Path) -> list[Path]:
    """Two plants that both make bottles, and a folder without categories."""
    for plant in ("a", "b"):
        for category in ("bottle", "cap"):
            put(tmp_path / plant / category / "train/good/000.png")
            put(tmp_path / plant / category / "test/dent/000.png")
    put(tmp_path / "loose/000.png")
    return [tmp_path / name for name in ("b", "a", "loose")]


def test_categories_and_names_begin_with_the_data_sets_own(plants: list[Path]) -> None:
    union = open_union(plants)
    names = [sample.name for sample in union.samples]
    assert names == sorted(names)
    assert len(set(names)) == 9
    assert {s.category for s in union.samples} == {
        "a/bottle",
        "a/cap",
        "b/bottle",
        "b/cap",
        "loose",
    }
    assert union.layout == "mvtec + folder"


def test_every_sample_is_what_it_is_alone(plants: list[Path]) -> None:
    union = {sample.name: sample for sample in open_union(plants).samples}
    for root in plants:
        for alone in open_dataset(root).samples:
            one = union[f"{root.name}/{alone.name}"]
            assert (one.path, one.split, one.defect, one.mask) == (
                *(alone.path, alone.split, alone.defect, alone.mask),
            )


def test_a_single_data_set_stays_as_it_is(plants: list[Path]) -> None:
    assert open_union(plants[:1]) == open_dataset(plants[0])


def test_two_data_sets_of_one_name_are_refused(plants: list[Path], tmp_path: Path) -> None:
    put(tmp_path / "other/a/000.png")
    with pytest.raises(DatasetError, match=r"two of the data sets are called 'a'.*rename"):
        open_union([plants[1], tmp_path / "other/a"])


def test_a_warning_says_of_which_data_set_it_is(plants: list[Path]) -> None:
    (plants[0] / "bottle/train/good/gone.png").symlink_to("/etc/hostname")
    warnings = open_union(plants).warnings
    assert warnings
    assert all(warning.startswith("b: ") for warning in warnings)


def test_a_manifest_is_called_as_its_file(tmp_path: Path) -> None:
    table = tmp_path / "line 7.csv"
    table.write_text("path\n000.png\n", encoding="utf-8")
    assert set_name(table) == "line 7"
    assert set_name(tmp_path / ".") == tmp_path.name


def test_groups_of_two_data_sets_are_two(tmp_path: Path) -> None:
    for plant in ("a", "b"):
        put(tmp_path / plant / "000.png")
        (tmp_path / plant / f"table-{plant}.csv").write_text("path,group\n000.png,7\n")
    union = open_union([tmp_path / plant / f"table-{plant}.csv" for plant in ("a", "b")])
    assert {sample.group for sample in union.samples} == {"table-a/7", "table-b/7"}
