"""A trading bot with play money. See ``__main__``."""
