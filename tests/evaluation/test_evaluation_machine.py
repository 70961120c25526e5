"""The machine as it is written beside timings."""

from importlib.metadata import version

import numpy as np
import pytest
import torch

from normalis.evaluation import machine


def test_the_machine_has_a_processor_memory_and_versions() -> None:
    found = machine()
    assert all(isinstance(value, str) for value in found.values())
    assert found["processor"]
    assert int(found["cores"]) >= 1
    assert found["threads"] == str(torch.get_num_threads())
    assert found["numpy"] == np.__version__
    assert found["normalis"] == version("normalis")
    assert "accelerator" not in machine(device=torch.device("cpu"))


def test_an_accelerator_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "Abacus 9000")
    assert machine(device=torch.device("cuda"))["accelerator"] == "Abacus 9000"
