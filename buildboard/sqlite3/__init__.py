"""The database engine of a board on SQLite (`ENGINE`); `base.py` is what Django loads of it."""
