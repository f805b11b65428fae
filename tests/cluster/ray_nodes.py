"""A Ray cluster of two nodes on this machine, as long as its standard input is open.

Argument: the folder in which each node has a work folder. Prints the address. A third node, the head, has no CPU for
workers: a command on this machine is there. At the line `kill` the node `goes` is killed.
"""

import sys
from pathlib import Path

from ray.cluster_utils import Cluster

OBJECT_STORE = 200 * 2**20


def main() -> None:
    """Until standard input ends."""
    folder, cluster = Path(sys.argv[1]), Cluster()
    cluster.add_node(num_cpus=0, object_store_memory=OBJECT_STORE)
    nodes = {}
    for name, cpus, address in (("goes", 1, "127.0.0.2"), ("stays", 2, "127.0.0.3")):
        nodes[name] = cluster.add_node(
            num_cpus=cpus,
            object_store_memory=OBJECT_STORE,
            env_vars={"RDPP_WORK_FOLDER": str(folder / name)},
            node_ip_address=address,
        )
    print(cluster.address, flush=True)
    for line in sys.stdin:
        assert line == "kill\n"
        cluster.remove_node(nodes["goes"], allow_graceful=False)
    cluster.shutdown()


if __name__ == "__main__":
    main()
