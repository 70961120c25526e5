"""Each layout is recognised by its folders and read into the same kind of samples."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from normalis.datasets.layouts import open_dataset
from normalis.datasets.sample import Dataset
from normalis.errors import DatasetError, SettingsError

MVTEC = (
    "bottle/train/good/000.png",
    "bottle/train/good/001.png",
    "bottle/test/good/000.png",
    "bottle/test/crack/000.png",
    "bottle/test/crack/001.png",
    "bottle/ground_truth/crack/000_mask.png",
    "bottle/ground_truth/crack/001.png",
    "bottle/license.txt",
    "pill/train/good/000.png",
    "pill/test/good/000.png",
)


def touch(root: Path, *names: str) -> Path:
    """The files of a data set; layouts never open them."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def described(dataset: Dataset) -> list[tuple[str, str | None, str, str | None, str | None]]:
    return [
        (s.name, s.category, s.split, s.defect, s.mask and s.mask.name) for s in dataset.samples
    ]


def test_mvtec_with_several_categories(tmp_path: Path) -> None:
    dataset = open_dataset(touch(tmp_path, *MVTEC))
    assert dataset.layout == "mvtec"
    assert dataset.warnings == ()
    assert described(dataset) == [
        ("bottle/test/crack/000.png", "bottle", "test", "crack", "000_mask.png"),
        ("bottle/test/crack/001.png", "bottle", "test", "crack", "001.png"),
        ("bottle/test/good/000.png", "bottle", "test", "good", None),
        ("bottle/train/good/000.png", "bottle", "train", "good", None),
        ("bottle/train/good/001.png", "bottle", "train", "good", None),
        ("pill/test/good/000.png", "pill", "test", "good", None),
        ("pill/train/good/000.png", "pill", "train", "good", None),
    ]
    assert all(s.path == tmp_path / s.name for s in dataset.samples)


