"""Importing normalis changes nothing and brings in nothing that a user may not have."""

import json
import subprocess
import sys

from source_tree import modules

# Extras, test tools and oracles; none may be needed to import any module of the package.
OPTIONAL = frozenset(
    {"FrEIA", "beartype", "hypothesis", "pytest", "sklearn", "vector_quantize_pytorch", "zuko"}
    | {"fastapi", "nibabel", "onnx", "onnxruntime", "openvino", "pydicom", "ray", "uvicorn"}
    | {"pyarrow"}
)

# Installed, but slow to import: whoever needs one imports it in the function that uses it.
SLOW = frozenset({"jinja2", "matplotlib", "typer"})

PROBE = """
import importlib, json, os, sys, threading, time, warnings
import numpy, scipy.special, torch, timm  # what these do is not ours
def state():
    return dict(
        threads=threading.active_count(), torch_threads=torch.get_num_threads(),
        dtype=str(torch.get_default_dtype()), grad=torch.is_grad_enabled(),
        deterministic=torch.are_deterministic_algorithms_enabled(),
        seed=torch.random.get_rng_state().sum().item(), numpy=str(numpy.random.get_state()),
        environment=dict(os.environ), folder=os.getcwd(), warnings=str(warnings.filters),
    )
known, before, started = set(sys.modules), state(), time.process_time()
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps(dict(
    seconds=time.process_time() - started,
    changed=[key for key, value in state().items() if value != before[key]],
    loaded=sorted({name.split(".")[0] for name in sys.modules}),
)))
"""


def probe(*names: str) -> dict[str, list[str]]:
    command = [sys.executable, "-c", PROBE, json.dumps(names)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.count("\n") == 1, f"an import printed something: {done.stdout[:300]}"
    return json.loads(done.stdout)


def test_import_normalis_is_light() -> None:
    seen = probe("normalis")
    assert (OPTIONAL | SLOW) & set(seen["loaded"]) == set()
    assert seen["changed"] == []
    assert float(str(seen["seconds"])) < 5.0


def test_no_module_needs_an_optional_dependency_or_acts_on_import() -> None:
    seen = probe(*(module.name for module in modules()))
    assert OPTIONAL & set(seen["loaded"]) == set()
    assert seen["changed"] == []
