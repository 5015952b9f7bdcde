"""Memory and work queue of an NVIDIA GPU, through CUDA's runtime."""

import ctypes
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fishrt.errors import MachineError
from fishrt.gpu.card import check_cuda, cuda_runtime, current_gpu

Kind = tuple[tuple[int, ...], np.dtype[Any]]
"""Shape and type of a tensor."""


@dataclass(frozen=True)
class DeviceTensor:
    """An array in the memory of a device.

    Attributes:
        address: Of its first byte.
        shape: Its shape.
        dtype: Its type.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return int(np.prod(self.shape)) * self.dtype.itemsize


Tensors = Mapping[str, DeviceTensor]


class Device(Protocol):
    """Where states live and steps run, one after another on one queue.

    Attributes:
        stream: Handle of the queue, as CUDA's C interface takes it.
        name: What it is, for a person.
    """

    stream: int
    name: str

    def allocate(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceTensor:
        """Makes an array of zeros on the device, which lives as long as the device object."""
        ...

    def host_array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Makes an array of zeros on the host that the device copies from and to fast."""
        ...

    def zero(self, address: int, nbytes: int) -> None:
        """Queues zeroing of memory."""
        ...

    def upload(self, source: NDArray[Any], target: DeviceTensor) -> None:
        """Queues a copy of a `host_array` to the device."""
        ...

    def download(self, source: DeviceTensor, target: NDArray[Any]) -> None:
        """Queues a copy to a `host_array`."""
        ...

    def synchronize(self) -> None:
        """Waits until the queue is empty."""
        ...

    def capture(self, enqueue: Callable[[], None]) -> Callable[[], None] | None:
        """Records what a function queues, to queue it again in one call.

        Returns:
            What queues it all, or None where that cannot be recorded.
        """
        ...


class DeviceProgram(Protocol):
    """A graph that a library has made ready for a device and a number of lanes.

    Attributes:
        inputs: Shape and type of every input, by name.
        outputs: The same of every output.
        name: What computes, for a person.
    """

    inputs: Mapping[str, Kind]
    outputs: Mapping[str, Kind]
    name: str

    def bind(self, tensors: Tensors) -> Callable[[], None]:
        """Fixes the addresses of all inputs, and of the outputs that are wanted.

        Args:
            tensors: By name; no input shares memory with an output.

        Returns:
            What queues one run, each time it is called.
        """
        ...


class CudaDevice:
    """The first NVIDIA GPU, with a stream of its own; see `Device`."""

    def __init__(self) -> None:
        """Opens the GPU.

        Raises:
            MissingExtraError: If cuda-bindings is not installed.
            MachineError: If there is no GPU.
        """
        self.name = current_gpu().name
        self._runtime = cuda_runtime()
        flags = self._runtime.cudaStreamNonBlocking
        stream = self._checked(self._runtime.cudaStreamCreateWithFlags(flags))
        self.stream = int(stream)
        # what was taken is given back with this object: steppers come and go in the budget
        self._taken: list[tuple[Callable[[Any], Any], Any]] = [
            (self._runtime.cudaStreamDestroy, stream)
        ]
        weakref.finalize(self, _give_back, self._runtime, self._taken)

    def allocate(self, shape: tuple[int, ...], dtype: DTypeLike) -> DeviceTensor:
        """Makes an array of zeros on the GPU."""
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = int(self._checked(self._runtime.cudaMalloc(nbytes)))
        self._taken.append((self._runtime.cudaFree, address))
        self.zero(address, nbytes)
        return DeviceTensor(address, shape, np.dtype(dtype))

    def host_array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Makes an array of zeros in page-locked memory."""
        nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address = int(self._checked(self._runtime.cudaMallocHost(nbytes)))
        self._taken.append((self._runtime.cudaFreeHost, address))
        memory = memoryview((ctypes.c_uint8 * nbytes).from_address(address))
        array: NDArray[Any] = np.frombuffer(memory, np.dtype(dtype)).reshape(shape)
        array[...] = 0
        return array

    def zero(self, address: int, nbytes: int) -> None:
        """Queues zeroing of memory."""
        self._checked(self._runtime.cudaMemsetAsync(address, 0, nbytes, self.stream))

    def upload(self, source: NDArray[Any], target: DeviceTensor) -> None:
        """Queues a copy to the GPU."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self._copy(target.address, source.ctypes.data, source.nbytes, kind)

    def download(self, source: DeviceTensor, target: NDArray[Any]) -> None:
        """Queues a copy from the GPU."""
        kind = self._runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self._copy(target.ctypes.data, source.address, target.nbytes, kind)

    def synchronize(self) -> None:
        """Waits until the stream is empty."""
        self._checked(self._runtime.cudaStreamSynchronize(self.stream))

    def capture(self, enqueue: Callable[[], None]) -> Callable[[], None] | None:
        """Records a CUDA graph; None if what was queued cannot be part of one."""
        runtime = self._runtime
        mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self._checked(runtime.cudaStreamBeginCapture(self.stream, mode))
        failed = False
        try:
            enqueue()
        except MachineError:
            failed = True  # the capture has to be ended all the same
        error, graph = runtime.cudaStreamEndCapture(self.stream)
        if failed or error != runtime.cudaError_t.cudaSuccess:
            runtime.cudaGetLastError()  # else the next call would be blamed for it
            return None
        program = self._checked(runtime.cudaGraphInstantiate(graph, 0))
        self._taken.append((runtime.cudaGraphExecDestroy, program))
        self._checked(runtime.cudaGraphDestroy(graph))
        return lambda: self._checked(runtime.cudaGraphLaunch(program, self.stream))

    def used_mb(self) -> float:
        """Memory in use on the GPU, by all programs, in MB."""
        free, total = self._checked(self._runtime.cudaMemGetInfo())
        return float(total - free) / 1e6

    def _copy(self, target: int, source: int, nbytes: int, kind: Any) -> None:
        self._checked(self._runtime.cudaMemcpyAsync(target, source, nbytes, kind, self.stream))

    def _checked(self, answer: tuple[Any, ...]) -> Any:
        return check_cuda(self._runtime, answer)


def _give_back(runtime: Any, taken: list[tuple[Callable[[Any], Any], Any]]) -> None:
    runtime.cudaDeviceSynchronize()
    while taken:  # last taken, first given back
        give, thing = taken.pop()
        give(thing)
