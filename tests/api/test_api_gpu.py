"""The same model and the same answers on a GPU; skipped where there is none."""

from pathlib import Path

import pytest
import torch
from api_samples import World

from normalis.api import load
from normalis.results import Result

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_model_that_a_gpu_learned_scores_the_same_on_both(
    world: World, tmp_path: Path, precision: str
) -> None:
    world.fit(tmp_path / "model", recipe=world.recipe(precision=precision), device="cuda")
    pictures = sorted(world.data.iterdir())[:6]
    answers = {
        device: [
            answer
            for answer in load(tmp_path / "model", device=device).score(pictures)
            if isinstance(answer, Result)
        ]
        for device in ("cpu", "cuda")
    }
    assert len(answers["cpu"]) == len(answers["cuda"]) == 6
    for ours, theirs in zip(answers["cpu"], answers["cuda"], strict=True):
        assert theirs.score == pytest.approx(ours.score, rel=1e-2, abs=1e-3)
        assert theirs.concept == ours.concept
