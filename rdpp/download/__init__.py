"""Data sets by name: downloaded, checked, and unpacked with care."""
