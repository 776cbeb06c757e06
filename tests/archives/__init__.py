"""Streams of mail."""
