"""How Elasticsearch and OpenSearch are asked: shared by every collector that reads from them."""
