"""Listing folders: a fixed order, never outside the root, never stopped by one bad entry."""

import os
from pathlib import Path

import pytest

from normalis.datasets.tree import Tree, shorten
from normalis.errors import DatasetError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def listing(root: Path) -> tuple[list[str], tuple[str, ...]]:
    tree = Tree(root)
    return [tree.name(p) for p in tree.all_pictures()], tree.warnings


def test_pictures_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.png", "b/10.PNG", "a/x/1.jpg", "c.tif", "notes.txt", ".hidden.png")
    touch(tmp_path, "__MACOSX/._1.png", ".cache/1.png")
    assert listing(tmp_path) == (["c.tif", "a/x/1.jpg", "b/10.PNG", "b/2.png"], ())


def test_a_folder_named_like_a_picture_is_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "odd.png/1.png")
    assert listing(tmp_path)[0] == ["odd.png/1.png"]


def test_links_that_leave_the_root_are_left_out_and_counted(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(tmp_path, "secret/1.png", "root/real.png")
    (root / "folder").symlink_to(tmp_path / "secret")
    (root / "file.png").symlink_to(tmp_path / "secret" / "1.png")
    (root / "nowhere.png").symlink_to(root / "absent.png")
    names, warnings = listing(root)
    assert names == ["real.png"]
    assert "Links that leave the data set: 2 left out (file.png, folder)." in warnings
    assert "Links that lead nowhere: 1 left out (nowhere.png)." in warnings


def test_no_link_on_the_way_to_a_folder_is_missed(tmp_path: Path) -> None:
    touch(tmp_path, "outside/good/1.png", "root/bottle/notes.txt")
    (tmp_path / "root/bottle/train").symlink_to(tmp_path / "outside")
    tree = Tree(tmp_path / "root")
    assert tree.pictures(tmp_path / "root/bottle/train/good") == ()
    assert tree.warnings == ("Links that leave the data set: 1 left out (bottle/train).",)


def test_links_within_the_root_are_followed_but_never_in_circles(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "link.png").symlink_to(tmp_path / "a" / "1.png")
    names, warnings = listing(tmp_path)
    assert names == ["link.png", "a/1.png"]
    assert warnings == ("Links that lead nowhere: 1 left out (self).",)


def test_a_root_that_is_itself_a_link_is_fine(tmp_path: Path) -> None:
    touch(tmp_path, "real/1.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert listing(tmp_path / "link") == (["1.png"], ())
    assert Tree(tmp_path / "link").category(tmp_path / "link") == "real"


def test_a_name_that_is_not_text_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "good.png", os.fsdecode(b"bad\xff.png"))
    names, warnings = listing(tmp_path)
    assert names == ["good.png"]
    assert warnings == ("Names that are not text (UTF-8): 1 left out (bad?.png).",)


def deny(monkeypatch: pytest.MonkeyPatch, denied: Path) -> None:
    """Tests may run as root, whom no permission stops."""
    scandir = os.scandir

    def scan(path: Path) -> object:
        if path == denied:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)


def test_a_sub_folder_that_cannot_be_read_is_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a/1.png", "locked/train/2.png")
    deny(monkeypatch, tmp_path / "locked")
    names, warnings = listing(tmp_path)
    tree = Tree(tmp_path)
    assert names == ["a/1.png"]
    assert tree.folders(tmp_path / "locked" / "train") == ()
    assert (
        tree.warnings
        == warnings
        == ("Folders that cannot be read (Permission denied): 1 left out (locked).",)
    )


def test_a_root_that_cannot_be_read_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deny(monkeypatch, tmp_path)
    with pytest.raises(DatasetError, match=f"{tmp_path}: .*Permission denied"):
        Tree(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_real_permissions(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "locked/2.png", "blind/3.png")
    (tmp_path / "locked").chmod(0o000)
    (tmp_path / "blind").chmod(0o600)
    try:
        assert listing(tmp_path)[0] == ["a/1.png", "blind/3.png"]
    finally:
        (tmp_path / "locked").chmod(0o700)
        (tmp_path / "blind").chmod(0o700)


def test_a_root_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"absent: .*No such file"):
        Tree(tmp_path / "absent")


def test_long_lists_are_shortened() -> None:
    assert shorten(["a", "b", "c"]) == "a, b, c"
    assert shorten("abcde") == "a, b, c and 2 more"


def test_a_root_that_is_a_circle_of_links_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(DatasetError, match=r"circle: the folder cannot be read"):
        Tree(tmp_path / "circle")


def test_pictures_that_cannot_be_read_are_not_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "1.png", "IMG_1.HEIC", "b/2.gif", "old.gif/3.png", "notes.txt", "c/4.nii.gz")
    names, warnings = listing(tmp_path)
    assert names == ["1.png", "old.gif/3.png"]
    assert warnings == (
        "Pictures to be converted, as to PNG, before they can be read: 2 left out "
        "(IMG_1.HEIC, b/2.gif).",
        "Volumes, of which 'normalis volumes slices' makes pictures: 1 left out (c/4.nii.gz).",
    )
