"""What looks at a file before anybody reads it."""

import h5py
import numpy as np

from mpicode import probe


def test_it_reads_no_more_of_an_array_than_it_may(tmp_path, monkeypatch):
    shapes = [(), (3,), (12, 8), (1000,), (1000, 5), (2, 1000), (2, 3, 1000)]
    with h5py.File(tmp_path / "file.h5", "w") as file:
        for number, shape in enumerate(shapes):
            file[f"{number}"] = np.ones(shape)
    monkeypatch.setattr(probe, "MOST_BYTES", 800)
    read = {}
    plain = h5py.Dataset.__getitem__

    def count(item, which, **options):
        found = plain(item, which, **options)
        read[item.shape] = np.asarray(found).size
        return found

    monkeypatch.setattr(h5py.Dataset, "__getitem__", count)
    monkeypatch.setattr(probe.resource, "setrlimit", lambda *limits: None)
    assert probe.main(str(tmp_path / "file.h5"), 3) == 0
    assert [read[shape] for shape in shapes] == [1, 3, 96, 1, 5, 1, 1]
