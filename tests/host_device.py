"""A device whose memory is the host's: device code runs for real, without a GPU."""

import ctypes

import numpy as np

from fishrt.gpu.device import DeviceTensor


class HostDevice:
    """See `fishrt.gpu.device.Device`. Counts what is queued, and records calls as graphs are."""

    stream = 7
    name = "host memory"

    def __init__(self, *, can_record: bool = False) -> None:
        self.arrays: list[np.ndarray] = []
        self.recorded = 0
        self._can_record = can_record

    def allocate(self, shape, dtype):
        array = np.zeros(shape, dtype)
        self.arrays.append(array)  # memory lives as long as the device
        return DeviceTensor(array.ctypes.data, tuple(shape), np.dtype(dtype))

    def host_array(self, shape, dtype):
        return np.zeros(shape, dtype)

    def zero(self, address, nbytes):
        assert any(
            array.ctypes.data <= address and address + nbytes <= array.ctypes.data + array.nbytes
            for array in self.arrays
        ), "memory that was never allocated"
        ctypes.memset(address, 0, nbytes)

    def upload(self, source, target):
        assert (source.shape, source.dtype) == (target.shape, target.dtype)
        ctypes.memmove(target.address, source.ctypes.data, source.nbytes)

    def download(self, source, target):
        assert (source.shape, source.dtype) == (target.shape, target.dtype)
        ctypes.memmove(target.ctypes.data, source.address, target.nbytes)

    def synchronize(self):
        pass

    def capture(self, enqueue):
        if not self._can_record:
            return None
        self.recorded += 1
        return enqueue


def view(tensor_address: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Memory at an address as an array."""
    nbytes = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = memoryview((ctypes.c_uint8 * nbytes).from_address(tensor_address))
    return np.frombuffer(memory, dtype).reshape(shape)
