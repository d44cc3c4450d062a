"""Damage to what an HDF5 file says: members, types, shapes, sizes, values, links, attributes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Pick = Callable[[Any], Any]

VALUES = (np.nan, np.inf, -np.inf, 0, -1, 1, 2**31, 2**62, -(2**63), 1e308, -1e308, 5e-324)
LENGTHS = (0, 1, 3, 2**20, 2**31, 2**40, 2**62)


def damage(rng: np.random.Generator, path: Path) -> str:
    """Change one thing that the file says, drawn from ``rng``; return what was done."""

    def pick(choices: Any) -> Any:
        choices = list(choices)
        return choices[int(rng.integers(len(choices)))]

    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        how = pick(WAYS)
        told = how(rng, pick, file, pick(names))
    return f"{path.name}: {told}"


def _delete(rng: np.random.Generator, pick: Pick, file: h5py.File, name: str) -> str:
    del file[name]
    return f"{name} deleted"


def _rename(rng: np.random.Generator, pick: Pick, file: h5py.File, name: str) -> str:
    new = name + pick(["x", " ", "/x", "\u00e9"])
    file.move(name, "moved")
    file.move("moved", new)
    return f"{name} renamed to {new!r}"


def _link(rng: np.random.Generator, pick: Pick, file: h5py.File, name: str) -> str:
    del file[name]
    own = Path(file.filename).name
    target = pick(
        [
            h5py.SoftLink("/nowhere"),
            h5py.SoftLink(f"/{name}"),
            h5py.SoftLink("/"),
            h5py.ExternalLink("nowhere.h5", "/X"),
            h5py.ExternalLink(own, f"/{name}"),
            h5py.ExternalLink("/dev/zero", "/X"),
            h5py.ExternalLink("fifo", "/X"),
        ]
    )
    file[name] = target
    return f"{name} is now {target!r}"


def _type(rng: np.random.Generator, pick: Pick, file: h5py.File, name: str) -> str:
    shape = getattr(file[name], "shape", None) or (3,)
    del file[name]
    dtype = pick(
        [
            h5py.string_dtype(),
            h5py.string_dtype(length=7),
            h5py.vlen_dtype(np.int32),
            h5py.ref_dtype,
            h5py.regionref_dtype,
            h5py.opaque_dtype(np.dtype("M8[s]")),
            h5py.enum_dtype({"a": 1, "b": 2}),
            np.dtype([("a", "f8"), ("b", "i4")]),
            np.dtype(("f8", (2,))),
            np.dtype("V5"),
            *map(np.dtype, ("c16", "f2", "f4", ">f8", ">i8", "i1", "u8", "?", "S3", "f8", "i8")),
        ]
    )
    file.create_dataset(name, shape, dtype)
    return f"{name} now holds {dtype}"


def _shape(rng: np.random.Generator, pick: Pick, file: h5py.File, name: str) -> str:
    item = file[name]
    dtype = item.dtype if isinstance(item, h5py.Dataset) else np.dtype("f8")
    numbers = isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu" and item.ndim
    if numbers and rng.random() < 0.5:
        values = item[()]
        values = pick([values[:-1], values[None], values[..., None], values.ravel(), values.T])
        del file[name]
        file[name] = values
        return f"{name} is now {values.shape}"
    del file[name]
    shape: Any = pick([(), (0,), (1,), (5,), (5, 5), (0, 0), (1,) * 32, None])
    if shape is None:
        file[name] = h5py.Empty(dtype)
    else:
        file.create_dataset(name, shape, dtype)
    return f"{name} is now {shape}"


def _absurd(rng: np.random.Generator, pick: Pick, file: h5py.File, name: str) -> str:
    """Announce far more than the file holds, which HDF5 would answer with fill values."""
    item = file[name]
    dtype = item.dtype if isinstance(item, h5py.Dataset) else np.dtype("f8")
    ndim = item.ndim if isinstance(item, h5py.Dataset) else 1
    if isinstance(item, h5py.Dataset) and item.chunks and None in item.maxshape:
        item.resize(pick(LENGTHS), axis=0)
        return f"{name} resized to {item.shape}"
    shape = tuple(pick(LENGTHS[1:]) for _ in range(max(ndim, 1)))
    while np.prod([float(n) for n in shape]) > 2**58:
        shape = tuple(max(n // 16, 1) for n in shape)
    del file[name]
    file.create_dataset(name, shape, dtype, chunks=tuple(min(n, 16) for n in shape))
    return f"{name} is now {shape}, nothing of it stored"


def _values(rng: np.random.Generator, pick: Pick, file: h5py.File, name: str) -> str:
    item = file[name]
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiu" or not item.size:
        if isinstance(item, h5py.Dataset) and item.dtype.names and len(item):
            return _fields(rng, pick, item)
        return _attribute(rng, pick, file, name)
    values, value = item[()], pick(VALUES)
    with np.errstate(all="ignore"):
        if item.dtype.kind in "iu":
            info = np.iinfo(item.dtype)
            value = min(max(int(value), info.min), info.max) if np.isfinite(value) else 7
        else:
            value = float(value)
        flat = values.reshape(-1)
        chosen = rng.random(flat.size) < pick([0.0, 0.1, 1.0])
        chosen[int(rng.integers(flat.size))] = True
        flat[chosen] = value
    item[...] = flat.reshape(values.shape)
    return f"{chosen.sum()} values of {name} are now {value}"


def _fields(rng: np.random.Generator, pick: Pick, item: h5py.Dataset) -> str:
    """Put a wrong number into a field of a table."""
    rows = item[()]
    numeric = [name for name in rows.dtype.names if rows.dtype[name].kind in "fiu"]
    field, row = pick(numeric), int(rng.integers(len(rows)))
    value = pick([-1, 0, 200, 2**31 - 1])
    with np.errstate(all="ignore"):
        rows[field][row] = np.asarray(value).astype(rows.dtype[field])
    item[...] = rows
    return f"{item.name}, row {row}: {field} is now {value}"


def _virtual(rng: np.random.Generator, pick: Pick, file: h5py.File, name: str) -> str:
    """Make a dataset virtual, its source missing, itself, or no file at all."""
    item = file[name]
    shape = (getattr(item, "shape", None) or (4,)) if isinstance(item, h5py.Dataset) else (4,)
    dtype = item.dtype if isinstance(item, h5py.Dataset) else np.dtype("f8")
    if not isinstance(item, h5py.Dataset) or 0 in shape:
        shape, dtype = (4,), np.dtype("f8")
    del file[name]
    source = pick(["nowhere.h5", ".", Path(file.filename).name, "/dev/zero", "fifo", "../other.h5"])
    target = pick([f"/{name}", "/y", "/nowhere"])
    longer = pick([0, 0, 7])
    layout = h5py.VirtualLayout(shape=(shape[0] + longer, *shape[1:]), dtype=dtype)
    layout[: shape[0]] = h5py.VirtualSource(source, target, shape=shape, dtype=dtype)
    file.create_virtual_dataset(name, layout)
    return f"{name} is now virtual, from {target} of {source}"


def _outside(rng: np.random.Generator, pick: Pick, file: h5py.File, name: str) -> str:
    """Store a dataset's numbers in a file of another kind."""
    item = file[name]
    shape = item.shape if isinstance(item, h5py.Dataset) and item.size else (4,)
    dtype = item.dtype if isinstance(item, h5py.Dataset) else np.dtype("f8")
    if dtype.hasobject or not shape:
        shape, dtype = (4,), np.dtype("f8")
    del file[name]
    source = pick(["nowhere.raw", "/dev/zero", "fifo", Path(file.filename).name])
    file.create_dataset(name, shape, dtype, external=[(source, 0, h5py.h5f.UNLIMITED)])
    return f"{name} is now stored in {source}"


