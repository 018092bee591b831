"""The HTTP service: forecasts, models, jobs and streams over `tcn`.

`service.app.create_app(settings)` gives the ASGI application; `python -m service` serves it.
"""
