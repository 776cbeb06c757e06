"""Tests; a package, so that helpers are imported as ``tests.NAME`` and file names may repeat between folders."""
