"""The database: connections and transactions, the embedded server, migrations, partitions."""
