"""Logs from Elasticsearch and OpenSearch: lines are counted by the cluster, few are read."""
