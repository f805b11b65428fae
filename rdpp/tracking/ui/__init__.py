"""MLflow's UI: names, colours, descriptions and views that it shows, and its server on this machine."""
