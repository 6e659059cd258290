"""Custom fields on screens: filters, inputs and columns, all made from the definitions."""
