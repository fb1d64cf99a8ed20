"""Everything that decides how the built-in checkpoint comes out: one frozen value."""

from dataclasses import dataclass

__all__ = ["Recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """Sizes, weights and schedule of one pretraining run.

    The network is a BLIP like the released ones, only narrow. Weights multiply the losses of the
    joint phase; the first `warmup_share` of the run trains the vision tower alone on what the
    renderer knows about every patch. Times are minutes of training, summed over resumed runs.
    """

    seed: int = 20261123
    image_size: int = 96
    patch_size: int = 12
    width: int = 128
    heads: int = 4
    vision_layers: int = 5
    text_layers: int = 3
    intermediate: int = 384
    feature_width: int = 128
    max_tokens: int = 48

    steps: int = 1_000_000
    minutes: float = 76.0
    warmup_share: float = 0.215
    learning_rate: float = 1.2e-3
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    average_decay: float = 0.999

    contrastive_weight: float = 0.5
    matching_weight: float = 1.5
    caption_weight: float = 1.0
    answer_weight: float = 0.5
    dense_weight: float = 0.2

    @property
    def grid(self) -> int:
        """Patches along one side of the picture."""
        return self.image_size // self.patch_size
