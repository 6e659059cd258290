"""Who gets in: login limits, sessions, password reset, invitations and the second factor."""
