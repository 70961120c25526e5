"""Manifests: tables by strangers, whose paths never lead out of their folder."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from normalis.datasets.layouts import open_dataset
from normalis.datasets.manifest import read_manifest
from normalis.errors import DatasetError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of pictures, and one picture beside it that nobody may reach."""
    root = tmp_path / "root"
    for name in ("root/a/1.png", "root/a/2.png", "root/m/2.png", "root/b.png", "secret.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return root


def write(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


FULL = """path,category,split,defect,mask,remark
a/1.png,nut,train,good,,"first, best"
a/2.png,nut,test,crack,m/2.png,

b.png,bolt,TEST,Normal,,
"""


def test_every_column_is_read(folder: Path) -> None:
    dataset = open_dataset(write(folder, FULL))
    assert (dataset.layout, dataset.root, dataset.warnings) == ("manifest", folder, ())
    first, second, third = dataset.samples
    assert (first.path, first.name) == (folder / "a/1.png", "a/1.png")
    assert (first.category, first.split, first.defect, first.mask) == ("nut", "train", "good", None)
    assert (second.split, second.defect, second.mask) == ("test", "crack", folder / "m/2.png")
    assert (third.category, third.split, third.defect) == ("bolt", "test", "good")


def test_slices_may_say_where_they_lie(folder: Path) -> None:
    samples, _ = read_manifest(write(folder, "path,position\na/1.png,-0.25\na/2.png,\n"))
    assert [sample.position for sample in samples] == [-0.25, None]
    for wrong in ("0.6", "top", "nan"):
        with pytest.raises(DatasetError, match=rf'row 2.*position is "{wrong}"'):
            read_manifest(write(folder, f"path,position\na/1.png,{wrong}\n"))


def test_pictures_of_one_part_may_say_so(folder: Path) -> None:
    samples, _ = read_manifest(write(folder, "path,group\na/1.png,part 7\na/2.png,\n"))
    assert [sample.group for sample in samples] == ["part 7", None]


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_the_ways_spreadsheets_save(folder: Path, separator: str, newline: str) -> None:
    lines = ["\ufeffPath,Split", "a\\1.png,train", "a/2.png,test"]
    text = newline.join(lines).replace(",", separator)
    samples, warnings = read_manifest(write(folder, text))
    assert [(s.name, s.split) for s in samples] == [("a/1.png", "train"), ("a/2.png", "test")]
    assert warnings == ()


@pytest.mark.parametrize(
    ("label", "defect", "split"),
    [
        ("", None, "train"),
        ("good", "good", "train"),
        ("0", "good", "train"),
        ("1", "anomaly", "test"),
        ("scratch", "scratch", "test"),
    ],
)
def test_labels_and_the_split_that_follows(
    folder: Path, label: str, defect: str | None, split: str
) -> None:
    (sample,), _ = read_manifest(write(folder, f"path,label\na/1.png,{label}\n"))
    assert (sample.defect, sample.split) == (defect, split)


def test_parquet_is_the_same_as_csv(folder: Path) -> None:
    path = folder / "list.parquet"
    columns = {
        "path": ["a/1.png", "a/2.png", "b.png"],
        "category": ["nut", "nut", None],
        "label": [0.0, 1.0, float("nan")],
        "mask": [None, "m/2.png", None],
        "blob": [b"x", b"", None],
    }
    parquet.write_table(pa.table(columns), path)
    text = "path,category,label,mask\na/1.png,nut,0,\na/2.png,nut,1,m/2.png\nb.png,,,\n"
    expected = open_dataset(write(folder, text))
    assert open_dataset(path) == expected
    assert [s.defect for s in expected.samples] == ["good", "anomaly", None]


def test_the_order_is_that_of_the_names(folder: Path) -> None:
    dataset = open_dataset(write(folder, "path\nb.png\na/2.png\na/1.png\n"))
    assert [s.name for s in dataset.samples] == ["a/1.png", "a/2.png", "b.png"]


@pytest.mark.parametrize(
    "path",
    ["../secret.png", "a/../../secret.png", "..\\secret.png", "/etc/passwd", "C:\\secret.png", "."],
)
@pytest.mark.parametrize("column", ["path", "mask"])
def test_paths_that_leave_the_folder_are_refused(folder: Path, path: str, column: str) -> None:
    row = f"{path},\n" if column == "path" else f"b.png,{path}\n"
    manifest = write(folder, f"path,mask\na/1.png,\n{row}")
    with pytest.raises(DatasetError, match=r"list\.csv, row 3: .* leads out of"):
        open_dataset(manifest)


def test_a_link_that_leaves_the_folder_is_refused(folder: Path) -> None:
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    with pytest.raises(DatasetError, match="leads out of"):
        open_dataset(write(folder, "path\nlink.png\n"))


def test_a_path_that_turns_back_within_the_folder_is_fine(folder: Path) -> None:
    samples, _ = read_manifest(write(folder, f"path\na/../b.png\n{folder}/a/1.png\n"))
    assert [s.name for s in samples] == ["b.png", "a/1.png"]


def test_files_that_do_not_exist_are_left_out_and_counted(folder: Path) -> None:
    manifest = write(folder, f"path,mask\na/1.png,m/1.png\ngone.png,\n{'x' * 300}.png,\na,\n")
    dataset = open_dataset(manifest)
    assert [(s.name, s.mask) for s in dataset.samples] == [("a/1.png", None)]
    assert "3 pictures do not exist" in dataset.warnings[0]
    assert "gone.png" in dataset.warnings[0]
    assert "1 masks do not exist and were left out (m/1.png)" in dataset.warnings[1]


def test_only_missing_pictures_are_an_error(folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"csv: names no picture .* 1 pictures do not"):
        open_dataset(write(folder, "path\ngone.png\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column"),
        ("file,split\na.png,train\n", 'no column "path"; the columns are: file, split'),
        ("path\na/1.png\na/./1.png\n", "1 pictures are listed more than once (a/1.png)"),
        ("path,split\na/1.png,validation\n", 'row 2: the split is "validation"; train and test'),
        ("path,split\n,train\n", "row 2: the path is empty"),
        ("path,split\na/1.png,train,x\n", "row 2: there are 3 cells but 2 columns"),
        ("path\na\0.png\n", ""),
    ],
)
def test_bad_tables_are_refused(folder: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError) as caught:
        open_dataset(write(folder, text))
    assert message in str(caught.value)
    assert "list.csv" in str(caught.value)


@pytest.mark.parametrize("name", ["list.csv", "list.parquet"])
def test_bytes_that_are_no_table_are_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"\xff\xfe\x00broken")
    with pytest.raises(DatasetError, match=name):
        open_dataset(folder / name)


