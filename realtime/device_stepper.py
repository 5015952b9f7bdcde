"""Steps on a GPU: the states stay in its memory, only pictures go in and probabilities come out."""

import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fishrt.clip import ClipGeometry
from fishrt.gpu.device import Device, DeviceProgram
from fishrt.graph_names import NEXT_PREFIX, PROBABILITY, TIME_STEP
from realtime.stepper import WARM_UP_RUNS
from realtime.wording import count


class DeviceStepper:
    """Steps computed on a device; see `realtime.stepper.Stepper`.

    As on the CPU, every phase has one set of states and one more set is scratch: a step reads the
    phase's set, writes the scratch set, and the two change places, so that no memory is read and
    written by one run. Each pair of sets is bound once, and all of them before the first frame.
    """

    def __init__(
        self, device: Device, program: DeviceProgram, geometry: ClipGeometry, lanes: int
    ) -> None:
        """Allocates everything that the device will need.

        Args:
            device: Where to run.
            program: What runs there.
            geometry: The clip geometry.
            lanes: Lanes in every phase, as the program was made for.
        """
        self.lanes = lanes
        self._device = device
        self._program = program
        self._phases = geometry.frames_per_step
        shape = (1, geometry.frames_per_step, geometry.height, geometry.width)
        self._picture = device.host_array(shape, np.uint8)
        self._answer = device.host_array((lanes,), np.float32)
        self._fixed = {
            TIME_STEP: device.allocate(shape, np.uint8),
            PROBABILITY: device.allocate((lanes,), np.float32),
        }
        self._sets = [
            {
                name: device.allocate(*kind)
                for name, kind in program.inputs.items()
                if name != TIME_STEP
            }
            for _ in range(self._phases + 1)
        ]
        self._set_of_phase = list(range(self._phases))
        self._scratch = self._phases
        self._runs: dict[tuple[int, int], Callable[[], None]] = {}

    def step(self, time_step: NDArray[np.uint8], phase: int) -> NDArray[np.float32]:
        """Advances all lanes of a phase by one time step; see `Stepper.step`."""
        np.copyto(self._picture[0], time_step)
        self._device.upload(self._picture, self._fixed[TIME_STEP])
        source, target = self._set_of_phase[phase], self._scratch
        self._run(source, target)()
        self._device.download(self._fixed[PROBABILITY], self._answer)
        self._device.synchronize()
        self._set_of_phase[phase], self._scratch = target, source
        return self._answer.copy()

    def reset(self, phase: int | None = None, lane: int | None = None) -> None:
        """Puts states back to zero: of one lane, of one phase, or of all."""
        for each in range(self._phases) if phase is None else (phase,):
            for state in self._sets[self._set_of_phase[each]].values():
                if lane is None:
                    self._device.zero(state.address, state.nbytes)
                else:
                    size = state.nbytes // self.lanes
                    self._device.zero(state.address + lane * size, size)

    def warm_up(self) -> None:
        """Runs every pair of sets a few times on black frames, then zeroes all states.

        Which pairs meet depends on where gaps fall, and a pair that is new is bound, and recorded
        where that is done: not something for the middle of a run.
        """
        self._picture[...] = 0
        self._device.upload(self._picture, self._fixed[TIME_STEP])
        for source, target in itertools.permutations(range(len(self._sets)), 2):
            run = self._run(source, target)
            for _ in range(WARM_UP_RUNS):
                run()
        self._device.synchronize()
        self.reset()

    def describe(self) -> str:
        """What computes the steps, in a few words for a person."""
        return f"{self._program.name} on {self._device.name}, {count(self.lanes, 'lane')} a phase"

    def _run(self, source: int, target: int) -> Callable[[], None]:
        if (source, target) not in self._runs:
            new = {NEXT_PREFIX + name: state for name, state in self._sets[target].items()}
            self._runs[source, target] = self._program.bind(
                {**self._fixed, **self._sets[source], **new}
            )
        return self._runs[source, target]
