"""Changes of the database's tables, one file each, run by `service.database` at its opening.

A new database gets the newest tables at once; an older one gets the changes it lacks.
"""
