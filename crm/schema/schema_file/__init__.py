"""Definitions, decisions and promotions as a file that people review and another database replays."""
