"""Nacos, asked: which instances are registered, and how they are."""
