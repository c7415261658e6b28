"""Changes that others tell of: what their documents mean, and which service they are about."""
