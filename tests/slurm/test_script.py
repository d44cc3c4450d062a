"""The scripts as text; that they work is seen in the other files here."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from mpicode.slurm import Options, script

JOBS = Path(__file__).parents[2] / "jobs"

MADE = {
    "run": Options(),
    "array": Options(arguments=("jobs/sweep.toml",), array="0-7"),
    "heterogeneous": Options(heterogeneous=True, launcher="srun-pmix"),
}
OTHERS = {
    "srun": Options(launcher="srun-pmi2", nodes="2-4", partition="a,b", account="c"),
    "once": Options(requeue=False, resume=False, interrupted_exit_code=4, seconds_to_save=300),
    "odd": Options(
        arguments=('it\'s "$5" `x`.toml', "--set", "code.name='cyclic'"),
        name='a "b" 5%',
        folder="/w/it's 5% é",
        dependency="afterok:1:2,singleton",
        before=("module load openmpi", "source 'my env'/bin/activate"),
        more=('--comment=say "it\'s" #1', "--mem=4G"),
    ),
}


@pytest.mark.parametrize("name", MADE)
def test_the_jobs_folder_is_what_we_generate(name):
    assert (JOBS / f"{name}.sbatch").read_text(encoding="utf-8") == script(MADE[name])


def test_every_script_of_the_jobs_folder_is_generated():
    assert sorted(path.stem for path in JOBS.glob("*.sbatch")) == sorted(MADE)


@pytest.mark.parametrize("name", [*MADE, *OTHERS])
@pytest.mark.parametrize("checker", ["bash -n", "shellcheck"])
def test_shells_understand_it(name, checker):
    command = shlex.split(checker)
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]} here")
    text = script((MADE | OTHERS)[name])
    if name == "odd" and checker == "shellcheck":
        # a file of the user's that is not here; a dollar that means a dollar
        command.append("--exclude=SC1091,SC2016")
    stdin = [] if checker == "bash -n" else ["-"]
    done = subprocess.run(
        [*command, *stdin], input=text, text=True, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def directives(text):
    return [line for line in text.splitlines() if line.startswith("#SBATCH")]


def test_options_stand_in_the_directives():
    text = script(OTHERS["srun"])
    for wanted in ("--nodes=2-4", "--ntasks=9", "--partition=a,b", "--account=c"):
        assert f"#SBATCH {wanted}" in directives(text)
    assert 'srun --mpi=pmi2 --cpus-per-task="$threads" \\\n    mpicode run "$@" --resume' in text
    assert "#SBATCH --requeue" in directives(text)
    assert "--grace" not in text  # that is for our own mpirun
    text = script(OTHERS["once"])
    assert "#SBATCH --no-requeue" in directives(text)
    assert "#SBATCH --signal=B:USR1@300" in directives(text)
    assert 'mpicode run "$@" --interrupted-exit-code 4 --grace 290 &' in text
    assert "scontrol" not in text
    assert "--resume" not in text


def test_what_is_odd_is_quoted_once_for_sbatch_and_once_for_the_shell():
    text = script(OTHERS["odd"])
    assert '#SBATCH --job-name="a \\"b\\" 5%"' in directives(text)
    assert '#SBATCH --output="/w/it\'s 5%% é/a \\"b\\" 5%%-%j.log"' in directives(text)
    assert '#SBATCH "--comment=say \\"it\'s\\" #1"' in directives(text)
    assert "#SBATCH --dependency=afterok:1:2,singleton" in directives(text)
    (line,) = [line for line in text.splitlines() if line.startswith("    set -- ")]
    assert tuple(shlex.split(line)[2:]) == OTHERS["odd"].arguments
    before, after = text.index("module load openmpi\nsource"), text.index("set -u")
    assert before < after  # which such commands do not always survive


def test_parts_of_a_heterogeneous_job_have_the_same_limits():
    made = Options(
        heterogeneous=True, launcher="srun-pmix", nodes="2", time="5:00", account="a", more=("--x",)
    )
    master, workers = script(made).split("#SBATCH hetjob")
    for option in ("--time=5:00", "--account=a", "--cpus-per-task=1", "--x"):
        assert f"#SBATCH {option}" in directives(master)
        assert f"#SBATCH {option}" in directives(workers)
    assert "#SBATCH --nodes=1" in directives(master)
    assert "#SBATCH --ntasks=1" in directives(master)
    assert "#SBATCH --nodes=2" in directives(workers)
    assert "#SBATCH --ntasks=8" in directives(workers)


def run_script(folder, options, says, **environment):
    """Run a script with commands that say what they were given; ``mpicode`` runs ``says``."""
    programs = {"mpicode": says, "scontrol": 'echo "scontrol $*"; kill -TERM "$PPID"'}
    for name, text in programs.items():
        path = folder / name
        path.write_text(f"#!/usr/bin/env bash\n{text}\n")
        path.chmod(0o755)
    (folder / "job").write_text(script(options))
    job = subprocess.Popen(
        ["bash", "job"],
        cwd=folder,
        env={"PATH": f"{folder}:/usr/bin:/bin", "SLURM_JOB_ID": "7", **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, _ = job.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        job.wait()
    return job.returncode, out


WARN = 'trap "exit {code}" USR1; kill -USR1 "$PPID"; while :; do sleep 0.01; done'


@pytest.mark.parametrize(
    ("says", "restarts", "requeued"),
    [
        (WARN.format(code=85), "", True),
        (WARN.format(code=85), "99", True),
        (WARN.format(code=85), "100", False),
        (WARN.format(code=138), "", True),
        ('kill -USR1 "$PPID"; kill -USR1 $$', "", True),
        (WARN.format(code=4), "", False),
        (WARN.format(code=0), "", False),
        (WARN.replace("kill -USR1", "kill -TERM").format(code=85), "", False),
        ("exit 85", "", True),
        ("kill -USR1 $$", "", False),
        ("exit 3", "", False),
    ],
    ids=[
        "saved", "for the 100th time", "too often", "by force", "before it could listen",
        "gave up", "done meanwhile", "cancelled", "out of reach of a host", "died", "failed",
    ],
)  # fmt: skip
def test_who_goes_back_into_the_queue(tmp_path, says, restarts, requeued):
    environment = {"SLURM_RESTART_COUNT": restarts} if restarts else {}
    code, out = run_script(tmp_path, Options(), says, **environment)
    assert out == ("scontrol requeue 7\n" if requeued else "")
    if not requeued:
        wanted = says.partition("exit ")[2].partition('"')[0] or 128 + signal.SIGUSR1
        assert code == int(wanted)


def test_the_arguments_of_the_script_replace_its_own(tmp_path):
    says = 'printf "%s|" "$OMP_NUM_THREADS" "$MKL_NUM_THREADS" "$@"'
    options = Options(arguments=("its own.toml", "-n", "3"), array="0-1")
    more = "--resume|--interrupted-exit-code|85|--grace|50|"
    environment = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_CPUS_PER_TASK": "2", "MKL_NUM_THREADS": "3"}
    code, out = run_script(tmp_path, options, says, **environment)
    assert out == f"2|3|run|its own.toml|-n|3|--element|1|{more}"
    assert code == 0
