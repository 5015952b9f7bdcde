"""When agreement proves little: too few clips, all alike, or no burst among them."""

import numpy as np

from export.reference import UNKNOWN, Cases, Stretch

FEW_CLIPS = 8
"""Real clips, windows of the stretch among them, of which fewer prove little."""
FLAT = 1e-4
"""Standard deviation of Keras' probabilities below which real clips are all alike; measured: 1e-3
or more with random weights, 0.06 with the demo model."""


def weaknesses(cases: Cases, stretch: Stretch) -> tuple[str, ...]:
    """Says why agreement on these clips would prove little.

    Args:
        cases: What clip and step are compared on.
        stretch: What lanes are compared on.

    Returns:
        Sentences without a full stop; none where agreement means something.
    """
    found = []
    expected = np.concatenate([cases.expected[cases.real], stretch.windows])
    if len(expected) < FEW_CLIPS:
        found.append(
            f"only {len(expected)} real clips were compared, which proves little; compare on "
            "longer footage with --recording"
        )
    if expected.std() < FLAT:
        found.append(
            f"Keras says {expected.mean():.3f} to every real clip (they spread by "
            f"{expected.std():.1e}), so that agreement on them proves little; is the network "
            "trained, and is the footage what it is for?"
        )
    labels = cases.labels[cases.labels != UNKNOWN]
    for label, name in ((1, "burst"), (0, "calm clip")):
        if len(labels) and not np.any(labels == label):
            found.append(
                f"there is no {name} among the {len(labels)} labelled clips, so that the change in "
                "AUC could not be checked; compare on other footage with --recording"
            )
    return tuple(found)
