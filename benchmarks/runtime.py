"""An exported model in a fresh virtual environment without torch.

    python benchmarks/runtime.py MODEL PICTURES

Exports MODEL to ONNX, installs `normalis[runtime]` from this source into an environment of its own,
makes sure that torch is not in it, scores PICTURES there by the command, and compares every answer
with those of the model itself. Writes benchmarks/results/runtime.json.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from normalis.images.write import write_text

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Install, score, compare."""
    parser = argparse.ArgumentParser(description="Scoring without torch.")
    parser.add_argument("model", type=Path)
    parser.add_argument("pictures", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = folder / "venv"
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        constraints = ("-c", str(ROOT / "constraints.txt"))
        _run(python, "-m", "pip", "install", "--quiet", *constraints, f"{ROOT}[runtime]")
        installed = _run(python, "-m", "pip", "list", "--format", "json")
        packages = {package["name"].lower() for package in json.loads(installed)}
        assert not packages & {"torch", "timm", "torchvision"}, packages
        line, ours, theirs = folder / "line", folder / "ours", folder / "theirs"
        here = (Path(sys.executable), "-m", "normalis.cli.main")
        _run(*here, "export", str(options.model), "--out", str(line))
        flags = ("--no-overlays",)
        _run(*here, "score", str(options.model), str(options.pictures), "--out", str(ours), *flags)
        start = time.perf_counter()
        command = environment / "bin" / "normalis"
        _run(command, "score", str(line), str(options.pictures), "--out", str(theirs), *flags)
        seconds = time.perf_counter() - start
        result = {
            "packages": sorted(packages),
            "environment_megabytes": _megabytes(environment),
            "graph_megabytes": _megabytes(line),
            "seconds": seconds,
            **_compared(_answers(ours), _answers(theirs)),
        }
    text = json.dumps(result, indent=1) + "\n"
    write_text(RESULTS / "runtime.json", text)
    print(text)


def _compared(ours: list[dict[str, str]], theirs: list[dict[str, str]]) -> dict[str, float]:
    """How far apart the answers are."""
    pairs = list(zip(ours, theirs, strict=True))
    scores = [(float(a["score"]), float(b["score"])) for a, b in pairs if a["score"]]
    return {
        "pictures": len(pairs),
        "other_decisions": sum(a["decision"] != b["decision"] for a, b in pairs),
        "other_concepts": sum(a["concept"] != b["concept"] for a, b in pairs),
        "largest_relative_difference_of_scores": max(abs(a - b) / abs(a) for a, b in scores),
    }


def _answers(out: Path) -> list[dict[str, str]]:
    with (out / "answers.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _run(*command: str | Path) -> str:
    """What a command says; it must succeed."""
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
