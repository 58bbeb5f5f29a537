"""The HTTP API: the service behind a server that alone holds the root key and the database.

`resolver serve` starts it (`server`), `app.create_app` puts it together. One request's way: `middleware`
(limits by address, request id, log, metrics), `routing` (who asks, content type, size and depth of the body,
all before anything is looked up), one function in `v1` or `cloudify`, one method of the service, `responses`.
What goes wrong becomes a status and a body in `errors`, and nowhere else.
"""
