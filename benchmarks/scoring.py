"""How busy scoring a folder keeps the machine: pictures a second, and the share of all cores used.

    python benchmarks/scoring.py MODEL

Makes 2,000 JPEGs from the pictures in examples/ (random crops, scaled back and encoded anew), and
scores them by the command with MODEL, as `normalis demo` fits it, with the threads that are the
default; then a part of them so, and in one thread but for what the network does itself. The share
is the processor time of the whole command, from its start to its end, over wall time and cores; the
answers must be the same to the byte. What else runs on the machine is said beside, as the share of
all cores that stood idle. Then reading alone, of these pictures and of large ones, in threads and
in processes: why threads. Needs a quiet machine, and leaves the number of network threads to torch.
Writes benchmarks/results/scoring.json.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from PIL import Image

from normalis.ahead import usable_cores
from normalis.evaluation.machine import machine
from normalis.images.decode import Picture, read_picture
from normalis.images.prepare import Preparation, Prepared, prepare
from normalis.images.write import write_text

RESULTS = Path(__file__).parent / "results"
EXAMPLES = Path(__file__).parents[1] / "examples" / "pictures"
LARGE = (4000, 3000)
FEW = 300


def main() -> None:
    """Make pictures, score them twice, read them in threads and in processes."""
    parser = argparse.ArgumentParser(description="Pictures a second, and cores in use.")
    parser.add_argument("model", type=Path)
    parser.add_argument("--pictures", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = make_pictures(folder / "all", options.pictures)
        few = make_pictures(folder / "few", min(FEW, options.pictures))
        large = make_pictures(folder / "large", 16, size=LARGE)
        kinds: dict[str, tuple[list[Path], list[str]]] = {
            "default": (small, []),
            "default, few pictures": (few, []),
            "none, few pictures": (few, ["--workers", "0"]),
        }
        runs = {
            name: _score(options.model, paths[0].parent, out=folder / name, words=words)
            for name, (paths, words) in kinds.items()
        }
        tables = {(folder / name / "answers.csv").read_bytes() for name in list(runs)[1:]}
        result = {
            "machine": machine(),
            "pictures": options.pictures,
            "size": Image.open(small[0]).size,
            "workers": runs,
            "same_answers": len(tables) == 1,
            "reading": {"small": _reading(small[:300]), "12 megapixels": _reading(large)},
        }
    text = json.dumps(result, indent=1) + "\n"
    write_text(RESULTS / "scoring.json", text)
    print(text)


def make_pictures(folder: Path, count: int, *, size: tuple[int, int] | None = None) -> list[Path]:
    """JPEGs that are all different, from those in examples/; of this size, or of their own."""
    sources = sorted(EXAMPLES.rglob("*.jpg"))
    folder.mkdir()
    paths: list[Path] = []
    for i in range(count):
        chance = random.Random(i)  # noqa: S311 (no secret)
        with Image.open(sources[i % len(sources)]) as image:
            width, height = image.size
            left, top = (chance.randrange(0, side // 20) for side in image.size)
            box = (left, top, width - left, height - top)
            shown = image.convert("RGB").resize(size or image.size, Image.Resampling.BICUBIC, box)
        paths.append(folder / f"{i:05}.jpg")
        shown.save(paths[-1], quality=chance.randrange(80, 96))
    return paths


def _score(model: Path, pictures: Path, *, out: Path, words: Sequence[str]) -> dict[str, float]:
    """One run of the command."""
    command = [sys.executable, "-m", "normalis.cli.main", "score", str(model), str(pictures)]
    command += ["--out", str(out), *words]
    used = _used(partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL))
    count = sum(1 for _ in (out / "answers.jsonl").open(encoding="utf-8"))
    return {"pictures_a_second": count / used["seconds"], **used}


def _reading(paths: list[Path]) -> dict[str, Any]:
    """Decoding and preparing, of which the model gets the pixels and the report the picture."""
    workers = usable_cores()
    spawn = get_context("spawn")
    pools: dict[str, Callable[[], Executor]] = {
        "threads": partial(ThreadPoolExecutor, workers),
        "processes": partial(ProcessPoolExecutor, workers, mp_context=spawn),
    }
    found = {name: _used(partial(_read_in, make, paths)) for name, make in pools.items()}
    found["caller"] = _used(lambda: [_read(path) for path in paths])
    return {
        name: {"milliseconds_a_picture": 1e3 * used["seconds"] / len(paths), **used}
        for name, used in found.items()
    }


def _read_in(make: Callable[[], Executor], paths: list[Path]) -> None:
    """Read every picture in a pool that is made for it."""
    with make() as pool:
        for _ in pool.map(_read, paths):
            pass


def _read(path: Path) -> tuple[Picture, Prepared]:
    picture = read_picture(path)
    return picture, prepare(picture, Preparation())


def _used(work: Callable[[], object]) -> dict[str, float]:
    """Wall time, processor time of this process and of those that it started, and shares."""
    start, before, ticks = time.perf_counter(), _processor_seconds(), _ticks()
    work()
    seconds, spent = time.perf_counter() - start, _processor_seconds() - before
    idle, total = (now - then for now, then in zip(_ticks(), ticks, strict=True))
    return {
        "seconds": seconds,
        "processor_seconds": spent,
        "share_of_cores": spent / (seconds * usable_cores()),
        "idle_share_of_machine": idle / max(1, total),
    }


def _ticks() -> tuple[int, int]:
    """How long all cores together have been idle, and all in all; 0 where no Linux says it."""
    try:
        words = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0, 0
    ticks = [int(word) for word in words]
    return ticks[3] + ticks[4], sum(ticks)


def _processor_seconds() -> float:
    """User and system time, of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    main()