CELLS = st.one_of(
    st.sampled_from(["a/1.png", "b.png", "..", "../secret.png", "/", "a/../..", "train", "~", "1"]),
    st.text(max_size=12),
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=4), quoted=st.booleans())
def test_any_table_stays_in_its_folder_or_is_refused(
    folder: Path, rows: list[list[str]], *, quoted: bool
) -> None:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if quoted else text

    lines = ["path,category,split,label,mask", *(",".join(map(cell, row)) for row in rows)]
    manifest = folder / "list.csv"
    manifest.write_bytes("\n".join(lines).encode(errors="surrogatepass"))
    try:
        samples = open_dataset(manifest).samples
    except DatasetError as error:
        samples, message = (), str(error)
    else:
        message = str(folder)
    assert str(folder) in message
    for sample in samples:
        assert sample.path.resolve().is_relative_to(folder)
        assert sample.path == folder / sample.name
        assert sample.mask is None or sample.mask.resolve().is_relative_to(folder)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), suffix=st.sampled_from([".csv", ".parquet"]))
def test_any_bytes_are_a_table_or_refused(folder: Path, data: bytes, suffix: str) -> None:
    path = folder / f"fuzzed{suffix}"
    path.write_bytes(data)
    with pytest.raises(DatasetError):
        open_dataset(path)
