"""A coarser graph has thresholds of its own, from the same pictures as before."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from export_samples import EXAMPLES, new_pictures

from normalis.bundle.load import load_bundle, picture_uses
from normalis.bundle.sealed import file_digest
from normalis.errors import BundleError, ExportError
from normalis.export import runtimes
from normalis.export.info import ExportInfo, Format, Precision, read_export
from normalis.export.made_from import made_from
from normalis.export.quantize import quantize_for_onnxruntime
from normalis.export.runtimes import INPUT
from normalis.export.scorer import load_export
from normalis.export.write import export_model
from normalis.results import Result

Model = Callable[[str], Path]

COARSE: tuple[tuple[Format, Precision], ...] = (
    ("onnx", "int8"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
)


@pytest.fixture(scope="module")
def coarse(
    model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Format, Precision], Path]:
    folder = tmp_path_factory.mktemp("coarse")

    def export(target: Format, precision: Precision) -> Path:
        out = folder / f"{target}-{precision}"
        if not out.exists():
            # What whole numbers leave of a network that learned nothing would be refused.
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("normalis.export.write._require_calm", lambda *_: None)
                export_model(
                    model("flow"), out, format=target, precision=precision, pictures=[EXAMPLES]
                )
        return out

    return export


@pytest.mark.slow
@pytest.mark.parametrize(("target", "precision"), COARSE)
def test_its_thresholds_are_the_graphs_own_scores_of_the_held_out_pictures(
    target: Format, precision: Precision, model: Model, coarse: Callable[..., Path]
) -> None:
    _, info = read_export(coarse(target, precision))
    assert info.precision == precision
    scorer = load_export(coarse(target, precision), threads=1)
    uses = picture_uses(model("flow"))
    paths = [p for p in sorted(EXAMPLES.rglob("*.*")) if p.suffix in (".jpg", ".png")]
    held_out = [p for p in paths if uses.get(file_digest(p)) == "calibration"]
    answers = [a for a in scorer.score(held_out) if isinstance(a, Result)]
    scores = sorted(a.score for a in answers)
    np.testing.assert_allclose(scorer.calibration.scores, scores, rtol=1e-6)
    ours = load_bundle(model("flow"), device=torch.device("cpu")).calibration
    assert scorer.calibration.far == ours.far
    assert scorer.calibration.scores != ours.scores


@pytest.mark.slow
@pytest.mark.parametrize(("target", "precision"), COARSE)
def test_the_graphs_p_values_follow(
    target: Format, precision: Precision, coarse: Callable[..., Path]
) -> None:
    scorer = load_export(coarse(target, precision), threads=1)
    for answer in scorer.score(new_pictures(8)):
        assert isinstance(answer, Result)
        item = scorer.open(answer.path, strict=True)
        assert not isinstance(item, Exception)
        said = scorer.runtime.run(item.pixels[None])  # pyright: ignore[reportAttributeAccessIssue]
        assert float(said.p_value[0]) == pytest.approx(answer.decision.p_value, abs=1e-3)


@pytest.mark.slow
def test_a_precision_whose_rounding_drowns_the_scores_is_refused(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loud(info: ExportInfo, *_: object, **__: object) -> ExportInfo:
        scores = [score + 100 for score in info.calibration["scores"]]
        return replace(info, calibration={**info.calibration, "scores": scores})

    monkeypatch.setattr("normalis.export.write.recalibrated", loud)
    out = tmp_path / "out"
    with pytest.raises(ExportError, match="lost in the rounding"):
        export_model(model("flow"), out, format="openvino", precision="bf16", pictures=[EXAMPLES])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_whole_numbers_make_the_file_smaller(
    coarse: Callable[..., Path], model: Model, tmp_path: Path
) -> None:
    export_model(model("flow"), tmp_path / "fine")
    fine = (tmp_path / "fine" / "model.onnx").stat().st_size
    assert (coarse("onnx", "int8") / "model.onnx").stat().st_size < 0.9 * fine


@pytest.mark.parametrize(
    ("target", "precision", "words"),
    [
        ("onnx", "bf16", "bf16 is for --format openvino"),
        ("torch", "int8", "int8 is for --format onnx or openvino"),
        ("onnx", "int8", "with --pictures"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_work(
    target: Format, precision: Precision, words: str, tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=words):
        export_model(tmp_path / "none", tmp_path / "out", format=target, precision=precision)
    with pytest.raises(ExportError, match="keeps its scores"):
        export_model(tmp_path / "none", tmp_path / "out", pictures=[EXAMPLES])


def test_a_backbone_without_convolutions_is_refused_for_whole_numbers(tmp_path: Path) -> None:
    value = partial(onnx.helper.make_tensor_value_info, elem_type=onnx.TensorProto.FLOAT)
    pixels, out = (value(name, shape=[1, 3, 8, 8]) for name in (INPUT, "map"))
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", [INPUT], ["map"])], "none", [pixels], [out]
    )
    onnx.save(onnx.helper.make_model(graph), str(tmp_path / "model.onnx"))
    with pytest.raises(ExportError, match="convolutions"):
        quantize_for_onnxruntime(tmp_path / "model.onnx", [], module="pyramid")


@pytest.mark.slow
def test_what_is_no_model_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not a normalis model"):
        export_model(tmp_path / "typo", tmp_path / "out", precision="int8", pictures=[EXAMPLES])


def test_other_pictures_than_the_models_are_refused(model: Model, tmp_path: Path) -> None:
    product = next(path for path in sorted(EXAMPLES.iterdir()) if path.is_dir())
    shutil.copytree(product, tmp_path / "some" / product.name)
    with pytest.raises(ExportError, match="pictures that it was fitted on"):
        made_from(model("flow"), [tmp_path / "some"])


@pytest.mark.slow
def test_a_processor_without_bfloat16_is_told(
    coarse: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Old:
        """A processor as OpenVINO describes it."""

        def get_property(self, *_: str) -> list[str]:
            return ["FP32", "INT8"]

    folder = coarse("openvino", "bf16")
    monkeypatch.setattr(runtimes, "require", lambda _: type("Library", (), {"Core": Old}))
    with pytest.raises((ExportError, BundleError), match="this processor cannot"):
        load_export(folder)
