"""Mailboxes on IMAP servers: connecting, fetching what is new, filing what was sent."""
