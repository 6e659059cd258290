"""Big believable data, made by the database itself: see `manage.py seed`.

Every app has a `seeding` module (or package) that fills its own tables, set-based. What they share is here:
draws that depend on nothing but a seed and a row's number, words to draw from, and the staff.
"""
