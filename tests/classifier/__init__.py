"""Tests of mailfilter/classifier."""
