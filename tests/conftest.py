"""Fixtures that several test files share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

# Networks here are tiny, and `make test` runs two tests at a time: more threads only get in each
# other's way. Set before TensorFlow and NumPy are loaded; commands that tests start inherit it.
for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# a busy machine makes single examples slow, which says nothing about the code
settings.register_profile("fishrt", deadline=None)
settings.load_profile("fishrt")

if TYPE_CHECKING:
    from fishrt.bundle import Bundle

REFERENCE = Path(__file__).parents[2] / "shared" / "reference"


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of the reference data, which is not part of the repository.

    It is `../shared/reference` beside the checkout, or what FISHRT_REFERENCE names.
    """
    folder = Path(os.environ.get("FISHRT_REFERENCE", REFERENCE))
    if not folder.is_dir():
        pytest.skip(f"the reference data is not at {folder}; set FISHRT_REFERENCE to its folder")
    return folder


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> "Bundle":
    """A random network that many test files run; whoever changes a bundle makes one of its own."""
    from tiny_bundle import GEOMETRY, make_tiny_bundle

    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny", GEOMETRY)
