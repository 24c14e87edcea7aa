"""The connection to MongoDB: settings, client, collections, and what its errors mean."""
