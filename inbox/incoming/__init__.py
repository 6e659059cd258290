"""Store incoming email: one path for all sources, independent of arrival order, and idempotent."""
