"""The tables of a benchmark, against figures worked out by hand; and its files."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from normalis.errors import ResultError
from normalis.evaluation import HONEST, PAPER, Evaluation, Figures
from normalis.evaluation.result import Stage
from normalis.report import benchmark as benchmark_module
from normalis.report.benchmark import benchmark_markdown, require_benchmark, write_benchmark
from normalis.report.benchmark_tables import run_table, sections
from normalis.suites import (
    Benchmark,
    FitRecord,
    NotRun,
    Outcome,
    Run,
    RunRecord,
    Suite,
    SuiteData,
    Variant,
)
from normalis.suites.published import CAUTION

DATA = SuiteData(name="five", path="five", published=("MVTec AD", "MVTec 3D-AD"))
OTHER = SuiteData(name="tiles", path="tiles")


def figures(image: float | None, pixel: float | None = 0.9, aupro: float | None = 0.8) -> Figures:
    return Figures(12, 7, image, 0.5, 0.5, pixel, 0.5, aupro)


def evaluation(*rows: tuple[str, Figures], sentence: str = HONEST.sentence) -> Evaluation:
    return Evaluation(rows, figures(0.75), figures(0.6), f"{sentence}; at most 256 pixels")


def outcome(run: Run, *rows: tuple[str, Figures], continued: bool = False) -> Outcome:
    fit = FitRecord(
        seconds=100.0 + run.seed,
        stages=(Stage("training", 60.0),),
        epochs=3,
        validation=-1.5,
        purity=None,
        concept_pictures=(4, 5),
        skipped=0,
    )
    record = RunRecord(
        schema=1,
        key=f"{run.seed}" * 64,
        fit=fit,
        evaluation_seconds=20.0,
        peak_memory=1_500_000_000 + run.seed,
        continued=continued,
    )
    return Outcome(
        run=run,
        folder=f"runs/{run.variant.title}-{run.seed}/result",
        record=record,
        honest=evaluation(*rows),
        paper=evaluation(*rows, sentence=PAPER.sentence),
        stages=(Stage("scoring", 10.0),),
        skipped=(),
        machine={"processor": "abacus", "threads": "1", "memory": ""},
        recipe={"training": {"seed": run.seed}},
    )


def made(*titles: str, protocol: tuple[str, ...] = ("honest", "paper")) -> Benchmark:
    """Three seeds of each variant on five, and one picture set that is absent."""
    suite = Suite(
        name="made",
        question="Which?",
        data=(DATA, OTHER),
        variants=tuple(Variant(title=title) for title in titles),
        seeds=(0, 1, 2),
        protocol=protocol,  # pyright: ignore[reportArgumentType] (a test's own words)
    )
    outcomes = [
        outcome(run, ("bottle", figures(0.9 + run.seed / 100)), ("tire", figures(0.5, None, None)))
        for run in suite.runs
        if run.data == DATA
    ]
    absent = [
        NotRun(run=run, reason="tiles is not there.", is_failure=False)
        for run in suite.runs
        if run.data == OTHER
    ]
    return Benchmark(
        suite=suite, outcomes=tuple(outcomes), not_run=tuple(absent), machine={"processor": "new"}
    )


# --- tables ---


def test_a_class_has_mean_and_deviation_over_seeds_and_the_published_figures_beside() -> None:
    _, classes = sections(made("plain"))
    assert classes.heading == "five: classes"
    assert classes.table.columns == (
        *("class", "pictures", "plain, honest", "plain, paper"),
        *("VQ-Flow, published", "HGAD, published"),
    )
    bottle, tire, mean, mixed = classes.table.rows
    # 0.90, 0.91 and 0.92 have the mean 0.91 and the sample deviation 0.01.
    cell = "91.0 ± 1.0 / 90.0 ± 0.0 / 80.0 ± 0.0"
    counts = "5 good, 7 with defects"
    assert bottle == ("bottle", counts, cell, cell, "100.0 / 98.4", "100.0 / 98.6")
    assert tire[2] == "50.0 ± 0.0 / n/a / n/a"
    assert tire[4:] == ("–", "87.6 / 98.6"), "tire is a class of MVTec 3D-AD, where HGAD alone is"
    # HGAD knows both classes: (100 + 87.6) / 2 and (98.6 + 98.6) / 2. VQ-Flow does not.
    assert mean[2:] == ("75.0 ± 0.0 / 90.0 ± 0.0 / 80.0 ± 0.0",) * 2 + ("–", "93.8 / 98.6")
    assert (mixed[0], mixed[2][:4], mixed[4:]) == ("all mixed", "60.0", ("–", "–"))


def test_a_class_apart_is_left_out_of_a_second_mean() -> None:
    benchmark = made("plain")
    data = replace(DATA, apart=("tire",))
    outcomes = tuple(replace(o, run=replace(o.run, data=data)) for o in benchmark.outcomes)
    suite = replace(benchmark.suite, data=(data,))
    _, classes = sections(replace(benchmark, suite=suite, outcomes=outcomes))
    bottle, tire, mean, rest, mixed = classes.table.rows
    assert [row[0] for row in (tire, mean, rest)] == ["tire", "mean", "mean without tire"]
    assert rest[1:] == bottle[1:], "bottle alone is left"
    assert mixed[0] == "all mixed"


def test_every_table_of_figures_says_its_protocols() -> None:
    for section in sections(made("plain")):
        notes = " ".join(section.table.notes)
        assert f"{HONEST.sentence}; at most 256 pixels." in notes
        assert f"{PAPER.sentence}; at most 256 pixels." in notes
        assert "mean ± standard deviation over the seeds 0, 1, 2" in notes
    for section in sections(made("plain", protocol=("honest",))):
        assert PAPER.sentence not in " ".join(section.table.notes)


def test_what_only_some_runs_say_is_left_to_their_reports() -> None:
    benchmark = made("plain", protocol=("honest",))
    outcomes = tuple(
        replace(
            o, honest=replace(o.honest, protocol=f"{HONEST.sentence}; {o.run.seed} vanished; end")
        )
        for o in benchmark.outcomes
    )
    for section in sections(replace(benchmark, outcomes=outcomes)):
        assert f"{HONEST.sentence}; end." in section.table.notes


def test_published_figures_never_stand_without_the_caution() -> None:
    benchmark = made("plain")
    _, classes = sections(benchmark)
    assert any(note.lower() == f"{CAUTION}.".lower() for note in classes.table.notes)
    assert any("UniAD 96.5 / 96.8" in note for note in classes.table.notes)
    data = replace(DATA, published=())
    outcomes = tuple(replace(o, run=replace(o.run, data=data)) for o in benchmark.outcomes)
    suite = replace(benchmark.suite, data=(data,))
    _, plain = sections(replace(benchmark, suite=suite, outcomes=outcomes))
    assert plain.table.columns == ("class", "pictures", "plain, honest", "plain, paper")
    assert not any("ublished figures" in note for note in plain.table.notes)


def test_the_variants_stand_below_each_other_with_time_and_memory() -> None:
    variants, *_ = sections(made("plain", "other"))
    assert variants.heading == "five: variants"
    assert [row[:2] for row in variants.table.rows] == [
        ("plain", "honest"),
        ("plain", "paper"),
        ("other", "honest"),
        ("other", "paper"),
    ]
    three = ("75.0 ± 0.0", "90.0 ± 0.0", "80.0 ± 0.0")
    assert variants.table.rows[0][2:] == (*three, "60.0 ± 0.0", "101", "20", "1500")


def test_many_variants_are_spread_over_several_tables() -> None:
    titles = ("a", "b", "c", "d", "e")
    found = sections(made(*titles))
    assert [section.heading.split(": ")[1] for section in found] == ["variants", *["classes"] * 3]
    shown = [column for section in found[1:] for column in section.table.columns[2:-2]]
    assert shown == [f"{title}, {score}" for title in titles for score in ("honest", "paper")]


def test_one_class_needs_no_mean_and_one_seed_no_deviation() -> None:
    run = Run(OTHER, Variant(title="plain"), 4)
    suite = Suite(name="s", question="?", data=(OTHER,), variants=(run.variant,), seeds=(4,))
    done = (outcome(run, ("tile", figures(0.5))),)
    variants, classes = sections(Benchmark(suite=suite, outcomes=done, not_run=(), machine={}))
    assert [row[0] for row in classes.table.rows] == ["tile"]
    assert classes.table.rows[0][2] == "50.0 / 90.0 / 80.0"
    assert "of one seed (4)" in variants.table.notes[0]


def test_a_continued_run_is_marked() -> None:
    benchmark = made("plain")
    first = replace(benchmark.outcomes[0].record, continued=True)
    outcomes = (replace(benchmark.outcomes[0], record=first), *benchmark.outcomes[1:])
    keys = [row[1] for row in run_table(replace(benchmark, outcomes=outcomes)).rows]
    assert keys == ["0" * 16 + " (continued)", "1" * 16, "2" * 16]


# --- files ---


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where reports were written."""
    folders: list[Path] = []

    def read(folder: Path) -> Path:
        return folder

    def write(result: Path, *, source: Path, out: Path) -> Path:
        assert result == source == out
        out.mkdir(parents=True)
        (out / "index.html").touch()
        folders.append(out)
        return out / "index.html"

    monkeypatch.setattr(benchmark_module, "read_result", read)
    monkeypatch.setattr(benchmark_module, "write_report", write)
    return folders


