"""What lies on disk until MLflow has it, and the thread that sends it. It imports no MLflow."""
