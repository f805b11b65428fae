"""What rdpp and a store agree on, without MLflow: where it is, names in it, and the version that wrote it."""
