"""Notifications: telling members of staff what concerns them, on a page and in a daily email."""
