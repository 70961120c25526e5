"""How fast the report of many pictures opens, in headless Chromium.

    python benchmarks/report.py PICTURES [--count 5000]

Fills a made result of 15 classes with thumbnails of the pictures below PICTURES, in turn (the
scores are random), writes its report, opens it from the disk in a new browser each time, and
writes to benchmarks/results/report.json, each in seconds: until the page is parsed and the
gallery's first cards stand (`parsed`), until everything in sight is loaded (`loaded`), from the
jump to the gallery until every picture in sight is there (`shown`), and from choosing one class
until the gallery has its cards (`filtered`). Medians are over all repeats.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from normalis.calibration import Calibration
from normalis.evaluation.figures import Evaluation, Figures
from normalis.evaluation.machine import machine
from normalis.evaluation.protocol import HONEST, PAPER
from normalis.evaluation.result import CategoryCurves, Judged, ModelCard, Result, Stage, Trace
from normalis.report.site import write_report

RESULTS = Path(__file__).parent / "results"
CLASSES = tuple(f"class {number:02}" for number in range(15))
DIFFERENT = 100  # so many pictures are drawn, the others are copies of their files

FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--window-size=1280,1000"),
)

OPENED = """
const done = arguments[0];
const look = () => {
  const timing = performance.getEntriesByType('navigation')[0];
  if (timing.loadEventEnd) done([timing.domContentLoadedEventEnd, timing.loadEventEnd]);
  else setTimeout(look, 20);
};
look();
"""
SHOWN = """
const done = arguments[0], before = performance.now();
const inSight = (image) => image.getBoundingClientRect().top < innerHeight;
const look = () => {
  const images = [...document.querySelectorAll('#cards img')].filter(inSight);
  if (images.every((image) => image.complete)) done(performance.now() - before);
  else setTimeout(look, 5);
};
location.hash = '#pictures';
requestAnimationFrame(() => requestAnimationFrame(look));
"""
FILTERED = """
const before = performance.now(), chosen = document.getElementById('class');
chosen.value = '3';
chosen.dispatchEvent(new Event('change'));
document.getElementById('cards').getBoundingClientRect();
return performance.now() - before;
"""


def main() -> None:
    """Write a report and open it several times."""
    parser = argparse.ArgumentParser(description="How fast a large report opens.")
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "result"
        result = made_result(draw(options.pictures, source, options.count))
        start = time.perf_counter()
        page = write_report(result, source=source, out=Path(folder) / "report")
        written = time.perf_counter() - start
        runs = [opened(page) for _ in range(options.repeats)]
        size = sum(file.stat().st_size for file in page.parent.iterdir() if file.is_file())
    tree: dict[str, Any] = {
        "pictures": options.count,
        "classes": len(CLASSES),
        "page_megabytes": round(size / 1e6, 2),
        "write_seconds": round(written, 2),
        "median": {name: statistics.median(run[name] for run in runs) for name in runs[0]},
        "runs": runs,
        "machine": machine(),
    }
    text = json.dumps(tree, indent=1) + "\n"
    (RESULTS / "report.json").write_text(text, encoding="utf-8")
    print(text)


def opened(page: Path) -> dict[str, float]:
    """Seconds of one new browser."""
    driver_file, browser_file = shutil.which("chromedriver"), shutil.which("chromium")
    if not driver_file or not browser_file:
        raise SystemExit("This needs chromium and chromedriver (Debian: chromium-driver).")
    options = webdriver.ChromeOptions()
    options.binary_location = browser_file
    for flag in FLAGS:
        options.add_argument(flag)
    with webdriver.Chrome(options=options, service=Service(driver_file)) as browser:
        browser.get(page.as_uri())
        parsed, loaded = browser.execute_async_script(OPENED)
        shown = browser.execute_async_script(SHOWN)
        filtered = browser.execute_script(FILTERED)
    seconds = {"parsed": parsed, "loaded": loaded, "shown": shown, "filtered": filtered}
    return {name: round(float(value) / 1000, 3) for name, value in seconds.items()}


def draw(pictures: Path, folder: Path, count: int) -> list[Judged]:
    """Made answers, each with two thumbnails of 384 pixels in the folder."""
    files = sorted(p for p in pictures.rglob("*") if p.suffix.lower() in (".jpg", ".png"))
    thumbnails = [thumbnail(file) for file in files[:: max(1, len(files) // DIFFERENT)]]
    generator = np.random.default_rng(0)
    calibration = Calibration(0.01, tuple(sorted(generator.gamma(4.0, size=300).tolist())))
    (folder / "pictures").mkdir(parents=True)
    found: list[Judged] = []
    for number, image in enumerate(islice(cycle(thumbnails), count)):
        names = [f"pictures/{number:05}-{kind}.webp" for kind in ("picture", "heat")]
        for name in names:
            if number < len(thumbnails):
                image.save(folder / name, quality=70)
            else:
                first = name.replace(f"{number:05}", f"{number % len(thumbnails):05}")
                shutil.copyfile(folder / first, folder / name)
        found.append(made_answer(number, names, image.size, calibration, generator))
    return found


def thumbnail(file: Path) -> Image.Image:
    """At most 384 pixels."""
    image = Image.open(file).convert("RGB")
    image.thumbnail((384, 384))
    return image


def made_answer(
    number: int,
    names: list[str],
    shown: tuple[int, int],
    calibration: Calibration,
    generator: np.random.Generator,
) -> Judged:
    """The pictures of a class follow each other 15 apart; every third is a defect."""
    category, is_defect = CLASSES[number % len(CLASSES)], number // len(CLASSES) % 3 == 0
    score = float(generator.gamma(4.0) + (generator.gamma(5.0, 2.0) if is_defect else 0.0))
    decision = calibration.decide(score)
    defect = "scratch" if is_defect else "good"
    return Judged(
        name=f"{category}/test/{defect}/{number:05}.png",
        category=category,
        defect=defect,
        is_defect=is_defect,
        score=score,
        paper_score=None,
        p_value=decision.p_value,
        is_anomaly=decision.is_anomaly,
        threshold=decision.threshold,
        far_promised=decision.far_promised,
        concept=number % 32,
        size=(1024, 1024),
        has_mask=is_defect,
        picture=names[0],
        heat=names[1],
        shown=shown,
    )


def made_result(pictures: list[Judged]) -> Result:
    """Figures and curves are made up: they cost the browser what true ones would."""
    share = len(pictures) // len(CLASSES)
    figures = Figures(share, share // 3, *[0.9] * 9)
    rows = tuple((name, figures) for name in CLASSES)
    steps = np.linspace(0.0, 1.0, 200)
    trace = Trace(tuple(steps.tolist()), tuple((steps**0.2).tolist()))
    model = ModelCard(
        *("0.1.0", "vqflow", "made", 0, (320, 320), 20_000_000, "0" * 64, 3000, 300, 300),
        *(tuple([100] * 32), 0.01, "with 300 held-out pictures", {}),
    )
    return Result(
        data=f"{len(pictures)} pictures",
        model=model,
        honest=Evaluation(rows, figures, figures, HONEST.sentence),
        paper=Evaluation(rows, figures, figures, PAPER.sentence),
        pictures=tuple(pictures),
        curves=tuple(CategoryCurves(name, *[trace] * 5) for name in (*CLASSES, "")),
        skipped=(),
        seen=(),
        stages=(Stage("scoring", 100.0),),
        machine=machine(),
    )


if __name__ == "__main__":
    main()
