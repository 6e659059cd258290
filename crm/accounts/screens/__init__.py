"""The pages of accounts: login and failed logins."""
