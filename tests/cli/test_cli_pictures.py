"""Which files the arguments of `score` mean."""

import os
from pathlib import Path

import pytest

from normalis.cli.pictures import lies_among, list_pictures
from normalis.errors import DatasetError


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("in/b/2.png", "in/a.JPG", "in/notes.txt", "in/b/1.png", "more/odd", "out/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*given: str, out: str = "out") -> list[str]:
    found = list_pictures([Path(name) for name in given], leave_out=[Path(out)]).paths
    return [path.as_posix() for path in found]


@pytest.mark.usefixtures("root")
def test_folders_are_searched_and_sorted() -> None:
    assert names("in") == ["in/a.JPG", "in/b/1.png", "in/b/2.png"]


@pytest.mark.usefixtures("root")
def test_a_file_is_taken_whatever_its_name_ends_in() -> None:
    assert names("more/odd", "in/b") == ["more/odd", "in/b/1.png", "in/b/2.png"]


def test_a_picture_given_twice_counts_once(root: Path) -> None:
    assert names("in/b/2.png", "in/b", str(root / "in" / "b"), "in/../in/b") == [
        "in/b/2.png",
        "in/b/1.png",
    ]


@pytest.mark.usefixtures("root")
def test_the_answers_of_a_run_before_are_no_input() -> None:
    assert names(".") == ["in/a.JPG", "in/b/1.png", "in/b/2.png"]
    assert names("in", out="in/b") == ["in/a.JPG"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [(["in"], "in"), (["in/b/1.png"], "in/b"), (["in/b", "more/odd"], "."), (["in", "in/b"], "in")],
)
def test_the_root_lies_above_all(root: Path, given: list[str], expected: str) -> None:
    listed = list_pictures([Path(name) for name in given], leave_out=[Path("out")])
    assert listed.root == (root / expected).resolve()


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("given", "message"),
    [("nowhere", "nowhere: there is no such"), ("out", "no pictures"), ("more", "no pictures")],
)
def test_what_is_not_there_is_said(given: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        names(given)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_what_is_left_out_is_said(root: Path) -> None:
    (root / "in" / "link.png").symlink_to(root / "more" / "odd")
    listed = list_pictures([root / "in"], leave_out=[root / "out"])
    assert len(listed.paths) == 3
    assert "link.png" in listed.warnings[0]


def test_a_manifest_names_pictures_and_the_places_of_slices(root: Path) -> None:
    (root / "in" / "t.csv").write_text("image,position\nb/2.png,0.25\na.JPG,\nb/no.png,0\n")
    listed = list_pictures([Path("in/t.csv"), Path("in")], leave_out=[Path("out")])
    assert [path.as_posix() for path in listed.paths] == ["in/b/2.png", "in/a.JPG", "in/b/1.png"]
    assert listed.positions == {Path("in/b/2.png"): 0.25}
    assert listed.root == root / "in"
    assert len(listed.warnings) == 1
    assert "b/no.png" in listed.warnings[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path\n", "in/t.csv: no pictures were found here"),
        ("path\nno.png\n", r"do not exist and were left out \(no.png\)"),
        ("name\na.JPG\n", 'in/t.csv: there is no column "path"'),
        ("path\n../more/odd\n", "leads out of"),
    ],
)
def test_a_manifest_without_pictures_is_refused(root: Path, text: str, message: str) -> None:
    (root / "in" / "t.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        names("in/t.csv")


@pytest.mark.usefixtures("root")
def test_answers_among_the_pictures_are_known() -> None:
    assert lies_among(Path("in/b/out"), [Path("more"), Path("in")])
    assert lies_among(Path("in"), [Path("in")])
    assert not lies_among(Path("out"), [Path("in"), Path("out/x.png")])


def test_masks_are_no_pictures(root: Path) -> None:
    (root / "in/ground_truth/spot").mkdir(parents=True)
    (root / "in/ground_truth/spot/1_mask.png").touch()
    listed = list_pictures([Path("in")], leave_out=[Path("out")])
    assert len(listed.paths) == 3
    assert listed.warnings == (
        "Masks in folders called ground_truth: 1 left out (ground_truth/spot/1_mask.png).",
    )
    assert names("in/ground_truth") == ["in/ground_truth/spot/1_mask.png"]
