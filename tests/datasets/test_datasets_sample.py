"""What a data set says about its samples."""

from pathlib import Path

import pytest

from normalis.datasets.sample import Dataset, Sample, printable


def sample(name: str, split: str, defect: str | None, category: str | None = None) -> Sample:
    assert split in ("train", "test")
    return Sample(Path(name), name, category, split, defect, None)


@pytest.mark.parametrize(("defect", "is_defect"), [(None, None), ("good", False), ("crack", True)])
def test_a_defect_is_known_or_not(defect: str | None, *, is_defect: bool | None) -> None:
    assert sample("a", "test", defect).is_defect is is_defect


def test_known_defects_are_never_learned_from() -> None:
    samples = (
        sample("a", "train", "good", "b"),
        sample("b", "train", "crack", "b"),
        sample("c", "train", None),
        sample("d", "test", "good", "a"),
    )
    dataset = Dataset(Path(), "folder", samples, ())
    assert [s.name for s in dataset.train_good] == ["a", "c"]
    assert [s.name for s in dataset.test] == ["d"]
    assert dataset.categories == ("a", "b")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("Käse \N{SNOWMAN}", "Käse \N{SNOWMAN}"), ("caf\udce9", r"caf\udce9"), ("", "")],
)
def test_what_is_no_text_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
