"""MLflow: runs, their metrics, pictures and files.

`tree` is the way in for training; it joins the packages of this one. Readers import the modules that they need, one by
one: those that need MLflow take seconds.
"""
