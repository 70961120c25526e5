"""The tables of a benchmark: variants beside each other, and beside the published figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from normalis.evaluation.figures import Evaluation, Figures, mean_figures
from normalis.report.tables import Table
from normalis.suites.outcome import Benchmark, Outcome
from normalis.suites.published import CAUTION, PublishedTable, published_tables
from normalis.suites.suite import SuiteData

__all__ = ["Section", "run_table", "sections"]

_WIDE = 4  # so many columns of our own figures stand beside each other
_MEAN, _MIXED = "mean", "all mixed"
_ABSENT = "–"
_FEATURES = (
    "the features of a picture are computed once for each backbone and size: the first fit that "
    "needs them has their time, the others do not"
)


@dataclass(frozen=True)
class Section:
    """A table under its heading."""

    heading: str
    table: Table


@dataclass(frozen=True)
class _Column:
    """One variant by one score; an outcome for each seed."""

    variant: str
    score: str
    outcomes: tuple[Outcome, ...]

    @property
    def evaluations(self) -> list[Evaluation]:
        """Of this score, one a seed."""
        return [o.honest if self.score == "honest" else o.paper for o in self.outcomes]


def sections(benchmark: Benchmark) -> tuple[Section, ...]:
    """For each data set: the variants by their means over classes, then class by class."""
    suite = benchmark.suite
    together = max(1, _WIDE // len(suite.protocol)) * len(suite.protocol)
    found: list[Section] = []
    for data in suite.data:
        columns = _columns(benchmark, data)
        if not columns:
            continue
        found.append(Section(f"{data.name}: variants", _variant_table(columns)))
        for first in range(0, len(columns), together):
            table = _class_table(columns[first : first + together], data)
            found.append(Section(f"{data.name}: classes", table))
    return tuple(found)


def run_table(benchmark: Benchmark) -> Table:
    """Every run that was made: how long it took, what it held, and the key it is kept under."""
    rows = [
        (
            outcome.run.title,
            outcome.record.key[:16] + (" (continued)" if outcome.record.continued else ""),
            f"{outcome.record.fit.seconds:.0f}",
            f"{outcome.record.evaluation_seconds:.0f}",
            _megabytes((outcome,)),
            str(outcome.record.fit.epochs),
        )
        for outcome in benchmark.outcomes
    ]
    notes = (
        f"Times in seconds; {_FEATURES}. Memory is what the run's own process held at most, in MB. "
        "Of a run that was continued after an interruption both are those of its last part.",
    )
    heads = ("run", "key", "fit", "evaluation", "memory", "epochs")
    return Table(heads, tuple(rows), notes)


def _megabytes(outcomes: Sequence[Outcome]) -> str:
    """The most that a run held; "n/a" where the system did not tell."""
    known = [o.record.peak_memory for o in outcomes if o.record.peak_memory is not None]
    return f"{max(known) / 1e6:.0f}" if known else "n/a"


def _columns(benchmark: Benchmark, data: SuiteData) -> list[_Column]:
    """Every variant that has outcomes on this data set, by every score of the suite."""
    columns: list[_Column] = []
    for variant in benchmark.suite.variants:
        outcomes = tuple(
            o for o in benchmark.outcomes if o.run.data == data and o.run.variant == variant
        )
        scores = benchmark.suite.protocol if outcomes else ()
        columns += [_Column(variant.title, score, outcomes) for score in scores]
    return columns


def _variant_table(columns: Sequence[_Column]) -> Table:
    """A line for each variant and score."""
    heads = (
        *("variant", "score", "image AUROC", "pixel AUROC", "AUPRO", "image AUROC, all mixed"),
        *("fit, s", "evaluation, s", "memory, MB"),
    )
    rows = [
        (
            column.variant,
            column.score,
            *_three([e.mean for e in column.evaluations]),
            _spread([e.mixed.image_auroc for e in column.evaluations]),
            f"{mean(o.record.fit.seconds for o in column.outcomes):.0f}",
            f"{mean(o.record.evaluation_seconds for o in column.outcomes):.0f}",
            _megabytes(column.outcomes),
        )
        for column in columns
    ]
    what = f"Means over classes, in per cent, {_seeds(columns)}. Times: {_FEATURES}."
    return Table(heads, tuple(rows), (what, *_protocols(columns)))


def _class_table(columns: Sequence[_Column], data: SuiteData) -> Table:
    """A line for each class, the published figures at its end."""
    first = columns[0].evaluations[0]
    published = published_tables(data.published)
    names = [name for name, _ in first.rows]
    means = _means(names, data)
    shown = [*names, *means, _MIXED] if len(names) > 1 else names
    # A method may have one table for each of several data sets; a class is in one of them.
    methods = list(dict.fromkeys(t.method for t in published if set(t.rows) & set(names)))
    rows = [
        (
            name,
            _counts(_named(first, name, means)),
            *(" / ".join(_three([_named(e, name, means) for e in c.evaluations])) for c in columns),
            *(_published(name, means, [t for t in published if t.method == m]) for m in methods),
        )
        for name in shown
    ]
    heads = (
        *("class", "pictures"),
        *(f"{column.variant}, {column.score}" for column in columns),
        *(f"{method}, published" for method in methods),
    )
    what = (
        "Image AUROC / pixel AUROC / AUPRO up to a pixel false-alarm rate of 0.3, in per cent, "
        f"{_seeds(columns)}{'; published image / pixel AUROC' if methods else ''}."
    )
    return Table(heads, tuple(rows), (what, *_protocols(columns), *_caution(published)))


def _means(names: Sequence[str], data: SuiteData) -> dict[str, list[str]]:
    """The classes of each mean: all, and, where some are set apart, the rest."""
    means = {_MEAN: list(names)}
    rest = [name for name in names if name not in data.apart]
    if rest and data.apart:
        means[f"{_MEAN} without {', '.join(data.apart)}"] = rest
    return means


def _named(evaluation: Evaluation, name: str, means: Mapping[str, Sequence[str]]) -> Figures:
    """The figures of a class, of a mean, or of all mixed."""
    own = {_MEAN: evaluation.mean, _MIXED: evaluation.mixed}
    if name in own:
        return own[name]
    rows = dict(evaluation.rows)
    return mean_figures([rows[one] for one in means[name]]) if name in means else rows[name]


def _counts(figures: Figures) -> str:
    return f"{figures.images - figures.defects} good, {figures.defects} with defects"


def _three(figures: Sequence[Figures]) -> tuple[str, str, str]:
    """Image AUROC, pixel AUROC and AUPRO over seeds."""
    return (
        _spread([f.image_auroc for f in figures]),
        _spread([f.pixel_auroc for f in figures]),
        _spread([f.aupro for f in figures]),
    )


def _spread(values: Iterable[float | None]) -> str:
    """Mean and standard deviation over seeds, in per cent."""
    known = [100 * value for value in values if value is not None]
    if not known:
        return "n/a"
    return f"{mean(known):.1f}" + (f" ± {stdev(known):.1f}" if len(known) > 1 else "")


def _seeds(columns: Sequence[_Column]) -> str:
    seeds = sorted({outcome.run.seed for column in columns for outcome in column.outcomes})
    if len(seeds) == 1:
        return f"of one seed ({seeds[0]})"
    return f"mean ± standard deviation over the seeds {', '.join(map(str, seeds))}"


def _protocols(columns: Sequence[_Column]) -> list[str]:
    """For each score the rules that it keeps, and what was left out: the clauses of all runs."""
    clauses: dict[str, list[list[str]]] = {}
    for column in columns:
        found = (evaluation.protocol.split("; ") for evaluation in column.evaluations)
        clauses.setdefault(column.score, []).extend(found)
    return [
        "; ".join(clause for clause in first if all(clause in other for other in others)) + "."
        for first, *others in clauses.values()
    ]


def _published(
    name: str, means: Mapping[str, Sequence[str]], tables: Sequence[PublishedTable]
) -> str:
    """A method's figures of a class; its mean only over the very classes of ours."""
    rows = {key: pair for table in tables for key, pair in table.rows.items()}
    wanted = means.get(name, [name])
    if not set(wanted) <= set(rows):
        return _ABSENT
    return " / ".join(f"{mean(rows[key][i] for key in wanted):.1f}" for i in (0, 1))


def _caution(published: Sequence[PublishedTable]) -> list[str]:
    """What the published figures are, and the means that papers give for whole data sets."""
    if not published:
        return []
    means: dict[str, list[str]] = {}
    for table in published:
        figures = " / ".join(f"{figure:.1f}" for figure in table.mean)
        means.setdefault(table.data, []).append(f"{table.method} {figures}")
    whole = (f"all classes of {data}: {', '.join(texts)}" for data, texts in means.items())
    return [f"{CAUTION[0].upper()}{CAUTION[1:]}.", f"Published means over {'; '.join(whole)}."]
