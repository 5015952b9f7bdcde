"""The network in training, spread over devices or processes: what Keras 3 needs help with."""

from typing import Any

import tensorflow as tf
from keras import ops

from training.trainee import Trainee


class SpreadTrainee(Trainee):
    """A trainee under a TensorFlow strategy.

    Keras 3.15 reduces batches and figures over all workers in ways that TensorFlow's multi-worker
    strategy refuses: batches of several parts, and figures without a dimension.
    """

    def prepare(self, batch: tuple[Any, ...]) -> None:
        """Makes the variables of loss and metrics, so that the strategy can copy them.

        Args:
            batch: A batch of its data, as `train_on_batch` takes it.
        """
        self._symbolic_build(data_batch=batch)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Keras would reduce a whole batch over the workers to learn its shapes; `prepare` knew them
        del iterator, data_batch

    def train_step(self, data: Any) -> dict[str, Any]:
        """One update; see Keras."""
        return self._reducible(super().train_step(data))

    def test_step(self, data: Any) -> dict[str, Any]:
        """One batch of validation; see Keras."""
        return self._reducible(super().test_step(data))

    def _reducible(self, figures: dict[str, Any]) -> dict[str, Any]:
        strategy = self.distribute_strategy
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            return figures
        return {name: ops.reshape(value, (1,)) for name, value in figures.items()}
