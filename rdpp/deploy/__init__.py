"""What is done with a finished run: it is replayed, and its network is used."""
