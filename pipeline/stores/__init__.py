"""The two stores: the only place with SQL or pymongo."""
