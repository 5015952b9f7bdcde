"""Settings that belong to this camera rather than to the model: the `preprocess` section."""

from collections.abc import Sequence

from fishrt.bundle import Bundle
from fishrt.config import override_config
from fishrt.errors import ConfigError
from fishrt.preprocess import Preprocessor, make_preprocessor
from fishrt.video.background import learn_background
from fishrt.video.request import NOTHING_ASKED, CameraRequest

SECTION = "preprocess."


def camera_preprocessor(
    bundle: Bundle,
    camera: str,
    overrides: Sequence[str],
    request: CameraRequest = NOTHING_ASKED,
) -> Preprocessor:
    """The preprocessing of a bundle, with what the user says about this camera.

    Args:
        bundle: The bundle.
        camera: The source, from which a median background is learned if one is asked for.
        overrides: Settings such as `preprocess.polarity=dark`.
        request: What is asked of the camera.

    Returns:
        The bundle's own preprocessing if there are no overrides.

    Raises:
        ConfigError: If an override is wrong or is not about preprocessing.
        SourceError: If the background cannot be learned from the source.
    """
    if not overrides:
        return bundle.preprocessor
    check_overrides(overrides)
    config = override_config(bundle.metadata.config, overrides)
    names = {override.partition("=")[0].strip() for override in overrides}
    keeps_background = not any("background" in name or "median" in name for name in names)
    background = (
        bundle.background
        if keeps_background
        else learn_background(camera, config.preprocess, config.clip.fps, request)
    )
    return make_preprocessor(config.clip, config.preprocess, background)


def check_overrides(overrides: Sequence[str]) -> None:
    """Refuses settings that are not about preprocessing.

    Raises:
        ConfigError: With the first one that is not.
    """
    for override in overrides:
        if not override.strip().startswith(SECTION):
            raise ConfigError(
                f"{override.partition('=')[0]} belongs to the model and cannot be changed live; "
                "only preprocess.* can (roi, background, polarity)."
            )
