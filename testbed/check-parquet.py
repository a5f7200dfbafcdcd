"""DuckDB reading an export: `python check-parquet.py FILE QUERY`. `records` is the table; prints its rows as JSON."""

import json
import sys

import duckdb

path, query = sys.argv[1:]
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
connection.execute("CREATE VIEW records AS SELECT * FROM read_parquet(?)".replace("?", "'" + path.replace("'", "''") + "'"))
print(json.dumps(connection.execute(query).fetchall(), default=str))
