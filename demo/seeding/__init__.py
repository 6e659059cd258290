"""Generate large, realistic data inside the database (`manage.py seed`).

There is one module for each kind of record, which fills its tables with set-based SQL. They share random draws that
depend only on a seed and the number of a row (`draws`), names (`vocabulary`) and the staff (`staff`).
"""
