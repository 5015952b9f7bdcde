"""Fixtures that several test files share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# a busy machine makes single examples slow, which says nothing about the code
settings.register_profile("fishrt", deadline=None)
settings.load_profile("fishrt")

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
