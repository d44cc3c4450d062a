"""``mpicode submit`` up to where a scheduler is needed; see tests/slurm for the rest."""

import subprocess

import pytest

from mpicode.cli import main

from ..mpi.digits import write_config


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
        (["-o", "a\\b.h5"], "a script for sbatch can have no backslash"),
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
