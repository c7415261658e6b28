"""A change that was acknowledged outlives a power cut of the real product, with its flag."""

from __future__ import annotations

from pathlib import Path

import httpx
from running import product


def test_an_acknowledged_change_outlives_a_kill(tmp_path: Path) -> None:
    """Right after the answer the process is killed; started again it tells the change, and a token is asked for."""
    token = tmp_path / "token"
    token.write_text("s3cret\n", encoding="utf-8")
    with product(tmp_path, SYNOPTIC__CHANGES__TOKEN_FILE=str(token)) as running:
        address, shown = f"{running.http}/api/v1/changes", {"authorization": "Bearer s3cret"}
        assert httpx.post(address, json={"version": "1"}).status_code == 401
        kept = httpx.post(address, json={"service": "orders", "version": "1.4.2"}, headers=shown)
        assert kept.status_code == 200, kept.text
        running.kill()
        assert running.start().get("/api/v1/changes") == kept.json()["changes"]
        assert "s3cret" not in running.log
