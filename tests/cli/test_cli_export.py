"""`normalis export`, and `normalis score` with what it wrote: without torch, the same files."""

import csv
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cli_samples import Fitted, draw, run

import normalis
from normalis.bundle.sealed import file_digest
from normalis.errors import ExportError
from normalis.evaluation import read_result
from normalis.export.info import EXPORT, read_export
from normalis.results import Result

# Runs the program where torch and what comes with it cannot be imported.
WITHOUT_TORCH = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "timm", "torchvision", "safetensors", "huggingface_hub"}:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name.split(".")[0])
sys.meta_path.insert(0, Missing())
"""
PROGRAM = """
sys.argv = ["normalis", *sys.argv[1:]]
from normalis.cli.main import main
main()
"""


def without_torch(*arguments: object, program: str = PROGRAM) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH + program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "answers.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def onnx(fitted: Fitted) -> Path:
    out = fitted.model.parent / "onnx"
    lines = run("export", fitted.model, "--format", "onnx", "--out", out)
    assert lines[0].startswith(f"exported: {out} (onnx, ")
    return out


def test_an_exported_model_is_scored_without_torch_to_the_same_files(
    fitted: Fitted, onnx: Path, tmp_path: Path
) -> None:
    pictures = tmp_path / "in"
    draw(pictures / "1.png", kind="disc", seed=1)
    draw(pictures / "2.png", kind="bar", seed=2, defect=True)
    (pictures / "broken.png").write_text("no picture")
    table = pictures / "table.csv"
    table.write_text("path\n2.png\nbroken.png\n1.png\n")
    flags = ["--raw", "npy", "--far", "0.4", "--threads", "1"]
    run("score", fitted.model, table, "--out", tmp_path / "ours", *flags)
    done = without_torch("score", onnx, table, "--out", tmp_path / "theirs", *flags)
    assert done.returncode == 0, done.stderr
    ours, theirs = rows(tmp_path / "ours"), rows(tmp_path / "theirs")
    for one, other in zip(ours, theirs, strict=True):
        for key in ("path", "decision", "concept", "group", "threshold", "overlay", "raw_map"):
            assert one[key] == other[key]
        if one["score"]:
            assert float(other["score"]) == pytest.approx(float(one["score"]), rel=1e-3)
    names = [
        sorted(p.relative_to(out).as_posix() for p in out.rglob("*"))
        for out in (tmp_path / "ours", tmp_path / "theirs")
    ]
    assert names[0] == names[1]


def test_in_python_too_an_exported_model_needs_no_torch(onnx: Path, tmp_path: Path) -> None:
    picture = draw(tmp_path / "1.png", kind="disc", seed=1)
    program = (
        "import normalis\n(answer,) = normalis.load(sys.argv[1]).score([sys.argv[2]])\n"
        "print(answer.score)\n"
    )
    done = without_torch(onnx, picture, program=program)
    assert done.returncode == 0, done.stderr
    (ours,) = normalis.load(onnx).score([picture])
    assert isinstance(ours, Result)
    assert float(done.stdout) == ours.score
    with pytest.raises(ExportError, match="runs on the cpu"):
        normalis.load(onnx, device="cuda")


def test_an_exported_model_says_what_it_is_without_torch(onnx: Path, fitted: Fitted) -> None:
    done = without_torch("info", onnx)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0].startswith(f"exported:     {onnx} (onnx, float32, ")
    assert "pictures:     64 rows, 64 columns, by squash" in lines
    (promise,) = [li for li in run("info", fitted.model) if li.startswith("false alarms: ")]
    assert promise in lines
    assert file_digest(fitted.model / "manifest.json") in lines[-1]


def test_what_needs_torch_names_the_extra(fitted: Fitted, tmp_path: Path) -> None:
    for arguments in (
        ("score", fitted.model, fitted.data, "--out", tmp_path / "out"),
        ("fit", fitted.data, "--out", tmp_path / "model"),
        ("info", fitted.model),
    ):
        done = without_torch(*arguments)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1, done.stderr
        assert "pip install 'normalis[train]'" in done.stderr


def test_a_wrong_path_is_no_reason_to_install_anything(tmp_path: Path) -> None:
    picture = draw(tmp_path / "1.png", kind="disc", seed=1)
    done = without_torch("score", tmp_path / "typo", picture, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "not a normalis model" in done.stderr


def test_an_exported_model_runs_on_the_processor_alone(onnx: Path, tmp_path: Path) -> None:
    picture = draw(tmp_path / "1.png", kind="disc", seed=1)
    lines = run("score", onnx, picture, "--out", tmp_path / "o", "--device", "cuda", fails=2)
    assert "runs on the cpu" in lines[-1]


def test_an_exported_form_is_judged_as_its_model_is(
    fitted: Fitted, onnx: Path, tmp_path: Path
) -> None:
    command = ["evaluate", fitted.model, fitted.data]
    run(*command, "--out", tmp_path / "ours")
    lines = run(*command, "--export", onnx, "--report", tmp_path / "theirs")
    assert "scored by its exported form: onnx, float32" in lines
    assert any(line.startswith("paper protocol: no figures. An exported model") for line in lines)
    ours, theirs = read_result(tmp_path / "ours"), read_result(tmp_path / "theirs")
    assert theirs.model.bytes == sum(path.stat().st_size for path in onnx.iterdir())
    assert theirs.honest.mixed.pixel_auroc == pytest.approx(ours.honest.mixed.pixel_auroc, abs=1e-3)
    assert theirs.paper.mixed.image_auroc is None
    for one, other in zip(ours.pictures, theirs.pictures, strict=True):
        assert other.score == pytest.approx(one.score, rel=1e-3)
        assert other.is_anomaly == one.is_anomaly
        assert other.paper_score is None
    page = (tmp_path / "theirs" / "index.html").read_text()
    assert "its exported form: onnx, float32" in page


def test_an_exported_form_is_judged_with_its_own_model_alone(
    fitted: Fitted, onnx: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(onnx, tmp_path / "other")
    folder, info = read_export(other)
    (folder / EXPORT.file).write_text(replace(info, source="0" * 64).to_text())
    lines = run("evaluate", fitted.model, fitted.data, "--export", other, fails=2)
    assert "was not exported from" in lines[-1]
    lines = run("evaluate", onnx, fitted.data, fails=2)
    assert "evaluate MODEL DATA --export" in lines[-1]
    on_gpu = ["--export", onnx, "--device", "cuda"]
    assert "cpu" in run("evaluate", fitted.model, fitted.data, *on_gpu, fails=2)[-1]
