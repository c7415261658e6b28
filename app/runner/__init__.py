"""The clock of the sources that are asked: when each is asked for which minutes, and what becomes of the answer."""
