"""The checksum of chunks is HDF5's own, to the last bit."""

from __future__ import annotations

import h5py
import numpy as np
import pytest


def of_hdf5(data):
    """Return what HDF5 stores behind a chunk of these bytes."""
    with h5py.File.in_memory() as file:
        array = file.create_dataset("x", data=data, chunks=data.shape, fletcher32=True)
        file.flush()
        _, raw = array.id.read_direct_chunk((0,))
    assert raw[:-4] == data.tobytes()
    return int.from_bytes(raw[-4:], "little")


@pytest.mark.parametrize("size", [1, 2, 3, 255, 511, 512, 513, 720, 1026, 100_003])
@pytest.mark.parametrize("value", [None, 0, 1, 255])
def test_it_is_what_hdf5_stores(kernels, size, value):
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    if value is not None:
        data[:] = value
    assert kernels.fletcher32(data) == of_hdf5(data)


@pytest.mark.parametrize("pairs", [[0xFF, 0xFF], [0xFF, 0xFF, 0, 0], [0xFF, 0xFE, 0, 1]])
def test_sums_that_are_a_multiple_of_65535(kernels, pairs):
    for data in (pairs, [0, 0, *pairs], pairs * 300):
        assert kernels.fletcher32(np.array(data, np.uint8)) == of_hdf5(np.array(data, np.uint8))


def test_no_bytes(kernels):
    assert kernels.fletcher32(np.empty(0, np.uint8)) == 0


def test_it_can_begin_anywhere_in_memory(kernels):
    data = np.arange(2000, dtype=np.uint16).astype(np.uint8)
    assert kernels.fletcher32(data[1:1500]) == kernels.fletcher32(data[1:1500].copy())


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"abc".hex(), TypeError, "data: wants a numpy array, got str"),
        (np.zeros(3), TypeError, "data: wants uint8"),
        (np.zeros((2, 2), np.uint8), ValueError, r"data: wants 1 dimension.*\(2, 2\)"),
        (np.zeros(8, np.uint8)[::2], ValueError, "data: must be C-contiguous"),
    ],
)
def test_wrong_arguments(kernels, data, error, message):
    with pytest.raises(error, match=message):
        kernels.fletcher32(data)
