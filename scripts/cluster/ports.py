"""Ports of this machine's own address."""

import socket

from rdpp.config import ConfigError

HOST = "127.0.0.1"


def usable(port: int, server: str, flag: str) -> int:
    """A port that nobody listens at.

    Args:
        port: the one that is wanted; 0 for any.
        server: that is to listen there, to be shown.
        flag: by which another can be given, to be shown.

    Raises:
        ConfigError: it is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: closed connections linger
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"{server} cannot listen at {HOST}:{port} ({error}); give another port with {flag}, 0 for any"
            ) from None
        return probe.getsockname()[1]
