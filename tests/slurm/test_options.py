import pytest

from mpicode.errors import ConfigError
from mpicode.slurm import Options
from mpicode.slurm.options import elements, seconds_of


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("90", 5400),
        ("2:30", 150),
        ("1:02:03", 3723),
        ("01:00:00", 3600),
        ("1-0", 86400),
        ("1-2", 93600),
        ("1-2:3", 93780),
        ("1-2:3:4", 93784),
        ("unlimited", None),
        ("INFINITE", None),
    ],
)
def test_times(time, seconds):
    assert seconds_of(time) == seconds


@pytest.mark.parametrize(
    "time",
    [
        "",
        "soon",
        "1h",
        "-5",
        "1:2:3:4",
        "1-",
        "-1:00",
        "1.5",
        "1:-2",
        " 5",
        "5\n",
        "٥",
        "0",
        "0:00",
    ],
)
def test_what_is_no_time(time):
    with pytest.raises(ConfigError, match=r"--time: .* is no time"):
        Options(time=time)


@pytest.mark.parametrize(
    ("array", "numbers"),
    [
        ("3", [3]),
        ("0-3", [0, 1, 2, 3]),
        ("0,2,9", [0, 2, 9]),
        ("0-9:4%2", [0, 4, 8]),
        ("1-2,7", [1, 2, 7]),
    ],
)
def test_arrays(array, numbers):
    assert [number for part in elements(array) for number in part] == numbers


@pytest.mark.parametrize("array", ["", "a", "3-1", "0-5%0", "0-", ",1", "0-5:0", "1 2", "-1", "%2"])
def test_what_is_no_array(array):
    with pytest.raises(ConfigError, match="--array: "):
        Options(array=array)


@pytest.mark.parametrize(
    "dependency",
    ["afterok:1", "afterany:1:2", "afterok:1,afternotok:2", "after:1?singleton", "aftercorr:7_*"],
)
def test_dependencies(dependency):
    Options(dependency=dependency)


@pytest.mark.parametrize("dependency", ["", "5", "afterok", "afterok:", "later:5", "afterok:x"])
def test_what_is_no_dependency(dependency):
    with pytest.raises(ConfigError, match=r"--dependency: .* is none"):
        Options(dependency=dependency)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_tasks": 1}, "--ntasks: 1, but the smallest run has 2"),
        ({"n_tasks": 2, "nodes": "3"}, "--nodes: 3 nodes, but 2 tasks"),
        ({"nodes": "4-2"}, "--nodes: '4-2' is neither"),
        ({"nodes": "0"}, "--nodes: '0' is neither"),
        ({"nodes": "two"}, "--nodes: 'two' is neither"),
        ({"cpus_per_task": 0}, "--cpus-per-task: must be at least 1, got 0"),
        ({"time": "1:00"}, "--time: 1:00 is 60 s, but already 60 s before"),
        ({"seconds_to_save": 10}, "--seconds-to-save: must be from 20 to 65535, got 10"),
        ({"seconds_to_save": 65536}, "--seconds-to-save: must be from 20 to 65535"),
        ({"launcher": "aprun"}, "--launcher: 'aprun' is none of mpirun, srun-pmix, srun-pmi2"),
        ({"heterogeneous": True}, "--heterogeneous: mpirun sees the first part"),
        (
            {"heterogeneous": True, "launcher": "srun-pmix", "array": "0-1"},
            "--heterogeneous: SLURM has no arrays",
        ),
        ({"resume": False}, "--requeue: .* has to resume"),
        ({"more": ("mem=4G",)}, "--sbatch: 'mem=4G' is none"),
        ({"more": ("--comment=a\nrm -rf",)}, "nothing in it that cannot be printed"),
        ({"folder": "/a\\b"}, "no backslash"),
        ({"arguments": ("a\udcff.toml",)}, "nothing in it that cannot be printed"),
        ({"before": ("true\0",)}, "nothing in it that cannot be printed"),
        ({"partition": "a\nb"}, "nothing in it that cannot be printed"),
    ],
)
def test_nonsense_is_refused(options, says):
    with pytest.raises(ConfigError, match=says):
        Options(**options)
