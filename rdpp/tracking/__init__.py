"""MLflow: runs, their metrics, pictures and files.

Import its modules one by one: those that need MLflow take seconds.
"""
