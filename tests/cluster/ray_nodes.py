"""A Ray cluster of two nodes on this machine, as long as its standard input is open.

Arguments: the folder in which each node has a work folder. Prints the address. At the line `kill` it kills the second
node, which has one CPU; the first has two.
"""

import sys
from pathlib import Path

from ray.cluster_utils import Cluster

OBJECT_STORE = 200 * 2**20


def main() -> None:
    """Until standard input ends."""
    folder, cluster = Path(sys.argv[1]), Cluster()
    cluster.add_node(num_cpus=2, object_store_memory=OBJECT_STORE, env_vars={"RDPP_WORK_FOLDER": str(folder / "head")})
    other = cluster.add_node(
        num_cpus=1,
        object_store_memory=OBJECT_STORE,
        env_vars={"RDPP_WORK_FOLDER": str(folder / "other")},
        node_ip_address="127.0.0.2",  # so that a command on this machine is at the first
    )
    print(cluster.address, flush=True)
    for line in sys.stdin:
        assert line == "kill\n"
        cluster.remove_node(other, allow_graceful=False)
    cluster.shutdown()


if __name__ == "__main__":
    main()
