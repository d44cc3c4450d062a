"""Jobs on two nodes, with host names of their own."""

import re

from mpicode.results import read_run

from .telling import GROUP, OVER, bits, fitting, logs


def test_the_master_has_a_node_of_its_own(cluster_of_two, config):
    """Heterogeneous jobs put their parts on different nodes."""
    path = config()
    done = cluster_of_two.mpicode(
        "submit", path, "--wait", "--heterogeneous", "--launcher", fitting()
    )
    assert done.code == 0, done.err + logs(path)
    job = done.out.strip()
    master = re.search(r"HetJobOffset=0 .*? NodeList=(\S+)", cluster_of_two.shown(job), re.DOTALL)
    (workers,) = set(read_run(path.with_suffix(".h5")).attrs["hosts"])
    assert {master[1], workers} == set(cluster_of_two.slurm.nodes)


def test_a_job_that_loses_a_node_is_requeued_and_resumes(cluster_of_two, config, stage):
    cluster, calm = cluster_of_two, config("calm")
    path = config(problem={"name": stage.name}, checkpoint={"every": 2})
    assert cluster.mpicode("run", calm).code == 0
    for rank in GROUP:
        stage.hold("gradient", rank, 15)
    job = cluster.submit(path, "--nodes", "2", "--sbatch=--ntasks-per-node=3")
    for rank in GROUP:
        cluster.until(stage.held("gradient", rank, 15), f"gradient 15 of rank {rank}")
    cluster.ask("scontrol", "update", "NodeName=node1", "State=DOWN", "Reason=fire")
    cluster.until_state(job, "PENDING", "COMPLETING", "CONFIGURING")
    for rank in GROUP:
        stage.release("gradient", rank)
    cluster.until_state(job, *OVER)
    assert cluster.states(job) == ["COMPLETED"], logs(path)
    assert "Restarts=1" in cluster.shown(job)
    made = read_run(path.with_suffix(".h5"))
    assert {"node0", "node1"} == set(made.attrs["hosts"])
    assert "resumed" in [event["kind"] for event in made.events]
    assert bits(path) == bits(calm)