def test_the_json_has_all_there_is(tmp_path: Path, reported: list[Path]) -> None:
    write_benchmark(made("plain"), tmp_path)
    tree = json.loads((tmp_path / "benchmark.json").read_text())
    assert (tree["kind"], tree["schema"], tree["suite"]["name"]) == (
        "normalis-benchmark",
        1,
        "made",
    )
    assert "folder" not in tree["suite"], "paths of this machine are nobody's business"
    first = tree["runs"][0]
    assert (first["data"], first["variant"], first["seed"]) == ("five", "plain", 0)
    assert first["honest"]["rows"][0][1]["image_auroc"] == 0.9
    assert first["record"]["fit"]["stages"] == [{"name": "training", "seconds": 60.0}]
    assert first["record"]["peak_memory"] == 1_500_000_000
    assert first["machine"]["processor"] == "abacus"
    assert len(tree["not_run"]) == 3
    assert {table["data"] for table in tree["published"]} == {"MVTec AD", "MVTec 3D-AD"}


def test_each_run_is_reported_once(tmp_path: Path, reported: list[Path]) -> None:
    benchmark = made("plain")
    page = write_benchmark(benchmark, tmp_path)
    assert reported == [tmp_path / outcome.folder for outcome in benchmark.outcomes]
    write_benchmark(benchmark, tmp_path)
    assert len(reported) == 3
    links = re.findall(r'href="([^"]+)"', page.read_text())
    assert len(links) == 3 + 2
    assert all((tmp_path / link).is_file() for link in links)


