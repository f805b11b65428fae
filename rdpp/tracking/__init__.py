"""MLflow: runs, their metrics, pictures and files.

`tree` is what the packages above use; it joins the packages of this one. Import the modules one by one: those that need
MLflow take seconds.
"""
