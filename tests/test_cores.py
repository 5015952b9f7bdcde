"""Work is spread over the cores that this process may use, not over all of the machine."""

import os
import subprocess
import sys

import pytest

PINNED = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
from fishrt.cores import usable_cores
from fishrt.doctor.machine import check_processor
from fishrt.video.prefetch import WORKERS
print(usable_cores(), WORKERS, check_processor().values["cores"])
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process")
def test_a_pinned_process_has_as_many_workers_as_cores():
    if os.cpu_count() == 1:
        pytest.skip("there is one core in any case")
    done = subprocess.run(
        [sys.executable, "-c", PINNED], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "1", "1"]
