"""The HTTP API: the service behind a server that alone holds the root key and the database.

`resolver serve` starts it (`serving`), `app.create_app` puts it together. One request's way: `watching`
(limits by address, request id, log, metrics), `routing` (who asks, content type, size and depth of the body,
all before anything is looked up), one function in `routes`, one method of the service, `answers`. What goes
wrong becomes a status and a body in `errors`, and nowhere else.
"""
