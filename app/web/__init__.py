"""The web side of Synoptic: the interface for programs, the live stream and the pages, as one ASGI application."""

from app.web.application import build
from app.web.options import Meta, WebOptions
from app.web.server import server

__all__ = ["Meta", "WebOptions", "build", "server"]
