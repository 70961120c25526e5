"""An exported model says what it is, within the graph too; what was altered is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from normalis.detectors.vqflow.detector import VQFlow
from normalis.errors import BundleError, ExportError
from normalis.export import runtimes
from normalis.export.info import EXPORT, FORMATS, GRAPHS, Format, is_export, read_export
from normalis.export.scorer import load_export
from normalis.export.write import METADATA, export_model

pytestmark = pytest.mark.slow  # tracing a graph takes long

Exported = Callable[[str, Format], Path]


@pytest.fixture
def copy(exported: Exported, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported("flow", "onnx"), tmp_path / "copy"))


def refusal(path: Path) -> str:
    with pytest.raises(BundleError) as caught:
        load_export(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_metadata_are_complete(exported: Exported) -> None:
    _, info = read_export(exported("flow", "onnx"))
    assert (info.format, info.preset, info.backbone) == ("onnx", "flow", "test_resnet")
    assert info.preparation == {"height": 64, "width": 64, "fit": "squash", "white_level": 65535}
    assert info.calibration["far"] == 0.25
    assert set(info.files) == {"model.onnx"}


def inside(folder: Path, target: Format) -> str:
    """The metadata that the graph itself carries."""
    path = folder / GRAPHS[target]
    if target == "onnx":
        import onnxruntime

        session: Any = onnxruntime.InferenceSession(str(path))
        return session.get_modelmeta().custom_metadata_map[METADATA]
    if target == "openvino":
        import openvino

        graph: Any = openvino.Core().read_model(str(path))
        return graph.get_rt_info([METADATA]).astype(str)
    extra = {METADATA: ""}
    torch.export.load(path, extra_files=extra)
    return extra[METADATA]


@pytest.mark.parametrize("target", FORMATS)
def test_the_graph_carries_its_metadata(target: Format, exported: Exported) -> None:
    folder = exported("vqflow", target)
    _, info = read_export(folder)
    tree = json.loads(inside(folder, target))
    assert tree["kind"] == EXPORT.name
    assert tree["preparation"] == info.preparation
    assert tree["calibration"] == json.loads((folder / EXPORT.file).read_text())["calibration"]


def test_a_graph_is_opened_with_the_metadata_beside_it(copy: Path) -> None:
    assert is_export(copy / "model.onnx")
    assert load_export(copy / "model.onnx").preparation.height == 64


def test_without_metadata_it_is_refused(copy: Path) -> None:
    (copy / EXPORT.file).unlink()
    assert f"there is no {EXPORT.file}" in refusal(copy / "model.onnx")


def test_a_newer_schema_is_refused(copy: Path) -> None:
    tree = json.loads((copy / EXPORT.file).read_text())
    tree["schema"] = 2
    (copy / EXPORT.file).write_text(json.dumps(tree))
    assert "has format 2" in refusal(copy)


@pytest.mark.parametrize("field", ["calibration", "preparation", "files", "seal", "map_range"])
def test_changed_metadata_are_refused(field: str, copy: Path) -> None:
    tree = json.loads((copy / EXPORT.file).read_text())
    tree[field] = {}
    (copy / EXPORT.file).write_text(json.dumps(tree))
    assert "was changed after it was written" in refusal(copy)


def test_a_changed_or_missing_graph_is_refused(copy: Path) -> None:
    content = bytearray((copy / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "model.onnx").write_bytes(content)
    assert "was changed or damaged" in refusal(copy)
    (copy / "model.onnx").unlink()
    assert "is missing" in refusal(copy)


@pytest.mark.parametrize(
    ("target", "extra"), [("onnx", "runtime"), ("openvino", "deploy"), ("torch", "train")]
)
def test_a_missing_runtime_names_the_extra(
    target: Format, extra: str, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    folder = exported("vqflow", target)
    monkeypatch.setattr(runtimes, "import_module", missing)
    with pytest.raises(ExportError, match=rf"normalis\[{extra}\]"):
        load_export(folder)


def test_nothing_is_replaced_but_an_exported_model(
    model: Callable[[str], Path], copy: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for out, word in (
        (tmp_path / "mine", "not an exported model"),
        (copy, "--overwrite"),
        (tmp_path / "no" / "where", "does not exist"),
    ):
        with pytest.raises(ExportError, match=word):
            export_model(model("flow"), out)
    with pytest.raises(ExportError, match="not an exported model"):
        export_model(model("flow"), tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_a_detector_that_is_no_graph_says_why(
    model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(VQFlow, "no_graph", property(lambda _: "it rolls dice"))
    with pytest.raises(ExportError, match="cannot be one graph, for it rolls dice"):
        export_model(model("flow"), tmp_path / "out")


def test_an_interrupted_export_leaves_nothing(
    model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("a graph cannot say this")

    monkeypatch.setattr(torch.export, "export", fails)
    with pytest.raises(ExportError, match="cannot be made one graph"):
        export_model(model("flow"), tmp_path / "out", format="torch")
    assert list(tmp_path.iterdir()) == []