def test_the_page_of_something_else_is_not_replaced(tmp_path: Path, reported: list[Path]) -> None:
    write_benchmark(made("plain"), tmp_path / "runs")
    require_benchmark(tmp_path / "runs")
    require_benchmark(tmp_path)
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(ResultError, match=r"index\.html: is already there"):
        require_benchmark(tmp_path)


def test_the_markdown_names_what_was_not_run_and_the_machine() -> None:
    text = benchmark_markdown(made("plain"))
    assert text.startswith("# Benchmark made\n\nWhich?\n\nMachine: processor abacus, threads 1.\n")
    assert "- tiles, plain, seed 2: tiles is not there.\n" in text
    assert text.count("## ") == 4


def test_odd_names_do_not_break_the_page(tmp_path: Path, reported: list[Path]) -> None:
    page = write_benchmark(made("<script>alert('&')</script>", "a|b #?%"), tmp_path).read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a%7Cb%20%23%3F%25" in page
    assert "\n| a\\|b | honest |" in benchmark_markdown(made("a|b"))
    text = benchmark_markdown(made("<script>", "[tiles](x)"))
    assert "<script>" not in text.replace("\\<", "").replace("\\>", "")
    assert "[tiles](x)" not in text


def test_memory_that_the_system_does_not_tell_is_not_a_zero() -> None:
    benchmark = made("plain")
    first, *others = benchmark.outcomes
    untold = replace(first, record=replace(first.record, peak_memory=None))
    rows = run_table(replace(benchmark, outcomes=(untold, *others))).rows
    assert [row[4] for row in rows] == ["n/a", "1500", "1500"]
    variants, _ = sections(replace(benchmark, outcomes=(untold, *others)))
    assert variants.table.rows[0][-1] == "1500"
