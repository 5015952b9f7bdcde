"""The loss: binary cross-entropy with class weights."""

from typing import Any

import keras
from keras import ops


class WeightedCrossentropy(keras.losses.Loss):  # type: ignore[misc]
    """Mean over the labels that count of weight * binary cross-entropy.

    Unlike Keras' own, it weighs every time step of a clip by that step's label. Steps with a
    sample weight of 0 (a stream's warm-up) do not count.

    Attributes:
        calm: Weight of labels 0.
        burst: Weight of labels 1.
    """

    def __init__(self, calm: float = 1.0, burst: float = 1.0) -> None:
        super().__init__(name="weighted_crossentropy", reduction="mean_with_sample_weight")
        self.calm = calm
        self.burst = burst

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Losses for labels and probabilities, float32 `(batch, loss_steps)` each."""
        entropy = ops.binary_crossentropy(y_true, y_pred)
        return entropy * (self.calm + (self.burst - self.calm) * y_true)
