"""The error of what cannot be measured because training diverged."""


class NotFinite(ValueError):
    """Maps or scores that are infinite or no numbers."""
