"""MLflow runs, their pictures, and what a person sees meanwhile.

Import its modules one by one: those that need MLflow take seconds.
"""
