"""The database, through SQLAlchemy: SQLite by default, PostgreSQL by URL, one code for both."""
