"""Speed, memory and agreement of the pixel metrics, beside a direct form and two libraries.

    python benchmarks/metrics.py DATA [--peer PYTHON]

DATA is a folder in the MVTec layout: the masks of 300 of its test pictures, drawn with a seed, are
real. The maps are made: two scales of smooth noise, and the blurred mask times a strength drawn
for each picture, through a logistic curve; 256 × 256, float32. PYTHON is the interpreter of an
environment that benchmarks/peers/README.md describes; without it the libraries are left out.

Every measurement runs on one thread in a process of its own, twice; the quicker counts. Seconds are
processor time, so that other work on the machine does not count. All pixel metrics are computed:
AUROC, AP, best F1 and IoU, AUPRO to 0.3 and to 0.05; of the libraries, AUPRO to 0.3 and AUROC.
The direct form is what published code does, 200 thresholds one by one.
The result is benchmarks/results/metrics.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage

from normalis.metrics import BINS, ScoreCounts, region_weights

RESULTS = Path(__file__).parent / "results"
PEERS = Path(__file__).parent / "peers" / "metrics.py"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SIDE, MAPS, MANY = 256, 300, 1725

Arrays = np.ndarray[Any, np.dtype[Any]]


def main() -> None:
    """Measure everything, or, for the processes that this one starts, one method."""
    parser = argparse.ArgumentParser(description="Pixel metrics: speed, memory, agreement.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--peer", type=Path, help="Python of the environment with the libraries")
    parser.add_argument("--method", choices=METHODS, help="measure one, on arrays made before")
    options = parser.parse_args()
    if options.method:
        print(json.dumps(METHODS[options.method](*load_arrays(options.data))))
        return
    with tempfile.TemporaryDirectory() as folder:
        save_arrays(options.data, Path(folder))
        own = [sys.executable, __file__, folder, "--method"]
        methods = {name: best_of_two([*own, name]) for name in METHODS}
        if options.peer:
            methods["libraries"] = best_of_two([str(options.peer), str(PEERS), folder])
    report(options.data, methods)


def report(data: Path, methods: dict[str, dict[str, Any]]) -> None:
    """Write and show the numbers."""
    from normalis.evaluation import machine

    seconds = {name: method["seconds"] for name, method in methods.items() if "seconds" in method}
    exact, streaming = methods["exact"]["figures"], methods["streaming"]["figures"]
    result = {
        "data": data.name,
        "maps": MAPS,
        "side": SIDE,
        "bins": BINS,
        "machine": machine(),
        "methods": methods,
        "streaming_is_quicker_than": {
            name: round(seconds[name] / seconds["streaming"], 1)
            for name in seconds
            if name != "streaming"
        },
        "streaming_differs_from_exact": {
            name: abs(streaming[name] - exact[name]) for name in streaming
        },
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (RESULTS / "metrics.json").write_text(text, encoding="utf-8")
    print(text)


def best_of_two(command: list[str]) -> dict[str, Any]:
    """Run a method twice on one thread; what the quicker run printed."""
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    runs = [
        subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        for _ in range(2)
    ]
    found = [json.loads(run.stdout.splitlines()[-1]) for run in runs]
    return min(found, key=lambda one: one.get("seconds", 0.0))


# --- the arrays ---


def save_arrays(data: Path, folder: Path) -> None:
    """Real masks, and maps made for them."""
    generator = np.random.default_rng(0)
    pictures = sorted(path for path in data.glob("*/test/*/*") if path.is_file())
    found = [(path, mask_of(path)) for path in pictures]
    usable = [m for path, m in found if m is not None or path.parent.name == "good"]
    chosen = generator.choice(len(usable), MAPS, replace=False)
    masks = np.stack([read_mask(usable[k]) for k in sorted(chosen)])
    np.save(folder / "masks.npy", masks)
    np.save(folder / "maps.npy", np.stack([made_map(mask, generator) for mask in masks]))


def mask_of(picture: Path) -> Path | None:
    """The mask file of a test picture."""
    folder = picture.parent.parent.parent / "ground_truth" / picture.parent.name
    return next(iter(sorted(folder.glob(f"{picture.stem}*"))), None)


def read_mask(path: Path | None) -> Arrays:
    """At the size of the maps; nothing marked where there is no file."""
    if path is None:
        return np.zeros((SIDE, SIDE), dtype=bool)
    with Image.open(path) as image:
        return np.array(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)) > 127


def made_map(mask: Arrays, generator: np.random.Generator) -> Arrays:
    """Smooth, and higher where the mask is, more or less so."""
    fine, coarse = (
        ndimage.gaussian_filter(generator.normal(size=mask.shape), sigma) * sigma
        for sigma in (3.0, 12.0)
    )
    hot = ndimage.gaussian_filter(mask.astype(np.float64), 5.0) * generator.uniform(0.0, 8.0)
    return (1.0 / (1.0 + np.exp(4.0 - fine - 2.0 * coarse - hot))).astype(np.float32)


def load_arrays(folder: Path) -> tuple[Arrays, Arrays]:
    """Maps and masks, in memory."""
    return np.load(folder / "maps.npy"), np.load(folder / "masks.npy")


# --- the methods ---


def counted(maps: Arrays, masks: Arrays, *, bins: int | None) -> dict[str, Any]:
    """Our metrics."""
    start = time.process_time()
    counts = ScoreCounts(bins=bins)
    for values, mask in zip(maps, masks, strict=True):
        counts.add(values, mask, weights=region_weights(mask))
    figures = our_figures(counts)
    seconds = time.process_time() - start
    spans = {limit: counts.area_range(limit=limit, weighted=True) for limit in (0.3, 0.05)}
    bounds = {f"aupro_{limit}": span and span.width for limit, span in spans.items()}
    auroc = counts.area_range()
    bounds["auroc"] = auroc and auroc.width
    return {"seconds": seconds, "figures": figures, "error_is_less_than": bounds}


def our_figures(counts: ScoreCounts) -> dict[str, float | None]:
    """All pixel metrics."""
    curve, regions = counts.curve(), counts.curve(weighted=True)
    best = curve.f1_max()
    return {
        "auroc": curve.area(),
        "ap": curve.average_precision(),
        "f1_max": best and best.value,
        "iou_max": curve.iou_max(),
        "aupro_0.3": regions.area(limit=0.3),
        "aupro_0.05": regions.area(limit=0.05),
    }


def streaming(maps: Arrays, masks: Arrays) -> dict[str, Any]:
    """In a fixed number of bins."""
    return counted(maps, masks, bins=BINS)


def exact(maps: Arrays, masks: Arrays) -> dict[str, Any]:
    """Keeping every pixel."""
    return counted(maps, masks, bins=None)


def direct(maps: Arrays, masks: Arrays) -> dict[str, Any]:
    """As the published code does: at each of 200 thresholds, each picture and its regions anew."""
    start = time.process_time()
    thresholds = np.linspace(maps.max(), maps.min(), 200)
    rows = [counts_at(threshold, maps, masks) for threshold in thresholds]
    return {"figures": direct_figures(rows), "seconds": time.process_time() - start}


def counts_at(threshold: float, maps: Arrays, masks: Arrays) -> tuple[float, float, float]:
    """False alarms, hits, and the mean overlap over all regions."""
    false, true = 0.0, 0.0
    overlaps: list[float] = []
    for values, mask in zip(maps, masks, strict=True):
        called = values >= threshold
        false += np.logical_and(called, ~mask).sum()
        true += np.logical_and(called, mask).sum()
        overlaps += [called[region].mean() for region in regions_of(mask)]
    return float(false), float(true), float(np.mean(overlaps))


def direct_regions_once(maps: Arrays, masks: Arrays) -> dict[str, Any]:
    """The same, made as quick as it goes: regions found once, all pictures compared at a time."""
    start = time.process_time()
    regions = [(k, region) for k, mask in enumerate(masks) for region in regions_of(mask)]
    rows: list[tuple[float, float, float]] = []
    for threshold in np.linspace(maps.max(), maps.min(), 200):
        called = maps >= threshold
        false, true = np.logical_and(called, ~masks).sum(), np.logical_and(called, masks).sum()
        overlap = np.mean([called[k][region].mean() for k, region in regions])
        rows.append((float(false), float(true), float(overlap)))
    return {"figures": direct_figures(rows), "seconds": time.process_time() - start}


def regions_of(mask: Arrays) -> list[tuple[Arrays, ...]]:
    """The pixels of each connected region, through 8 neighbours."""
    labels = np.zeros(mask.shape, dtype=np.int32)
    ndimage.label(mask, structure=np.ones((3, 3)), output=labels)
    return [np.nonzero(labels == number) for number in range(1, int(labels.max()) + 1)]


def direct_figures(rows: list[tuple[float, float, float]]) -> dict[str, float]:
    """All pixel metrics, from what lies above each threshold."""
    false, true, overlap = np.array(rows).T
    rate, recall, precision = false / false[-1], true / true[-1], true / (true + false)
    f1 = 2 * true / (true + false + true[-1])
    return {
        "auroc": float(np.trapezoid(recall, rate)),
        "ap": float(np.diff(recall, prepend=0.0) @ precision),
        "f1_max": float(f1.max()),
        "iou_max": float((f1 / (2 - f1)).max()),
        **{f"aupro_{limit}": cut_area(rate, overlap, limit) for limit in (0.3, 0.05)},
    }


def cut_area(x: Arrays, y: Arrays, limit: float) -> float:
    """Mean height up to the limit."""
    inside = x <= limit
    ends = np.append(y[inside], np.interp(limit, x, y))
    return float(np.trapezoid(ends, np.append(x[inside], limit)) / limit)


def memory(maps: Arrays, masks: Arrays) -> dict[str, Any]:
    """The highest resident memory over 1,725 maps, and how far that is above where it began."""
    before = resident("VmRSS")
    counts = ScoreCounts(bins=BINS)
    for k in range(MANY):
        values, mask = (np.roll(array[k % MAPS], 7 * k, axis=1) for array in (maps, masks))
        counts.add(values * np.float32(1 - 1e-5 * k), mask, weights=region_weights(mask))
    our_figures(counts)
    highest = resident("VmHWM")
    return {"maps": MANY, "rise_mb": highest - before, "process_mb": highest}


def resident(name: str) -> float:
    """A line of Linux's account of this process, MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


METHODS: dict[str, Callable[[Arrays, Arrays], dict[str, Any]]] = {
    "streaming": streaming,
    "exact": exact,
    "direct": direct,
    "direct_regions_once": direct_regions_once,
    "memory": memory,
}


if __name__ == "__main__":
    main()
