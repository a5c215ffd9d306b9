"""The worker process: due steps, callbacks of providers, queued jobs and periodic tasks."""