def _attribute(rng: np.random.Generator, pick: Pick, file: h5py.File, name: str) -> str:
    """Change, remove or add an attribute of a member or, mostly, of the file."""
    holders = [file, file, file, file[name]]
    holder = pick(holders)
    key = pick(list(holder.attrs) or ["new"])
    if rng.random() < 0.2 and key in holder.attrs:
        del holder.attrs[key]
        return f"attribute {key} of {holder.name} deleted"
    value = pick(
        [
            *(0, 1, 2, 3, -1, 2**31, 2**63 - 1, np.uint64(2**64 - 1), 0.5, np.nan, np.inf, True),
            *("", "x" * 5000, "\u00e9\n\r\t", "binary", "[code]\nn_stragglers = 'x'", "a\nb"),
            *(
                b"\xff\xfe",
                np.bytes_(b"\xff\xff\xff"),
                np.array([1, 2, 3]),
                np.ones((2, 2)),
                np.empty(0),
            ),
            np.array(["a", "b"], dtype=object),
            np.array([2**40, 2**40]),
            np.array([-1, -1]),
            np.array([0, 0]),
            h5py.Empty("f8"),
            np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
            np.complex128(1j),
            file.ref,
        ]
    )
    dtype = None
    if isinstance(value, np.ndarray) and value.dtype == object:
        dtype = h5py.string_dtype()
    holder.attrs.create(key, value, dtype=dtype)
    return f"attribute {key} of {holder.name} is now {str(value)[:40]!r}"


def _group(rng: np.random.Generator, pick: Pick, file: h5py.File, name: str) -> str:
    """Put a group where a dataset was, or the other way round."""
    if isinstance(file[name], h5py.Group):
        del file[name]
        file[name] = np.arange(4.0)
        return f"{name} is now a dataset"
    del file[name]
    file.create_group(name)
    return f"{name} is now a group"


def _loop(rng: np.random.Generator, pick: Pick, file: h5py.File, name: str) -> str:
    """Make a group a member of itself, or a dataset known by many names."""
    parent = file[name].parent
    parent[pick(["7", "x", "zz"])] = pick([parent, file[name], file["/"]])
    return f"a second name for something in {parent.name}"


WAYS = (
    *(_delete, _rename, _link, _type, _type, _shape, _absurd, _values, _values),
    *(_virtual, _outside, _attribute, _attribute, _group, _loop),
)