def test_mvtec_with_one_category(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The category is the folder's name, also where the folder is given as a dot."""
    touch(tmp_path, *MVTEC)
    dataset = open_dataset(tmp_path / "bottle")
    assert dataset.categories == ("bottle",)
    assert dataset.samples[0].name == "test/crack/000.png"
    monkeypatch.chdir(tmp_path / "bottle")
    here = open_dataset(Path())
    assert described(here) == described(dataset)


def test_btad(tmp_path: Path) -> None:
    touch(tmp_path, "01/train/ok/0.bmp", "01/test/ok/1.bmp", "01/test/ko/2.bmp")
    touch(tmp_path, "01/ground_truth/ko/2.png")
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "btad"
    assert described(dataset) == [
        ("01/test/ko/2.bmp", "01", "test", "ko", "2.png"),
        ("01/test/ok/1.bmp", "01", "test", "good", None),
        ("01/train/ok/0.bmp", "01", "train", "good", None),
    ]


def test_mvtec_3d_joins_validation_to_train(tmp_path: Path) -> None:
    touch(tmp_path, "tire/train/good/rgb/0.png", "tire/train/good/xyz/0.tiff")
    touch(tmp_path, "tire/validation/good/rgb/0.png", "tire/test/good/rgb/0.png")
    touch(tmp_path, "tire/test/good/gt/0.png", "tire/test/hole/rgb/0.png")
    touch(tmp_path, "tire/test/hole/gt/0.png", "tire/test/hole/xyz/0.tiff")
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "mvtec3d"
    assert described(dataset) == [
        ("tire/test/good/rgb/0.png", "tire", "test", "good", None),
        ("tire/test/hole/rgb/0.png", "tire", "test", "hole", "0.png"),
        ("tire/train/good/rgb/0.png", "tire", "train", "good", None),
        ("tire/validation/good/rgb/0.png", "tire", "train", "good", None),
    ]
    assert dataset.samples[1].mask == tmp_path / "tire/test/hole/gt/0.png"


def test_visa_by_its_table(tmp_path: Path) -> None:
    folder = "candle/Data/Images"
    touch(tmp_path, f"{folder}/Normal/0.JPG", f"{folder}/Normal/1.JPG", f"{folder}/Anomaly/0.JPG")
    touch(tmp_path, "candle/Data/Masks/Anomaly/0.png", "split_csv/1cls.csv")
    (tmp_path / "split_csv/1cls.csv").write_text(
        "object,split,label,image,mask\n"
        f"candle,train,normal,{folder}/Normal/0.JPG,\n"
        f"candle,test,normal,{folder}/Normal/1.JPG,\n"
        f"candle,test,anomaly,{folder}/Anomaly/0.JPG,candle/Data/Masks/Anomaly/0.png\n"
    )
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "visa"
    assert dataset.warnings == ()
    assert described(dataset) == [
        (f"{folder}/Anomaly/0.JPG", "candle", "test", "anomaly", "0.png"),
        (f"{folder}/Normal/0.JPG", "candle", "train", "good", None),
        (f"{folder}/Normal/1.JPG", "candle", "test", "good", None),
    ]


def test_visa_without_its_table_keeps_every_tenth_for_testing(tmp_path: Path) -> None:
    touch(tmp_path, *(f"candle/Data/Images/Normal/{i:04}.JPG" for i in range(20)))
    touch(tmp_path, "candle/Data/Images/Anomaly/000.JPG", "candle/Data/Masks/Anomaly/000.png")
    dataset = open_dataset(tmp_path)
    assert dataset.layout == "visa"
    assert [s.name.rpartition("/")[2] for s in dataset.test] == ["000.JPG", "0009.JPG", "0019.JPG"]
    assert len(dataset.train_good) == 18
    assert dataset.test[0].mask == tmp_path / "candle/Data/Masks/Anomaly/000.png"
    assert "1cls.csv is missing" in dataset.warnings[0]


def test_a_plain_folder_is_all_for_training_without_labels(tmp_path: Path) -> None:
    dataset = open_dataset(touch(tmp_path, "b/1.jpg", "a/deep/2.png", "3.webp", "readme.md"))
    assert dataset.layout == "folder"
    assert described(dataset) == [
        ("3.webp", None, "train", None, None),
        ("a/deep/2.png", None, "train", None, None),
        ("b/1.jpg", None, "train", None, None),
    ]
    assert len(dataset.train_good) == 3


def test_one_picture_is_a_data_set(tmp_path: Path) -> None:
    assert len(open_dataset(touch(tmp_path, "1.png")).samples) == 1


def test_the_layout_can_be_stated(tmp_path: Path) -> None:
    dataset = open_dataset(touch(tmp_path, *MVTEC), layout="folder")
    assert dataset.layout == "folder"
    assert len(dataset.samples) == 9
    for layout in ("visa", "btad", "mvtec3d"):
        with pytest.raises(DatasetError, match=f'{tmp_path}: .*layout "{layout}", which has'):
            open_dataset(tmp_path, layout=layout)
    with pytest.raises(SettingsError, match=r'layout is "mvtech"; auto, visa, .*manifest'):
        open_dataset(tmp_path, layout="mvtech")


def test_defects_in_a_plain_folder_are_warned_of(tmp_path: Path) -> None:
    names = ("good/1.png", "good/2.png", "a/NG/deep/3.png", "bad.png", "badge/4.png")
    dataset = open_dataset(touch(tmp_path, *names))
    assert (dataset.layout, len(dataset.train_good)) == ("folder", 5)
    (warning,) = dataset.warnings
    assert warning.startswith("a/NG: in a plain folder every picture is taken for good")


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"{tmp_path}: there are no pictures here \(.*\.png"):
        open_dataset(tmp_path)


def test_a_folder_with_only_unusable_pictures_says_why(tmp_path: Path) -> None:
    root = touch(tmp_path, "1.png", "root/readme.md") / "root"
    (root / "link.png").symlink_to(tmp_path / "1.png")
    with pytest.raises(DatasetError, match=r"no pictures here .* Links that leave the data set"):
        open_dataset(root)


