"""The files of a run in MLflow: pictures and the page that shows them, anomaly maps, states."""
