"""IMAP mailboxes: connecting, fetching new email, and filing sent email."""
