"""What an email consists of: letters, headers, addresses, parts and invitations. Pure: no database."""