def test_empty_category_folders_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "bottle/train/good").mkdir(parents=True)
    with pytest.raises(DatasetError, match="no pictures here"):
        open_dataset(tmp_path)


def test_categories_without_good_anywhere_are_an_error(tmp_path: Path) -> None:
    touch(tmp_path, "bottle/train/fine/0.png", "bottle/test/broken/0.png")
    with pytest.raises(DatasetError, match=r'folder "good" \(such as bottle/train/good\)'):
        open_dataset(tmp_path)


def test_one_category_without_good_is_kept_with_a_warning(tmp_path: Path) -> None:
    touch(tmp_path, *MVTEC, "cap/train/fine/0.png", "cap/test/broken/0.png")
    dataset = open_dataset(tmp_path)
    assert dataset.categories == ("bottle", "cap", "pill")
    assert dataset.warnings == (
        "cap: there are no normal pictures to train on, as cap/train/good is missing or empty.",
    )
    assert not [s for s in dataset.train_good if s.category == "cap"]


def test_a_data_set_for_testing_only_opens(tmp_path: Path) -> None:
    dataset = open_dataset(touch(tmp_path, "test/good/0.png", "test/crack/0.png"))
    assert dataset.train_good == ()
    assert len(dataset.test) == 2


def test_folders_that_are_no_categories_are_counted(tmp_path: Path) -> None:
    dataset = open_dataset(touch(tmp_path, *MVTEC, "raw/0.png", "figures/1.png"))
    assert dataset.warnings == ("Folders that are no categories: 2 left out (figures, raw).",)


def test_a_mask_that_fits_two_pictures_is_told(tmp_path: Path) -> None:
    dataset = open_dataset(touch(tmp_path, *MVTEC, "bottle/test/crack/000.jpg"))
    assert dataset.warnings == ("1 masks belong to several pictures (000_mask.png).",)


def test_a_category_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, *MVTEC)
    scandir = os.scandir

    def scan(path: Path) -> object:
        if path == tmp_path / "pill" / "train" / "good":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    dataset = open_dataset(tmp_path)
    assert len(dataset.samples) == 6
    assert any("cannot be read (Permission denied)" in w for w in dataset.warnings)


def test_a_root_in_a_closed_folder_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DatasetError, match="Permission denied"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("layout", ["auto", "mvtec"])
def test_a_file_that_is_no_manifest_is_an_error(tmp_path: Path, layout: str) -> None:
    touch(tmp_path, "1.png")
    with pytest.raises(DatasetError, match=r"1\.png: .*\.csv or \.parquet"):
        open_dataset(tmp_path / "1.png", layout=layout)


def test_a_missing_root_is_an_error(tmp_path: Path) -> None:
    for layout in ("auto", "folder", "manifest"):
        with pytest.raises(DatasetError, match="absent"):
            open_dataset(tmp_path / "absent", layout=layout)


WORDS = st.sampled_from(
    [
        "train",
        "test",
        "good",
        "ok",
        "ko",
        "rgb",
        "gt",
        "Data",
        "Images",
        "Normal",
        "ground_truth",
        "a",
    ]
)
FILES = st.sampled_from(["1.png", "1_mask.png", "2.JPG", "1cls.csv", "x.txt", ".png"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paths=st.sets(
        st.tuples(st.lists(WORDS, max_size=4), FILES).map(
            lambda parts: "/".join((*parts[0], parts[1]))
        ),
        max_size=8,
    )
)
def test_any_tree_is_a_data_set_or_a_data_set_error(
    tmp_path_factory: pytest.TempPathFactory, paths: set[str]
) -> None:
    root = touch(tmp_path_factory.mktemp("tree"), *paths)
    try:
        dataset = open_dataset(root)
    except DatasetError as error:
        message = str(error)
    else:
        names = [s.name for s in dataset.samples]
        assert names == sorted(set(names))
        assert set(names) <= paths
        message = str(root)
    assert str(root) in message
