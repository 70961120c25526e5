"""Peak memory of `fit` and of `score`, each in a process of its own.

    python benchmarks/memory.py DATA

Fits the default preset on the good training pictures of DATA, then scores every picture under it,
and writes how many there were, how long it took and the highest resident memory to
benchmarks/results/memory.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure both commands."""
    parser = argparse.ArgumentParser(description="Peak memory of fit and score.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    extra = [word for assignment in options.set for word in ("--set", assignment)]
    with tempfile.TemporaryDirectory() as folder:
        model, cache, out = (Path(folder) / name for name in ("model", "cache", "out"))
        fit = _measure(
            ["fit", str(options.data), "--out", str(model), "--cache", str(cache), *extra]
        )
        score = _measure(["score", str(model), str(options.data), "--out", str(out)])
        scored = sum(1 for _ in (out / "answers.jsonl").open(encoding="utf-8"))
        trained = json.loads((model / "manifest.json").read_text(encoding="utf-8"))["pictures"]
    result = {
        "data": options.data.name,
        "settings": options.set,
        "fit": {**fit, "pictures": trained},
        "score": {**score, "pictures": scored},
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (RESULTS / "memory.json").write_text(text, encoding="utf-8")
    print(text)


def _measure(arguments: list[str]) -> dict[str, Any]:
    """Run one command."""
    start = time.perf_counter()
    code = (
        "import resource, sys; from normalis.cli.main import main; sys.argv = ['normalis', "
        "*sys.argv[1:]]\n"
        "try: main()\n"
        "finally: print('PEAK', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    )
    peak = next(line for line in run.stdout.splitlines() if line.startswith("PEAK"))
    return {"seconds": time.perf_counter() - start, "peak_mb": int(peak.split()[1]) / 1024}


if __name__ == "__main__":
    main()
