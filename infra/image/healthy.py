"""For an engine's HEALTHCHECK: exit code 0 if the process in this container answers."""

import http.client

connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=2)
connection.request("GET", "/health")
raise SystemExit(connection.getresponse().status != http.HTTPStatus.OK)
