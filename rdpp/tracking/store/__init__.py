"""The MLflow store: whether it is there, and its runs, which are opened, written, searched and listed."""
