"""``mpicode submit`` up to where a scheduler is needed; see tests/slurm for the rest."""

import subprocess

import pytest

from mpicode.cli import main

from ..mpi.digits import DIGITS, write_config


@pytest.fixture
def submit(tmp_path, monkeypatch, capsys):
    """Call ``mpicode submit run.toml ...`` in a folder, with an empty PATH."""
    write_config(tmp_path, output=None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def call(*arguments, config="run.toml"):
        code = main(["submit", config, *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def program(folder, name, text):
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_printing_asks_for_nothing_and_writes_nothing(submit, tmp_path):
    before = sorted(tmp_path.iterdir())
    code, out, err = submit("--print", "-n", 6, "--set", "run.seed=3", "--time", "5:00")
    assert (code, err) == (0, "")
    assert "#SBATCH --ntasks=7\n" in out
    assert "#SBATCH --time=5:00\n" in out
    run = f"{tmp_path}/run"
    assert f"    set -- {run}.toml -n 6 --set run.seed=3 -o {run}.h5\n" in out
    assert f"#SBATCH --output={run}-%j.log\n" in out
    assert sorted(tmp_path.iterdir()) == before
    path = "/usr/bin:/bin"
    subprocess.run(["bash", "-n"], input=out, text=True, env={"PATH": path}, check=True)


def test_the_script_is_beside_the_run_and_the_number_on_stdout(submit, tmp_path):
    (tmp_path / "runs").mkdir()
    program(tmp_path, "sbatch", f'echo "$@" > "{tmp_path}/given"; echo 42')
    code, out, err = submit("-o", "runs/first.h5")
    assert (code, out) == (0, "42\n")
    script = tmp_path / "runs" / "first.sbatch"
    assert err == f"mpicode: {script} submitted as job 42\n"
    assert (tmp_path / "given").read_text() == f"--parsable {script}\n"
    _, printed, _ = submit("-o", "runs/first.h5", "--print")
    assert script.read_text() == printed
    assert submit("-o", "runs/first.h5")[0] == 0  # over its own


def test_a_script_that_sbatch_refuses_does_not_stay(submit, tmp_path):
    program(tmp_path, "sbatch", 'echo "sbatch: error: no time left" >&2; exit 1')
    before = sorted(tmp_path.iterdir())
    code, out, err = submit()
    assert (code, out) == (2, "")
    assert err == "mpicode: error: sbatch refuses: no time left\n"
    assert sorted(tmp_path.iterdir()) == before
    # nor does it take the place of one that was taken
    program(tmp_path, "sbatch", "echo 42")
    assert submit("--time", "1:00:00")[0] == 0
    accepted = (tmp_path / "run.sbatch").read_text()
    program(tmp_path, "sbatch", "exit 1")
    assert submit("--time", "2:00:00")[0] == 2
    assert (tmp_path / "run.sbatch").read_text() == accepted
    # one that was taken without a word may have a job
    program(tmp_path, "sbatch", "exit 0")
    assert submit("--time", "3:00:00")[0] == 4
    assert "#SBATCH --time=3:00:00\n" in (tmp_path / "run.sbatch").read_text()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no sbatch on PATH: jobs are submitted where SLURM is; --print shows"),
        (["--time", "noon"], "--time: 'noon' is no time"),
        (["--ntasks", "6"], "--ntasks: 6 tasks, but the run has 5 ranks = 1 master + 4 workers"),
        (["--ntasks", "4", "--launcher", "srun-pmix"], "--ntasks: 4 tasks, but the run has 5"),
        (["--ntasks", "1"], "--ntasks: 1, but the smallest run has 2"),
        (["--partition", "fast"], "no sinfo on PATH"),
        (["--launcher", "srun-pmix"], "no srun on PATH"),
        (["--set", "checkpoint.keep=0"], "checkpoint.keep: 0, but a job that goes back"),
        (["--set", "data.path=none.h5"], "none.h5: no such file"),
        (["--set", "code.n_stragglers=7"], "code.n_stragglers: "),
        (["--set", "run.workers=7"], "run.workers: no such key"),
        (["-o", "nowhere/run.h5"], "output.path: there is no folder "),
        (["-o", "a\\b.h5"], "sbatch takes no backslash in names and paths"),
    ],
)
def test_nonsense_is_one_line_before_anything_is_submitted(submit, tmp_path, arguments, says):
    if "PATH" not in says:
        program(tmp_path, "sbatch", f'touch "{tmp_path}/submitted"; echo 1')
    code, out, err = submit(*arguments)
    assert code in (2, 3)
    assert out == ""
    (line,) = [line for line in err.splitlines() if not line.startswith("mpicode: 5 ranks share")]
    assert line.startswith("mpicode: error: ")
    assert says in line
    assert not (tmp_path / "submitted").exists()
    assert not list(tmp_path.rglob("*.part"))


def test_a_script_of_somebodys_own_stays(submit, tmp_path):
    program(tmp_path, "sbatch", "echo 1")
    (tmp_path / "run.sbatch").write_text("#!/bin/sh\nmy own\n")
    code, out, err = submit()
    assert (code, out) == (2, "")
    assert "run.sbatch is there and was not written by 'mpicode submit'" in err
    assert (tmp_path / "run.sbatch").read_text() == "#!/bin/sh\nmy own\n"


def test_a_partition_that_is_not_there_is_answered_with_those_that_are(submit, tmp_path):
    program(tmp_path, "sinfo", "echo slow; echo fast; echo slow")
    code, _, err = submit("--partition", "slow,quick")
    assert code == 2
    assert err == "mpicode: error: --partition: there is no 'quick'; there are fast, slow\n"


def test_srun_that_cannot_start_this_kind_of_mpi(submit, tmp_path):
    program(tmp_path, "srun", "echo the kinds:; echo none; echo pmi2")
    code, _, err = submit("--launcher", "srun-pmix")
    assert code == 2
    assert err == "mpicode: error: --launcher: srun knows no 'pmix' here; it knows none, pmi2\n"


def test_fewer_tasks_than_ranks_are_told(submit):
    code, out, err = submit("--ntasks", "3", "--print")
    assert (code, err) == (0, "mpicode: 5 ranks share the cores of 3 tasks\n")
    assert "#SBATCH --ntasks=3\n" in out


def test_without_checkpoints_a_job_does_not_resume(submit):
    code, out, _ = submit("--no-requeue", "--set", "checkpoint.keep=0", "--print")
    assert code == 0
    assert "--resume" not in out


SWEEP = """
data.path = "{data}"
problem.name = "softmax"
optimizer = {{ name = "gradient-descent", step_size = 0.5 }}
sweep.list = [{{ "run.n_workers" = 4 }}, {{ "run.n_workers" = 6 }}, {{ "run.n_workers" = 2 }}]
"""


@pytest.fixture
def sweep(tmp_path):
    """A sweep of three elements, with 4, 6 and 2 workers."""
    path = tmp_path / "sweep.toml"
    path.write_text(SWEEP.format(data=DIGITS))
    return str(path)


@pytest.mark.parametrize(
    ("given", "array"), [([], "0-2"), (["--array", "%2"], "0-2%2"), (["--array", "0,2"], "0,2")]
)
def test_a_sweep_is_an_array(submit, sweep, tmp_path, given, array):
    code, out, _ = submit("--print", *given, config=sweep)
    assert code == 0
    assert f"#SBATCH --array={array}\n" in out
    assert f"#SBATCH --ntasks={5 if given == ['--array', '0,2'] else 7}\n" in out
    assert f"#SBATCH --output={tmp_path}/sweep-%A_%a.log\n" in out
    assert 'mpicode run "$@" --element "$SLURM_ARRAY_TASK_ID" --resume' in out
    assert f"    set -- {sweep} -o {tmp_path}/sweep.h5\n" in out


def test_the_script_of_a_sweep_has_the_name_of_its_run_files(submit, sweep, tmp_path):
    (tmp_path / "runs").mkdir()
    program(tmp_path, "sbatch", "echo 5")
    more = ("--set", f"output.path={tmp_path}/runs/all.h5")
    assert submit(*more, config=sweep)[:2] == (0, "5\n")
    assert (tmp_path / "runs" / "all.sbatch").exists()
    code, out, _ = submit(*more, "--element", "1", "--print", config=sweep)
    assert code == 0
    assert "#SBATCH --job-name=all-1\n" in out
    assert "#SBATCH --array" not in out
    assert "--element 1\n" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--array", "1-3"], "--array: element 3, but [sweep] of "),
        (["--array", "soon"], "--array: 'soon' is none"),
        (["--array", "1", "--element", "1"], "--array: 1, but --element chooses one run"),
        (["--element", "3"], "--element 3: "),
        (["--ntasks", "8"], "--ntasks: 8 tasks, but the run has 7 ranks"),
        (["--set", "code.name=nonsense"], "sweep: element 0 (run.n_workers = 4): "),
    ],
)
def test_nonsense_about_a_sweep(submit, sweep, tmp_path, arguments, says):
    program(tmp_path, "sbatch", f'touch "{tmp_path}/submitted"; echo 1')
    code, out, err = submit(*arguments, config=sweep)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("mpicode: error: ")
    assert says in err
    assert not (tmp_path / "submitted").exists()


def test_an_array_of_one_run(submit):
    code, _, err = submit("--array", "0-3", "--print")
    assert code == 2
    assert "--array: 0-3, but there is one run in run.toml" in err
