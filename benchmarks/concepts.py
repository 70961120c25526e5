"""Are the products among good pictures found without labels?

    python benchmarks/concepts.py DATA DATA ... --name embedded [--set NAME=VALUE ...] [--cache DIR]

Looks for concepts among the good training pictures of every product by itself, of every data set,
of all of them together, of random sets of products, and of such sets of which each product has a
random share of its pictures. The categories serve for nothing but to judge what was found. Features
come from the store, so that only the first run computes them. Writes
benchmarks/results/concepts-NAME.json, and tables to concepts-NAME.md beside it.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from normalis.api.pictures import averages_of, concepts_of
from normalis.backbones.build import build_pyramid
from normalis.datasets.union import open_union
from normalis.evaluation.machine import machine
from normalis.features.extract import extract_features
from normalis.presets import preset
from normalis.recipes import Recipe, parse_assignment, recipe_from

RESULTS = Path(__file__).parent / "results"
FEWEST = 8  # pictures of a product in a set of random sizes

Products = dict[str, Tensor]  # name: global averages, a row for each picture


@dataclass(frozen=True)
class Found:
    """What was found among some products.

    Attributes:
        kind: Which sort of set this is.
        pictures: Of each product.
        concepts: For each, its pictures of each product, in the same order.
        seconds: Of the search.
    """

    kind: str
    pictures: dict[str, int]
    concepts: list[list[int]]
    seconds: float

    @property
    def purity(self) -> float:
        """Share of the pictures that are of the product that is most frequent in their concept."""
        return sum(map(max, self.concepts)) / sum(self.pictures.values())

    @property
    def merged(self) -> bool:
        """Whether pictures of two products share a concept."""
        return self.purity < 1.0

    @property
    def split(self) -> bool:
        """Whether some product has two concepts for its own."""
        return len({row.index(max(row)) for row in self.concepts}) < len(self.concepts)


def main() -> None:
    """Search in every set, and write what was found."""
    options = _options()
    recipe = preset(options.preset)
    for assignment in options.set:
        recipe = recipe_from(recipe, parse_assignment(assignment))
    products, channels = _products(options, recipe)

    def search(averages: Tensor) -> list[int]:
        return concepts_of(averages, channels, recipe=recipe)

    done = [_searched(kind, chosen, search) for kind, chosen in _sets(products, options.draws)]
    path = options.results / f"concepts-{options.name}.json"
    tree = {
        "preset": options.preset,
        "settings": [text for text in options.set if "weights" not in text],
        "machine": machine(),
        "sets": [asdict(one) for one in done],
    }
    path.write_text(json.dumps(tree) + "\n", encoding="utf-8")
    text = _table(done, options.name)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--name", default="embedded")
    parser.add_argument("--preset", default="vqflow")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE")
    parser.add_argument("--every", type=int, default=1, help="n-th picture alone of each product")
    parser.add_argument("--draws", type=int, default=30, help="random sets of either kind")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS)
    return parser.parse_args()


def _products(options: argparse.Namespace, recipe: Recipe) -> tuple[Products, tuple[int, ...]]:
    """The global averages of every product, and the channels of the maps."""
    pyramid = build_pyramid(recipe.backbone)
    samples = open_union(options.data).train_good
    names = sorted({sample.category or "" for sample in samples})
    products: Products = {}
    for name in names:
        table = extract_features(
            [s for s in samples if (s.category or "") == name][:: options.every],
            pyramid=pyramid,
            preparation=recipe.preparation,
            cache=options.cache,
        )
        products[name] = averages_of(table, pyramid.device)
    return products, pyramid.channels


def _sets(products: Products, draws: int) -> Iterator[tuple[str, Products]]:
    """Every set that is searched, and its kind."""
    yield from (("one product", {name: rows}) for name, rows in products.items())
    for data in dict.fromkeys(name.rpartition("/")[0] for name in products):
        own = {name: rows for name, rows in products.items() if name.startswith(f"{data}/")}
        if len(own) > 1:
            yield f"all of {data}", own
    yield "all together", products
    for draw in range(draws):
        yield "random products", _drawn(products, draw)
    for draw in range(draws):
        generator = torch.Generator().manual_seed(draw)
        chosen = _drawn(products, draws + draw)
        yield "random products and sizes", {n: _some(x, generator) for n, x in chosen.items()}


def _drawn(products: Products, seed: int) -> Products:
    """Two products or more."""
    generator = torch.Generator().manual_seed(seed)
    count = int(torch.randint(2, len(products) + 1, (), generator=generator))
    chosen = torch.randperm(len(products), generator=generator)[:count].tolist()
    return {name: products[name] for name in (list(products)[i] for i in chosen)}


def _some(rows: Tensor, generator: torch.Generator) -> Tensor:
    """Some of the rows; that there are ten times fewer is as likely as that there are all."""
    share = float(torch.rand((), generator=generator))
    size = round(FEWEST * (len(rows) / FEWEST) ** share)
    return rows[torch.randperm(len(rows), generator=generator)[:size]]


def _searched(kind: str, products: Products, search: Callable[[Tensor], list[int]]) -> Found:
    start = time.perf_counter()
    concept = torch.tensor(search(torch.cat(list(products.values()))))
    seconds = time.perf_counter() - start
    pictures = {name: len(rows) for name, rows in products.items()}
    parts = concept.split(list(pictures.values()))
    counts = torch.stack([torch.bincount(own, minlength=int(concept.max()) + 1) for own in parts])
    return Found(kind, pictures, counts.T.tolist(), seconds)


def _table(done: list[Found], name: str) -> str:
    kinds = dict.fromkeys(one.kind for one in done)
    lines = [
        f"# Concepts `{name}`",
        "",
        "| sets | searched | every product one concept | products merged | products split | mean "
        "purity | s a search |",
        "| :-- | --: | --: | --: | --: | --: | --: |",
        *(_row(kind, [one for one in done if one.kind == kind]) for kind in kinds),
        "",
        *(_failure(one) for one in done if one.merged or one.split),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _row(kind: str, own: list[Found]) -> str:
    merged, split = (sum(flags) for flags in zip(*((f.merged, f.split) for f in own), strict=True))
    right = sum(not (one.merged or one.split) for one in own)
    purity, seconds = mean(one.purity for one in own), mean(one.seconds for one in own)
    figures = f"{len(own)} | {right} | {merged} | {split} | {purity:.3f} | {seconds:.1f}"
    return f"| {kind} | {figures} |"


def _failure(one: Found) -> str:
    """What went wrong, in words."""
    names = list(one.pictures)
    concepts = [
        " + ".join(f"{count} {name}" for count, name in zip(row, names, strict=True) if count)
        for row in one.concepts
    ]
    shared = [text for text in concepts if " + " in text]
    given = ", ".join(f"{count} {name}" for name, count in one.pictures.items())
    text = "; ".join(shared) if one.merged else "; ".join(concepts)
    return f"- {one.kind}, of {given}: {text}"


if __name__ == "__main__":
    main()
