"""The filters of a list on the screen: chips that change in their place, one filter to add, all of them in a sheet."""
