"""The presets: each method as it is recommended, as it was published, and as a baseline."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from normalis.backbones.settings import BackboneSettings
from normalis.detectors.hgad.settings import HGADSettings
from normalis.detectors.lsr.settings import PUBLISHED, LSRSettings
from normalis.detectors.vqflow.settings import VQFlowSettings
from normalis.images.prepare import Preparation
from normalis.recipes import Recipe, require_known
from normalis.training.settings import TrainingSettings

__all__ = ["PRESETS", "preset"]


def _paper() -> Recipe:
    """VQ-Flow as published (METHODS §1)."""
    return Recipe(
        preset="vqflow-paper",
        backbone=BackboneSettings(name="convnextv2_base", pool=True),
        preparation=Preparation(height=384, width=384),
        method=VQFlowSettings(
            blocks=(2, 5, 8),
            hidden=0,
            kernel=3,
            fusion=True,
            concepts=32,
            prototype=512,
            patterns=512,
            position_width=64,
            found_concepts=False,
            whitening="none",
            memory=0,
            memory_by_code=False,
            neighbourhood=1,
            data_codes=False,
            exact_prior=False,
            per_dimension=False,
            absolute_score=False,
            score_log_det=False,
            smoothing=0.0,
            top_share=0.03,
            image_score="map",
        ),
        training=TrainingSettings(
            epochs=60,
            least_steps=0,
            optimizer="adam",
            learning_rate=1e-4,
            weight_decay=0.0,
            warmup=1 / 6,
            decay="constant",
            clip=2.0,
            patience=60,
        ),
    )


def _dinov2(name: str, method: VQFlowSettings | HGADSettings, training: TrainingSettings) -> Recipe:
    """A method over the tokens of DINOv2 ViT-S/14, whose weights `backbone.weights` names.

    The middle blocks say what lies where and get the flow; the shallow ones know the surface, and
    say it best over a neighbourhood. Each says so in its own places, so each has its own share in
    the image score (experiments/LOG.md).
    """
    return Recipe(
        preset=name,
        backbone=BackboneSettings(
            name="vit_small_patch14_dinov2", groups=((3, 6), (7, 10)), token_norm=True
        ),
        preparation=Preparation(height=392, width=392),
        method=replace(
            method,
            levels=(1,),
            memory_levels=(0, 1),
            neighbourhood=(3, 1),
            memory_by_code=False,
            image_score="levels",
            top_share=0.003,
        ),
        training=training,
    )


def _hgad_paper() -> Recipe:
    """HGAD as published (METHODS §2); its rate falls to zero, there to a thousandth."""
    return Recipe(
        preset="hgad-paper",
        backbone=BackboneSettings(
            name="tf_efficientnet_b6.aa_in1k", maps=(3,), scales=(1.0, 0.5, 0.25)
        ),
        preparation=Preparation(height=1024, width=1024, fit="crop"),
        method=HGADSettings(
            levels=(0, 1, 2),
            blocks=12,
            hidden=0,
            subnet_norm=False,
            position_width=256,
            labels="categories",
            places=0,
            whitening="none",
            memory=0,
            neighbourhood=1,
            single_picture=False,
            top_share=0.0,
        ),
        training=TrainingSettings(
            epochs=200,
            least_steps=0,
            batch_size=8,
            optimizer="adam",
            betas=(0.95, 0.99),
            learning_rate=2e-4,
            warmup=0.08,
            clip=1e6,
            patience=200,
        ),
    )


def _flow() -> Recipe:
    """The same flow without concepts and codes: the baseline that quantisation must beat."""
    plain = VQFlowSettings(condition="none", whitening="global", memory=0, image_score="map")
    return Recipe(preset="flow", method=plain)


def _lsr(name: str, method: LSRSettings) -> Recipe:
    """LSR at a size for a processor core, or a baseline of the same autoencoder and schedule."""
    return Recipe(
        preset=name,
        backbone=BackboneSettings(name="pixels"),
        preparation=Preparation(height=192, width=192),
        method=replace(method, shrink=2),
        training=TrainingSettings(epochs=3, least_steps=640, batch_size=8),
    )


def _lsr_paper() -> Recipe:
    """LSR as published (METHODS §3)."""
    return Recipe(
        preset="lsr-paper",
        backbone=BackboneSettings(name="pixels"),
        preparation=Preparation(height=160, width=160),
        method=PUBLISHED,
        training=TrainingSettings(
            epochs=100,
            least_steps=0,
            optimizer="adam",
            learning_rate=1e-4,
            weight_decay=0.0,
            warmup=0.0,
            decay="constant",
            clip=1.0,
            clip_by="value",
            patience=100,
        ),
    )


# HGAD in its corrected form (METHODS §2) starts with the mixture alone, and learns for longer.
_HGAD_TRAINING = TrainingSettings(epochs=3, least_steps=300, patience=20)

PRESETS: Mapping[str, Callable[[], Recipe]] = {
    "vqflow": Recipe,
    "vqflow-paper": _paper,
    "flow": _flow,
    "vqflow-dinov2": partial(
        _dinov2,
        "vqflow-dinov2",
        VQFlowSettings(fusion=False),
        TrainingSettings(least_steps=100),
    ),
    "hgad": partial(Recipe, preset="hgad", method=HGADSettings(), training=_HGAD_TRAINING),
    "hgad-paper": _hgad_paper,
    "hgad-dinov2": partial(_dinov2, "hgad-dinov2", HGADSettings(flow_weight=1.0), _HGAD_TRAINING),
    "lsr": partial(_lsr, "lsr", LSRSettings(grain=1.0)),
    "lsr-paper": _lsr_paper,
    "vqvae": partial(_lsr, "vqvae", LSRSettings(score="reconstruction")),
    "vae": partial(_lsr, "vae", LSRSettings(latent="gaussian", score="reconstruction")),
}


def preset(name: str) -> Recipe:
    """The recipe of a preset.

    Raises:
        SettingsError: No preset of this name.
    """
    require_known("preset", [name], allowed=list(PRESETS))
    return PRESETS[name]()
